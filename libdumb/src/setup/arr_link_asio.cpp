#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

#include "setup/arr_api_asio.hpp"
#include "setup/sqlite_posix.hpp"

/// Arr instances are told where to download (SVC-161 to SVC-168).
namespace dumb::setup {
namespace {

constexpr Seconds ready_limit{60};

/// One Arr instance and one of the services it downloads with.
struct Pair {
  ArrInstance arr;
  std::string consumer;  ///< decypharr or nzbdav
  std::string folder;    ///< mapped, with the slug
};

/// A client to set up.
struct Client {
  arr::Entity entity;
  std::string marker;
  std::string category;
};

bool runs(Run& run, const std::string& key) {
  for (const config::BlockRef* ref : run.context.config->of_key(key)) {
    if (ref->enabled && (ref->process_name == run.name() || run.facts.service_running(ref->process_name)))
      return true;
  }
  return false;
}

std::vector<Pair> pairs_of(Run& run, const std::string& consumer, const std::string& only) {
  std::vector<Pair> out;
  const config::Model model = run.context.catalog->model();
  for (ArrInstance& arr : arr_instances(run.scope, {"sonarr", "radarr", "lidarr", "whisparr"})) {
    if (!only.empty() && arr.process_name != only) continue;
    if (arr.process_name != run.name() && !run.facts.service_running(arr.process_name)) continue;
    const bool decypharr = config::has_core_service(*arr.block, "decypharr", model);
    const bool nzbdav = config::has_core_service(*arr.block, "nzbdav", model);
    const auto base = arr::root_base(decypharr, nzbdav);
    if (!base) continue;
    const std::string folder = run.scope.mapped(*base + "/" + arr::slug(arr.key, arr.instance)).native();
    for (const auto& [name, wanted] : {std::pair("decypharr", decypharr), std::pair("nzbdav", nzbdav)}) {
      if (wanted && (consumer == "any" || consumer == name) && runs(run, name))
        out.push_back({arr, name, folder});
    }
  }
  return out;
}

/// The fields all clients share.
arr::Entity client(std::string name, const char* protocol, const std::string& port) {
  arr::Entity entity;
  entity.name = std::move(name);
  entity.members = {{"enable", true}, {"protocol", protocol}};
  entity.only_new = {{"priority", 1}, {"tags", json::array()}};
  entity.fields = {{"host", "127.0.0.1"},
                   {"port", json::value(text::to_int(port).value_or(0))},
                   {"useSsl", false},
                   {"urlBase", ""}};
  return entity;
}

void remove_finished(arr::Entity& entity) {
  entity.members.emplace_back("removeCompletedDownloads", true);
  entity.members.emplace_back("removeFailedDownloads", true);
}

json::object document_at(Run& run, const std::string& path) {
  const auto text = run.facts.read(run.scope.mapped(path));
  auto document = text ? jsonx::parse(*text) : Result<json::value>(json::object());
  return document && document->is_object() ? std::move(document->get_object()) : json::object();
}

/// Whether Decypharr has a usenet provider.
bool has_usenet(const json::object& config) {
  const json::value* usenet = config.if_contains("usenet");
  const json::value* providers =
      usenet == nullptr || !usenet->is_object() ? nullptr : usenet->get_object().if_contains("providers");
  if (providers == nullptr || !providers->is_array()) return false;
  for (const json::value& each : providers->get_array()) {
    if (each.is_object() && !text::blank(jsonx::text_at(each.get_object(), "host"))) return true;
  }
  return false;
}

json::value text_value(std::string_view text) {
  return json::value(json::string(text));
}

std::vector<Client> decypharr_clients(Run& run, const Pair& pair) {
  std::vector<Client> out;
  const json::object* block = run.scope.block_of("decypharr");
  const std::string port = jsonx::text_at(*block, "port");
  Client torrents{client("decypharr", "torrent", port), "qbit", pair.arr.name()};
  torrents.entity.fields.emplace_back("username", text_value(pair.arr.url()));
  torrents.entity.fields.emplace_back("password", text_value(pair.arr.api_key));
  remove_finished(torrents.entity);
  out.push_back(std::move(torrents));
  if (!has_usenet(document_at(run, jsonx::text_at(*block, "config_file")))) return out;
  const std::string token =
      jsonx::text_at(document_at(run, jsonx::text_at(*block, "config_dir") + "/auth.json"), "api_token");
  if (text::blank(token)) {
    run.log().warning(run.name() + ": Decypharr has no API token yet, so no usenet client is set up");
    return out;
  }
  Client usenet{client("decypharr-usenet", "usenet", port), "sab", pair.arr.name()};
  usenet.entity.fields.emplace_back("apiKey", text_value(token));
  remove_finished(usenet.entity);
  out.push_back(std::move(usenet));
  return out;
}

std::vector<Client> nzbdav_clients(Run& run, const Pair& pair) {
  const json::object* block = run.scope.block_of("nzbdav");
  Client usenet{client("nzbdav", "usenet", jsonx::text_at(*block, "backend_port")), "sab",
                arr::slug(pair.arr.key, pair.arr.instance)};
  usenet.entity.fields.emplace_back("apiKey", text_value(nzbdav_api_key(run.scope)));
  return {std::move(usenet)};
}

Result<void> make_folder(Run& run, const std::string& folder) {
  const file::WriteOptions owner = run.owned(0777);
  const std::filesystem::path path(folder);
  for (const std::filesystem::path& each : {path.parent_path(), path}) {
    if (run.facts.exists(each)) continue;
    const auto made = file::make_directories(each, 0777, owner.uid, owner.gid);
    if (!made) return Run::failed(made.error());
    std::error_code error;  // the umask has no say here
    std::filesystem::permissions(each, std::filesystem::perms::all, error);
    run.changed(each);
  }
  return {};
}

Task<Result<void>> set_permissions(ArrApi api) {
  const std::string path = "/config/mediamanagement";
  const auto present = co_await get_json(api, path);
  if (!present) co_return present.error();
  if (!present->is_object()) co_return failure(Failure::api_failed, path + " answered no object");
  std::optional<json::object> next = arr::media_management(present->get_object());
  if (!next) co_return Result<void>();
  const std::string id = jsonx::text_at(*next, "id");
  const std::string target = id.empty() ? path : path + "/" + id;
  json::value body(std::move(*next));
  const auto sent = co_await must_send(api, "PUT", target, std::move(body));
  co_return sent;
}

/// The first id of a list; 0 when there is none.
Task<std::int64_t> first_id(ArrApi api, std::string path) {
  const auto list = co_await get_array(api, path);
  if (!list || list->empty() || !list->front().is_object()) co_return 0;
  co_return text::to_int(jsonx::text_at(list->front().get_object(), "id")).value_or(0);
}

Task<Result<void>> add_root_folder(ArrApi api, Pair pair) {
  const auto present = co_await get_array(api, "/rootfolder");
  if (!present) co_return present.error();
  if (arr::has_root_folder(*present, pair.folder)) co_return Result<void>();
  json::object folder;
  if (pair.arr.key == "lidarr") {
    const std::int64_t quality = co_await first_id(api, "/qualityprofile");
    std::int64_t metadata = co_await first_id(api, "/metadataprofile");
    if (metadata == 0) metadata = co_await first_id(api, "/metadata/profile");
    if (quality == 0 || metadata == 0)
      co_return failure(Failure::api_failed, "there are no profiles to give the root folder");
    folder["name"] = std::filesystem::path(pair.folder).filename().native();
    folder["path"] = pair.folder;
    folder["defaultQualityProfileId"] = quality;
    folder["defaultMetadataProfileId"] = metadata;
  } else {
    folder["path"] = pair.folder;
  }
  json::value body(std::move(folder));
  const auto sent = co_await must_send(api, "POST", "/rootfolder", std::move(body));
  co_return sent;
}

Task<Result<void>> set_client(ArrApi api, Client wanted) {
  const auto schema = co_await get_array(api, "/downloadclient/schema");
  if (!schema) co_return schema.error();
  const json::object* entry = arr::schema_entry(*schema, wanted.marker);
  if (entry == nullptr)
    co_return failure(Failure::api_failed, "there is no download client like " + wanted.marker);
  Upsert what{"/downloadclient", wanted.marker, wanted.entity, {}};
  for (auto& field : arr::category_fields(*entry, wanted.category)) what.entity.fields.push_back(field);
  const auto sent = co_await upsert(api, what);
  if (!sent) co_return sent.error();
  if (sent->status >= 200 && sent->status < 300) co_return Result<void>();
  const bool category = text::lower(sent->body).find("categor") != std::string::npos;
  if (wanted.entity.name != "nzbdav" || sent->status != 400 || !category)
    co_return unexpected(api.call("POST", "/downloadclient"), *sent);
  // NzbDAV learns its categories at its own pace (SVC-168).
  Upsert plain{"/downloadclient", wanted.marker, wanted.entity, {}};
  for (auto& field : arr::category_fields(*entry, "")) plain.entity.fields.push_back(field);
  const auto again = co_await upsert(api, plain);
  if (!again) co_return again.error();
  if (again->status >= 200 && again->status < 300) co_return Result<void>();
  co_return unexpected(api.call("POST", "/downloadclient"), *again);
}

Task<Result<void>> link_pair(RunPtr run, Pair pair) {
  if (pair.arr.api_key.empty())
    co_return failure(Failure::missing_field, pair.arr.process_name + " has no API key yet");
  const ArrApi api = api_of(*run->context.catalog, pair.arr);
  const auto ready = co_await wait_for_arr(api, ready_limit);
  if (!ready) co_return ready.error();
  auto make = [run, folder = pair.folder](const std::atomic<bool>&) { return make_folder(*run, folder); };
  const auto made = co_await offload(*run->context.workers, std::move(make));
  if (!made) co_return made.error();
  const auto permitted = co_await set_permissions(api);
  if (!permitted) co_return permitted.error();
  const auto rooted = co_await add_root_folder(api, pair);
  if (!rooted) co_return rooted.error();
  auto list = [run, pair](const std::atomic<bool>&) {
    return pair.consumer == "nzbdav" ? nzbdav_clients(*run, pair) : decypharr_clients(*run, pair);
  };
  const std::vector<Client> clients = co_await offload(*run->context.workers, std::move(list));
  for (const Client& wanted : clients) {
    const auto set = co_await set_client(api, wanted);
    if (!set) co_return set.error();
  }
  co_return Result<void>();
}

}  // namespace

Task<Result<bool>> link_arrs(RunPtr run, json::object step) {
  run->facts.look_at_services();
  auto list = [run, step](const std::atomic<bool>&) -> Result<std::vector<Pair>> {
    const json::value* only = step.if_contains("only");
    const auto name = only == nullptr ? Result<std::string>(std::string()) : run->scope.text(*only);
    if (!name) return name.error();
    return pairs_of(*run, jsonx::string_at(step, "consumer", "any"), *name);
  };
  const auto pairs = co_await offload(*run->context.workers, std::move(list));
  if (!pairs) co_return pairs.error();
  bool all = true;
  for (const Pair& pair : *pairs) {
    const auto linked = co_await link_pair(run, pair);
    if (linked) continue;
    if (linked.error().code() == make_error_code(Failure::cancelled)) co_return linked.error();
    run->log().warning(fmt::format("{} could not be linked to {}: {}", pair.arr.process_name, pair.consumer,
                                   run->redacted(linked.error().message())));
    all = false;
  }
  co_return all;
}

}  // namespace dumb::setup
