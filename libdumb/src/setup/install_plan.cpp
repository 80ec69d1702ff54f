#include "setup/install_plan.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/tree_rules.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

std::string text_member(Scope& scope, const json::object& install, std::string_view name) {
  const json::value* value = install.if_contains(name);
  if (value == nullptr) return {};
  const auto text = scope.text(*value);
  return text ? *text : std::string();
}

/// The environment's value of a variable a member names.
std::string overriding(const Scope& scope, const json::object& install, std::string_view member) {
  const json::value* table = install.if_contains("override_env");
  if (table == nullptr || !table->is_object()) return {};
  const auto found = scope.context().environment.find(jsonx::string_at(table->get_object(), member));
  return found == scope.context().environment.end() ? std::string() : std::string(text::trim(found->second));
}

void add_paths(std::vector<std::string>& out, const json::value& value, const fs::path& base,
               const Scope& scope) {
  if (value.is_array()) {
    for (const json::value& element : value.get_array()) add_paths(out, element, base, scope);
    return;
  }
  const std::string text = text_of(value);
  if (text::blank(text)) return;
  out.push_back(fs::path(text).is_absolute() ? scope.mapped(text).native() : (base / text).native());
}

/// SVC-70, without what only the disk knows.
std::vector<std::string> configured_kept(Scope& scope, const json::object& install, const InstallPlan& plan) {
  std::vector<std::string> paths;
  const json::object& own = scope.own();
  const fs::path config_dir = scope.mapped(jsonx::string_at(own, "config_dir"));
  if (const json::value* keep = install.if_contains("keep")) {
    if (const auto names = scope.expand(*keep)) add_paths(paths, *names, plan.root, scope);
  }
  if (const json::value* excluded = own.if_contains("exclude_dirs"))
    add_paths(paths, *excluded, config_dir, scope);
  for (const char* member : {"config_file", "log_file"}) {
    const std::string file = jsonx::string_at(own, member);
    if (text::blank(file)) continue;
    paths.push_back(scope.mapped(file).native());
    if (std::string_view(member) == "log_file") paths.push_back(scope.mapped(file).parent_path().native());
  }
  for (const fs::path& file : plan.version_files) paths.push_back(file.native());
  return kept_paths(plan.root.native(), paths);
}

std::string asset_pattern(Scope& scope, const json::object& install) {
  const auto arch = scope.lookup("arch");
  const std::string name = arch ? text_of(*arch) : std::string();
  const bool musl = scope.facts().exists("/lib/ld-musl-" + scope.facts().machine() + ".so.1");
  for (const char* member : {"asset_musl", "asset"}) {
    if (std::string_view(member) == "asset_musl" && !musl) continue;
    const json::value* table = install.if_contains(member);
    if (table == nullptr || !table->is_object()) continue;
    if (const std::string pattern = jsonx::string_at(table->get_object(), name); !pattern.empty())
      return pattern;
  }
  return {};
}

bool has_selector(const catalog::Service& service, std::string_view wanted) {
  const json::value* selectors = service.updates.if_contains("selectors");
  if (selectors == nullptr || !selectors->is_array()) return false;
  for (const json::value& selector : selectors->get_array()) {
    if (text_of(selector) == wanted) return true;
  }
  return false;
}

/// "owner" or "name" of the service's default repository.
std::string default_repo(const catalog::Service& service, std::string_view member) {
  const json::value* repo = service.raw.if_contains("repo");
  return repo != nullptr && repo->is_object() ? jsonx::string_at(repo->get_object(), member) : std::string();
}

TargetFacts target_facts(Scope& scope, const json::object& install, bool arr) {
  TargetFacts facts;
  facts.arr = arr;
  facts.pinned_allowed = has_selector(scope.service(), "pinned");
  facts.branch_only = jsonx::string_at(install, "branch_only");
  // What is built from source can be built from a branch, and so can what says how.
  facts.branch_allowed =
      !arr && (jsonx::string_at(install, "method") == "source" || install.contains("branch_build"));
  facts.default_version = overriding(scope, install, "version");
  if (const std::string own = jsonx::string_at(scope.own(), "version"); !own.empty())
    facts.default_version = own;
  if (facts.default_version.empty()) facts.default_version = jsonx::string_at(install, "default_version");
  return facts;
}

/// An instance of an Arr has a copy of its own when it follows another version than the others (SVC-48).
bool has_own_root(const json::object& own) {
  return jsonx::bool_at(own, "release_version_enabled", false) ||
         !text::blank(jsonx::text_at(own, "pinned_version"));
}

}  // namespace

bool is_released(const catalog::Service& service) {
  const std::string method = jsonx::string_at(service.install, "method");
  return method == "source" || method == "release-asset" || method == "servarr";
}

Result<InstallPlan> plan_install(Scope& scope) {
  const json::object& install = scope.service().install;
  InstallPlan plan;
  plan.method = jsonx::string_at(install, "method");
  plan.arr = plan.method == "servarr";
  const bool apart = plan.arr && install.contains("instance_root") && has_own_root(scope.own());
  const json::value* root = install.if_contains(apart ? "instance_root" : "root");
  if (root == nullptr) return failure(Failure::bad_value, "the service has no place to be installed in");
  const auto path = scope.path(*root);
  if (!path) return path.error();
  plan.root = path->lexically_normal();
  if (!plan.root.has_filename()) plan.root = plan.root.parent_path();
  plan.shown_root = scope.context().root.unmap(plan.root).native();
  if (plan.root == scope.context().root.prefix() || plan.root == "/")
    return failure(Failure::bad_value, "the directory to install in must not be the root itself");
  const auto arch = scope.lookup("arch");
  if (!arch || catalog::is_blank(*arch))
    return failure(Failure::unsupported_arch,
                   fmt::format("machines of type {} are not known", scope.facts().machine()));
  plan.marker = text_member(scope, install, "marker");
  plan.run_marker = text_member(scope, install, "run_marker");
  plan.source_marker = text_member(scope, install, "source_marker");
  if (const json::value* files = scope.service().version.if_contains("write");
      files != nullptr && files->is_array()) {
    for (const json::value& file : files->get_array()) {
      if (const auto place = scope.path(file)) plan.version_files.push_back(*place);
    }
  }
  plan.owner = jsonx::string_at(scope.own(), "repo_owner", default_repo(scope.service(), "owner"));
  plan.name = jsonx::string_at(scope.own(), "repo_name", default_repo(scope.service(), "name"));
  plan.pattern = asset_pattern(scope, install);
  plan.override_url = overriding(scope, install, "url");
  if (const std::string file = jsonx::string_at(install, "override_file"); !file.empty())
    plan.overriding_file = scope.mapped(file).native();
  plan.clear = jsonx::bool_at(scope.own(), "clear_on_update", false);
  plan.kind = plan.arr ? VersionKind::arr : VersionKind::plain;
  plan.kept = configured_kept(scope, install, plan);
  plan.facts = target_facts(scope, install, plan.arr);
  return plan;
}

bool is_marked(const InstallPlan& plan, Facts& facts) {
  if (!plan.overriding_file.empty() && facts.exists(plan.overriding_file)) return true;
  for (const std::string* mark : {&plan.marker, &plan.run_marker}) {
    if (!mark->empty() && !facts.exists(plan.root / *mark)) return false;
  }
  return !plan.marker.empty();
}

std::string update_selector(const json::object& block, std::string_view asked) {
  const std::string lower = text::lower(asked);
  if (lower == "nightly" || lower == "prerelease") return lower;
  if (jsonx::bool_at(block, "release_version_enabled", false)) {
    const std::string release = text::lower(jsonx::text_at(block, "release_version"));
    for (const char* moving : {"nightly", "prerelease"}) {
      if (release.find(moving) != std::string::npos) return moving;
    }
  }
  return "latest";
}

}  // namespace dumb::setup
