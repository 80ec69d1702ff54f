#include "setup/resolver_asio.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup {
namespace {

constexpr int pages = 3;

bool is(const Error& error, Failure code) {
  return error.code() == make_error_code(code);
}

/// The first "1.2.3…" of a text: a version in a file name or an address.
std::string dotted_number(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9') continue;
    std::size_t end = at;
    while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
    std::string number(text.substr(at, end - at));
    while (number.ends_with('.')) number.pop_back();
    if (number.find('.') != std::string::npos) return number;
    at = end;
  }
  return {};
}

/// The address in a vendor's answer that is no archive but a description of one (SVC-47).
std::string address_in(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return {};
  for (const char* name : {"url", "updateFile", "downloadUrl", "download_url"}) {
    if (const std::string found = jsonx::string_at(*object, name); !found.empty()) return found;
  }
  for (const auto& [name, member] : *object) {
    if (const std::string found = address_in(member); !found.empty()) return found;
  }
  return {};
}

const json::array* list_in(const json::value& value) {
  if (value.is_array()) return &value.get_array();
  if (!value.is_object()) return nullptr;
  for (const char* name : {"updates", "changes", "releases"}) {
    const json::value* found = value.get_object().if_contains(name);
    if (found != nullptr && found->is_array()) return &found->get_array();
  }
  return nullptr;
}

/// An address of the catalogue: what stands in brackets goes unless all of it is known (SVC-9).
Result<std::string> address(Scope& scope, const json::value& expression) {
  json::object wrapped;
  wrapped["url"] = expression;
  const auto filled = scope.expand(json::value(std::move(wrapped)));
  if (!filled) return filled.error();
  return jsonx::string_at(filled->get_object(), "url");
}

}  // namespace

std::string Resolver::repository() const {
  return fetcher_.endpoint("github_api") + "/repos/" + plan_.owner + "/" + plan_.name;
}

Wanted Resolver::asset_file(const Asset& asset) const {
  Wanted out;
  out.url = fmt::format("{}/releases/assets/{}", repository(), asset.id);
  out.octets = true;
  out.size = asset.size;
  if (!asset.digest.empty()) out.sha256 = asset.digest.substr(7);
  out.what = asset.name;
  return out;
}

Task<Result<Release>> Resolver::tagged(std::string tag) {
  Result<Release> last = failure(Failure::release_not_found, "no release is named");
  for (const std::string& spelling : tag_spellings(tag)) {
    const std::string url = repository() + "/releases/tags/" + text::percent_encode(spelling);
    const std::string what = fmt::format("release {} of {}/{}", tag, plan_.owner, plan_.name);
    const Result<json::value> value = co_await fetcher_.json_of(url, what);
    if (value) co_return parse_release(*value);
    last = value.error();
    if (!is(value.error(), Failure::release_not_found)) break;
  }
  co_return last;
}

Task<Result<Release>> Resolver::newest(Selector selector) {
  const std::string what = fmt::format("the releases of {}/{}", plan_.owner, plan_.name);
  for (int page = 1; page <= pages; ++page) {
    const std::string url = fmt::format("{}/releases?per_page=100&page={}", repository(), page);
    const Result<json::value> value = co_await fetcher_.json_of(url, what);
    if (!value) co_return value.error();
    const Result<std::vector<Release>> releases = parse_releases(*value);
    if (!releases) co_return releases.error();
    if (const Release* best = choose(*releases, selector)) co_return *best;
    if (releases->size() < 100) break;
  }
  co_return failure(Failure::release_not_found, what + ": none is of the wanted kind");
}

Task<Result<Release>> Resolver::release(Target target) {
  if (target.selector == Selector::exact) {
    Result<Release> found = co_await tagged(target.value);
    co_return found;
  }
  if (target.selector == Selector::latest) {
    const std::string url = repository() + "/releases/latest";
    const std::string what = fmt::format("the latest release of {}/{}", plan_.owner, plan_.name);
    const Result<json::value> value = co_await fetcher_.json_of(url, what);
    if (value) co_return parse_release(*value);
    if (!is(value.error(), Failure::release_not_found)) co_return value.error();
  }
  Result<Release> found = co_await newest(target.selector);
  co_return found;
}

Task<Result<Resolved>> Resolver::branch(std::string name) {
  Resolved out;
  out.selector = Selector::branch;
  out.source = out.branch = true;
  const std::string what = fmt::format("branch {} of {}/{}", name, plan_.owner, plan_.name);
  out.file.what = what;
  const std::string url = repository() + "/commits/" + text::percent_encode(name);
  const Result<json::value> value = co_await fetcher_.json_of(url, what);
  if (!value && is(value.error(), Failure::rate_limited)) {
    out.version = name + "@unknown";
    out.file.url = fmt::format("{}/{}/{}/archive/refs/heads/{}.zip", fetcher_.endpoint("github_web"),
                               plan_.owner, plan_.name, name);
    co_return out;
  }
  if (!value && is(value.error(), Failure::release_not_found))
    co_return failure(Failure::branch_not_found, what + " does not exist");
  if (!value) co_return value.error();
  const std::string sha = value->is_object() ? jsonx::string_at(value->get_object(), "sha") : std::string();
  if (sha.size() < 12) co_return failure(Failure::branch_not_found, what + ": the answer lacks sha");
  out.version = name + "@" + sha.substr(0, 12);
  out.file.url = repository() + "/zipball/" + sha;
  co_return out;
}

Task<Result<std::string>> Resolver::published_digest(Release release, Asset asset) {
  const std::string pattern = jsonx::string_at(run_->service.install, "checksums");
  const Asset* sums = choose_checksums(release, asset, pattern);
  if (!asset.digest.empty() || sums == nullptr) co_return std::string();
  const Wanted file = asset_file(*sums);
  const Result<Fetched> fetched = co_await fetcher_.file(file);
  if (!fetched) co_return fetched.error();
  const std::filesystem::path path = fetched->path;
  auto read_it = [path] { return file::read(path, 16U << 20U); };
  const Result<std::string> text = co_await offload(*run_->context.workers, read_it);
  if (!text) co_return Run::failed(text.error());
  co_return checksum_of(*text, asset.name);
}

Task<Result<Resolved>> Resolver::asset(Release release) {
  Resolved out;
  out.version = release.tag;
  if (plan_.method == "source") {
    out.source = true;
    out.file.url = release.zipball_url.empty()
                       ? repository() + "/zipball/" + text::percent_encode(release.tag)
                       : release.zipball_url;
    out.file.what = fmt::format("the source of {} {}", plan_.name, release.tag);
    co_return out;
  }
  const Result<Asset> asset = choose_asset(release, plan_.pattern);
  if (!asset) co_return asset.error();
  out.file = asset_file(*asset);
  out.file_name = asset->name;
  const Result<std::string> digest = co_await published_digest(release, *asset);
  if (!digest) co_return digest.error();
  if (!digest->empty()) out.file.sha256 = *digest;
  co_return out;
}

/// The newest version of a vendor's feed, by the name of the file it would send.
Task<Result<Resolved>> Resolver::vendor_at(std::string url) {
  Resolved out;
  out.selector = Selector::latest;
  out.file.url = url;
  out.file.what = fmt::format("the update service of {}", run_->service.display_name);
  const Result<Looked> head = co_await fetcher_.text(url, out.file.what, Fetcher::Method::head);
  if (!head) co_return head.error();
  out.version = dotted_number(head->file_name);
  if (out.version.empty())
    out.version = dotted_number(head->end.target.substr(0, head->end.target.find('?')));
  out.file_name = head->file_name;
  if (!out.version.empty()) co_return out;
  // Neither says: then the answer describes the file.
  const Result<json::value> described = co_await fetcher_.json_of(url, out.file.what);
  if (!described) co_return described.error();
  out.file.url = address_in(*described);
  if (out.file.url.empty()) co_return failure(Failure::release_not_found, out.file.what + " names no file");
  if (described->is_object()) out.version = jsonx::string_at(described->get_object(), "version");
  if (out.version.empty()) out.version = dotted_number(out.file.url.substr(out.file.url.rfind('/') + 1));
  if (out.version.empty()) co_return failure(Failure::release_not_found, out.file.what + " names no version");
  co_return out;
}

/// A pinned version, from the vendor's list of changes, else from the project's releases (SVC-47).
Task<Result<Resolved>> Resolver::vendor_pinned(Target target) {
  const auto url = address(run_->scope, run_->service.install.at("changes_url"));
  if (!url) co_return url.error();
  const std::string what = fmt::format("version {} of {}", target.value, run_->service.display_name);
  const Result<json::value> changes = co_await fetcher_.json_of(*url, what);
  const json::array* list = changes ? list_in(*changes) : nullptr;
  for (const json::value& element : list != nullptr ? *list : json::array()) {
    if (!element.is_object()) continue;
    const std::string version = jsonx::string_at(element.get_object(), "version");
    const std::string file = address_in(element);
    if (file.empty() || (version != target.value && !version.starts_with(target.value + "."))) continue;
    Resolved out;
    out.version = version;
    out.file.url = file;
    out.file.what = what;
    co_return out;
  }
  const Result<Release> release = co_await tagged(target.value);
  if (!release) co_return release.error();
  Result<Resolved> out = co_await asset(*release);
  co_return out;
}

Task<Result<Resolved>> Resolver::vendor(Target target) {
  if (target.selector == Selector::exact) {
    Result<Resolved> out = co_await vendor_pinned(std::move(target));
    co_return out;
  }
  const json::object& install = run_->service.install;
  Result<Resolved> out = failure(Failure::release_not_found, "no update service is known");
  for (const char* member : {"update_url", "fallback_url"}) {
    const json::value* expression = install.if_contains(member);
    if (expression == nullptr) continue;
    const auto url = address(run_->scope, *expression);
    if (!url) co_return url.error();
    out = co_await vendor_at(*url);
    if (out || is(out.error(), Failure::cancelled)) co_return out;
  }
  co_return out;
}

Task<Result<Resolved>> Resolver::resolve(Target target) {
  const bool github = !plan_.arr || target.from_release || target.selector == Selector::nightly ||
                      target.selector == Selector::prerelease;
  if (!plan_.override_url.empty()) {
    Resolved out;
    out.selector = Selector::exact;
    out.version = target.value.empty() ? std::string("custom") : target.value;
    out.file.url = plan_.override_url;
    out.file.what = "the download named in the environment";
    co_return out;
  }
  if (github && (text::blank(plan_.owner) || text::blank(plan_.name)))
    co_return failure(Failure::missing_field, "repo_owner and repo_name must be set");
  Result<Resolved> out = Resolved();
  if (!github) {
    out = co_await vendor(target);
  } else if (target.selector == Selector::branch) {
    out = co_await branch(target.value);
  } else {
    const Result<Release> found = co_await release(target);
    if (!found) co_return found.error();
    out = co_await asset(*found);
  }
  if (out) out->selector = target.selector;
  co_return out;
}

}  // namespace dumb::setup
