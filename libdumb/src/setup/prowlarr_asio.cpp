#include <fmt/format.h>
#include <sys/stat.h>
#include <boost/json.hpp>
#include <chrono>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>
#include <set>

#include "setup/arr_api_asio.hpp"
#include "setup/fetcher_asio.hpp"
#include "setup/unpack_posix.hpp"

/// Prowlarr is told of the Arr instances and the indexers (SVC-203 to SVC-206).
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr Seconds prowlarr_limit{30};
constexpr Seconds arr_limit{15};
constexpr std::string_view zilean_elsewhere = "https://zileanfortheweebs.midnightignite.me";
constexpr std::string_view stremthru = "https://stremthru.13377001.xyz/v0/torznab";
/// How long a fetched archive of definitions is good for.
constexpr std::chrono::seconds definitions_age{60};

json::value text_value(std::string_view text) {
  return json::value(json::string(text));
}

/// What all Prowlarr instances are told.
struct Wish {
  std::vector<ArrInstance> arrs;
  std::vector<std::string> tags;  ///< "decypharr", "nzbdav", as far as they are used
  bool decypharr = false;         ///< whose indexers are wanted
  std::string zilean;             ///< base URL
};

std::string local_zilean(Scope& scope) {
  const json::object* zilean = scope.block_of("zilean");
  if (zilean == nullptr || !jsonx::bool_at(*zilean, "enabled", false)) return {};
  return "http://127.0.0.1:" + jsonx::text_at(*zilean, "port");
}

bool is_running(Run& run, const std::string& name) {
  return name == run.name() || run.facts.service_running(name);
}

Wish wish_of(Run& run) {
  Wish wish;
  const config::Model model = run.context.catalog->model();
  const json::object* decypharr = run.scope.block_of("decypharr");
  wish.decypharr = decypharr != nullptr && jsonx::bool_at(*decypharr, "enabled", false);
  std::set<std::string> used;
  if (wish.decypharr) used.insert("decypharr");
  for (ArrInstance& arr :
       arr_instances(run.scope, {"sonarr", "radarr", "lidarr", "readarr", "whisparr", "whisparr-v3"})) {
    for (const char* name : {"decypharr", "nzbdav"}) {
      if (config::has_core_service(*arr.block, name, model)) used.insert(name);
    }
    if (!arr.api_key.empty() && is_running(run, arr.process_name)) wish.arrs.push_back(std::move(arr));
  }
  wish.tags.assign(used.begin(), used.end());
  wish.zilean = local_zilean(run.scope);
  if (wish.zilean.empty()) wish.zilean = zilean_elsewhere;
  return wish;
}

/// The tags' ids, made where they are missing.
Task<Result<std::vector<std::int64_t>>> tag_ids(ArrApi api, std::vector<std::string> labels) {
  std::vector<std::int64_t> out;
  const auto present = co_await get_array(api, "/tag");
  if (!present) co_return present.error();
  for (const std::string& label : labels) {
    std::int64_t id = 0;
    for (const json::value& each : *present) {
      if (each.is_object() && text::iequals(jsonx::text_at(each.get_object(), "label"), label))
        id = text::to_int(jsonx::text_at(each.get_object(), "id")).value_or(0);
    }
    if (id == 0) {
      json::object tag;
      tag["label"] = label;
      json::value body(std::move(tag));
      const auto made = co_await send_json(api, "POST", "/tag", std::move(body));
      if (!made) co_return made.error();
      if (made->status < 200 || made->status > 299) co_return unexpected(api.call("POST", "/tag"), *made);
      const auto answer = jsonx::parse(made->body);
      if (answer && answer->is_object())
        id = text::to_int(jsonx::text_at(answer->get_object(), "id")).value_or(0);
    }
    out.push_back(id);
  }
  co_return out;
}

/// The entity's tags with these added; what the user has added stays.
json::array with_tags(const json::object* present, const std::vector<std::int64_t>& ids) {
  json::array out;
  const json::value* there = present == nullptr ? nullptr : present->if_contains("tags");
  if (there != nullptr && there->is_array()) out = there->get_array();
  for (const std::int64_t id : ids) {
    bool known = false;
    for (const json::value& each : out) known = known || text::to_int(text_of(each)) == id;
    if (!known) out.emplace_back(id);
  }
  return out;
}

/// The application that stands for an Arr: by name, else by what it talks to (SVC-204).
const json::object* application_of(const json::array& present, const ArrInstance& arr,
                                   const std::string& name, const std::string& app) {
  for (const std::string& wanted : {name, arr.process_name}) {
    for (const json::value& each : present) {
      if (each.is_object() && jsonx::text_at(each.get_object(), "name") == wanted) return &each.get_object();
    }
  }
  for (const json::value& each : present) {
    if (!each.is_object() || jsonx::text_at(each.get_object(), "implementation") != app) continue;
    const json::value* url = arr::field(each.get_object(), "baseUrl");
    if (url != nullptr && text_of(*url) == arr.url()) return &each.get_object();
  }
  return nullptr;
}

Task<Result<void>> sync_application(ArrApi api, std::string own_url, std::string app, ArrInstance arr,
                                    std::vector<std::int64_t> tags) {
  const auto present = co_await get_array(api, "/applications");
  if (!present) co_return present.error();
  Upsert what;
  what.path = "/applications";
  what.marker = app;
  what.entity.name = fmt::format("{} ({})", app, arr.instance);
  const json::object* known = application_of(*present, arr, what.entity.name, app);
  if (known != nullptr) what.other_names.push_back(jsonx::text_at(*known, "name"));
  what.entity.members = {{"syncLevel", "fullSync"}, {"enable", true}};
  what.entity.members.emplace_back("tags", json::value(with_tags(known, tags)));
  what.entity.fields = {{"baseUrl", text_value(arr.url())},
                        {"apiKey", text_value(arr.api_key)},
                        {"prowlarrUrl", text_value(own_url)}};
  const auto sent = co_await upsert(api, what);
  if (!sent) co_return sent.error();
  if (sent->status >= 200 && sent->status < 300) co_return Result<void>();
  co_return unexpected(api.call("POST", what.path), *sent);
}

struct Indexer {
  std::string name, file, url, other;  ///< `file`: part of definitionFile; `other`: the other indexer's URL
  bool replace_loopback = false;
};

/// SVC-206: a URL the user chose stays.
bool takes_new_url(const std::string& present, const Indexer& wanted) {
  if (text::blank(present) || present == wanted.other) return true;
  return wanted.replace_loopback &&
         (present.starts_with("http://127.0.0.1") || present.starts_with("http://localhost"));
}

const json::object* indexer_entry(const json::array& list, const Indexer& wanted) {
  for (const json::value& each : list) {
    if (!each.is_object()) continue;
    const json::value* file = arr::field(each.get_object(), "definitionFile");
    if (file != nullptr && text::lower(text_of(*file)).find(wanted.file) != std::string::npos)
      return &each.get_object();
  }
  return nullptr;
}

Task<Result<void>> sync_indexer(ArrApi api, Indexer wanted, std::vector<std::int64_t> tags) {
  const auto present = co_await get_array(api, "/indexer");
  if (!present) co_return present.error();
  arr::Entity entity;
  if (const json::object* known = indexer_entry(*present, wanted)) {
    const json::value* url = arr::field(*known, "baseUrl");
    entity.name = jsonx::text_at(*known, "name");
    if (url == nullptr || !takes_new_url(text_of(*url), wanted)) co_return Result<void>();
    entity.fields = {{"baseUrl", text_value(wanted.url)}};
    std::optional<json::object> next = arr::updated(*known, entity);
    if (!next) co_return Result<void>();
    const std::string path = "/indexer/" + jsonx::text_at(*known, "id");
    json::value body(std::move(*next));
    const auto sent = co_await must_send(api, "PUT", path, std::move(body));
    co_return sent;
  }
  const auto schema = co_await get_array(api, "/indexer/schema");
  if (!schema) co_return schema.error();
  const json::object* entry = indexer_entry(*schema, wanted);
  if (entry == nullptr)
    co_return failure(Failure::api_failed,
                      "the definition of " + wanted.name + " is not known yet, which takes a restart");
  const auto profiles = co_await get_array(api, "/appprofile");
  if (!profiles) co_return profiles.error();
  entity.name = wanted.name;
  entity.members = {{"enable", true}, {"priority", 25}};
  if (!profiles->empty() && profiles->front().is_object())
    entity.members.emplace_back("appProfileId", profiles->front().get_object().at("id"));
  entity.members.emplace_back("tags", json::value(with_tags(nullptr, tags)));
  entity.fields = {{"baseUrl", text_value(wanted.url)}};
  json::value body(arr::created(*entry, entity));
  const auto sent = co_await must_send(api, "POST", "/indexer", std::move(body));
  co_return sent;
}

/// Everything one Prowlarr is told; what fails is logged and the rest goes on.
Task<Result<bool>> sync_one(RunPtr run, ArrInstance prowlarr, Wish wish) {
  const ArrApi api = api_of(*run->context.catalog, prowlarr);
  const auto ready = co_await wait_for_arr(api, prowlarr_limit);
  if (!ready) co_return ready.error();
  const auto tags = co_await tag_ids(api, wish.tags);
  if (!tags) co_return tags.error();
  bool all = true;
  const auto note = [&](const std::string& what, const Result<void>& done) {
    if (done) return;
    all = false;
    run->log().warning(
        fmt::format("{}: {}: {}", prowlarr.process_name, what, run->redacted(done.error().message())));
  };
  for (const ArrInstance& arr : wish.arrs) {
    const ArrApi other = api_of(*run->context.catalog, arr);
    Result<void> done = co_await wait_for_arr(other, arr_limit);
    const json::value* data = run->context.catalog->find(arr.key)->raw.if_contains("arr");
    const std::string app = jsonx::string_at(data->get_object(), "app");
    if (done) done = co_await sync_application(api, prowlarr.url(), app, arr, *tags);
    if (!done && done.error().code() == make_error_code(Failure::cancelled)) co_return done.error();
    note(arr.process_name, done);
  }
  if (!wish.decypharr) co_return all;
  std::vector<std::int64_t> own;
  for (std::size_t i = 0; i < wish.tags.size(); ++i) {
    if (wish.tags[i] == "decypharr") own.push_back((*tags)[i]);
  }
  const std::vector<Indexer> indexers{
      {"Zilean", "custom/zilean", wish.zilean, std::string(stremthru), true},
      {"StremThru", "custom/stremthru", std::string(stremthru), wish.zilean, false}};
  for (const Indexer& indexer : indexers) {
    const Result<void> done = co_await sync_indexer(api, indexer, own);
    if (!done && done.error().code() == make_error_code(Failure::cancelled)) co_return done.error();
    note(indexer.name, done);
  }
  co_return all;
}

/// Where a Prowlarr keeps definitions of its own, mapped.
std::vector<fs::path> definition_directories(Run& run) {
  std::vector<fs::path> out;
  for (const config::BlockRef* ref : run.context.config->of_key("prowlarr")) {
    if (!ref->enabled || (run.service.key == "prowlarr" && ref->path != run.context.block.path)) continue;
    const json::object& block = run.context.config->block(*ref);
    const fs::path directory = run.scope.mapped(jsonx::text_at(block, "config_dir"));
    const fs::path indexer = directory / "indexer";
    out.push_back((run.facts.exists(indexer) ? indexer : directory) / "Definitions/Custom");
  }
  return out;
}

/// Looked at within the last minute, by this instance.
bool is_recent(const fs::path& directory) {
  struct stat info {};
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return ::stat((directory / ".fetched").c_str(), &info) == 0 &&
         now - info.st_mtime < definitions_age.count() && now >= info.st_mtime;
}

StepResult put(Run& run, const fs::path& path, const std::string& text) {
  const auto written = file::write_if_changed(path, text, run.owned(0644));
  if (!written) return Run::failed(written.error());
  if (*written) run.changed(path);
  return *written ? Effect::changed : Effect::none;
}

/// New definitions of the archive, unpacked at `tree`, into one directory.
StepResult add_definitions(Run& run, const fs::path& tree, const fs::path& directory) {
  const file::WriteOptions owner = run.owned(0755);
  const auto made = file::make_directories(directory, 0755, owner.uid, owner.gid);
  if (!made) return Run::failed(made.error());
  Effect effect = Effect::none;
  for (const fs::path& from : glob(tree / "Custom/*.yml")) {
    const fs::path to = directory / from.filename();
    if (run.facts.exists(to)) continue;
    const auto text = file::read(from);
    if (!text) return Run::failed(text.error());
    const auto done = put(run, to, *text);
    if (!done) return done;
    effect = Effect::changed;
  }
  const auto stamped = file::write_atomic(directory / ".fetched", "", run.owned(0644));
  if (!stamped) return Run::failed(stamped.error());
  return effect;
}

/// The links of the two indexers that stand for services here.
StepResult set_links(Run& run, const fs::path& directory) {
  const std::string own = local_zilean(run.scope);
  std::vector<std::string> zilean{std::string(zilean_elsewhere)};
  if (!own.empty()) zilean.insert(zilean.begin(), own);
  const std::vector<std::pair<std::string, std::vector<std::string>>> files{
      {"zilean.yml", zilean}, {"stremthru.yml", {std::string(stremthru), "http://stremthru:8080"}}};
  Effect effect = Effect::none;
  for (const auto& [name, links] : files) {
    const auto text = run.facts.read(directory / name);
    if (!text) continue;
    const auto done = put(run, directory / name, arr::with_links(*text, links));
    if (!done) return done;
    if (*done == Effect::changed) effect = Effect::changed;
  }
  return effect;
}

/// Unpacks the archive beside the cache and gives every directory what it lacks.
StepResult unpack_definitions(Run& run, const fs::path& archive, const std::vector<fs::path>& directories,
                              const std::atomic<bool>& stop) {
  const fs::path tree = archive.parent_path() / (archive.filename().native() + ".unpacked");
  std::error_code error;
  fs::remove_all(tree, error);
  fs::create_directories(tree, error);
  UnpackRequest request;
  request.archive = archive;
  request.tree = tree;
  request.strip_top = true;
  request.scratch = archive.parent_path();
  const auto unpacked = unpack(request, stop);
  StepResult result = Effect::none;
  if (!unpacked) result = Run::failed(unpacked.error());
  for (const fs::path& directory : directories) {
    if (!result) break;
    const auto added = add_definitions(run, tree, directory);
    if (!added || *added == Effect::changed) result = added;
  }
  fs::remove_all(tree, error);
  return result;
}

}  // namespace

Task<Result<bool>> sync_prowlarr(RunPtr run) {
  struct Seen {
    std::vector<ArrInstance> prowlarrs;
    Wish wish;
  };
  run->facts.look_at_services();
  auto look = [run](const std::atomic<bool>&) {
    Seen seen;
    for (ArrInstance& each : arr_instances(run->scope, {"prowlarr"})) {
      if (!each.api_key.empty() && is_running(*run, each.process_name))
        seen.prowlarrs.push_back(std::move(each));
    }
    seen.wish = wish_of(*run);
    return seen;
  };
  const Seen seen = co_await offload(*run->context.workers, std::move(look));
  bool all = true;
  for (const ArrInstance& prowlarr : seen.prowlarrs) {
    const auto done = co_await sync_one(run, prowlarr, seen.wish);
    if (done) {
      all = all && *done;
      continue;
    }
    if (done.error().code() == make_error_code(Failure::cancelled)) co_return done.error();
    run->log().warning(fmt::format("{} could not be synchronised: {}", prowlarr.process_name,
                                   run->redacted(done.error().message())));
    all = false;
  }
  co_return all;
}

Task<StepResult> update_definitions(RunPtr run) {
  auto list = [run](const std::atomic<bool>&) {
    std::vector<fs::path> wanted;
    for (fs::path& each : definition_directories(*run)) {
      if (!is_recent(each)) wanted.push_back(std::move(each));
    }
    return wanted;
  };
  const std::vector<fs::path> wanted = co_await offload(*run->context.workers, std::move(list));
  Effect effect = Effect::none;
  Error fault;
  bool faulty = false;
  if (!wanted.empty()) {
    InstallOptions options;
    options.context = run->context;
    options.cache = cache_directory(run->context);
    Fetcher fetcher(run, options);
    Wanted what;
    what.url = fetcher.endpoint("github_web") + "/dreulavelle/Prowlarr-Indexers/archive/refs/heads/main.zip";
    what.what = "the definitions of indexers";
    const Result<Fetched> fetched = co_await fetcher.file(what);
    if (fetched) {
      auto unpack_it = [run, wanted, path = fetched->path](const std::atomic<bool>& stop) {
        return unpack_definitions(*run, path, wanted, stop);
      };
      const auto unpacked = co_await offload(*run->context.workers, std::move(unpack_it));
      if (!unpacked) co_return unpacked.error();
      effect = *unpacked;
    } else {
      fault = fetched.error();
      faulty = true;
    }
  }
  // Without the network, what is there still gets its links.
  auto link = [run](const std::atomic<bool>&) -> StepResult {
    Effect all = Effect::none;
    for (const fs::path& directory : definition_directories(*run)) {
      const auto done = set_links(*run, directory);
      if (!done) return done;
      if (*done == Effect::changed) all = Effect::changed;
    }
    return all;
  };
  const auto linked = co_await offload(*run->context.workers, std::move(link));
  if (!linked) co_return linked.error();
  if (faulty) co_return fault;
  co_return *linked == Effect::changed ? *linked : effect;
}

}  // namespace dumb::setup
