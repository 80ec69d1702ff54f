#include "setup/install_run_asio.hpp"

#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/mounts.hpp>

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

/// Files of a root that are a user's data, links and mount points (SVC-70).
std::vector<std::string> found_kept(const InstallPlan& plan) {
  std::vector<std::string> out;
  const auto mounts = supervisor::read_mounts();
  std::error_code error;
  for (fs::directory_iterator at(plan.root, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    const std::string lower = text::lower(name);
    std::error_code ignored;
    bool keep = lower.ends_with(".db") || lower.find(".sqlite") != std::string::npos ||
                supervisor::is_mounted(mounts, at->path());
    if (at->is_symlink(ignored))
      keep = !fs::read_symlink(at->path(), ignored).native().starts_with(".dumb/current/");
    if (keep && name != ".dumb") out.push_back(at->path());
  }
  return out;
}

/// NAME=value of os-release.
std::string os_value(const std::string& text, std::string_view name) {
  for (const std::string& line : text::split(text, '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != '=') continue;
    return text::replace_all(line.substr(name.size() + 1), "\"", "");
  }
  return {};
}

json::value as_value(std::string_view text) {
  return json::value(json::string(text));
}

}  // namespace

std::vector<std::string> texts_of(const json::object& object, std::string_view member) {
  std::vector<std::string> out;
  const json::value* list = object.if_contains(member);
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& element : list->get_array()) out.push_back(text_of(element));
  return out;
}

InstallRun::InstallRun(RunPtr what, InstallPlan how, std::optional<TreeOwner> whose)
    : run(std::move(what)), plan(std::move(how)), owner(whose), trees(plan.root, whose) {
  const auto os = file::read(run->context.host.map("/etc/os-release"), 1U << 16U);
  const std::string text = os ? *os : std::string();
  run->scope.values["os_id"] = [text] { return as_value(os_value(text, "ID")); };
  run->scope.values["os_codename"] = [text] { return as_value(os_value(text, "VERSION_CODENAME")); };
  run->scope.values["install.root"] = [root = plan.shown_root] { return as_value(root); };
}

Result<InstallRunPtr> InstallRun::open(const InstallOptions& options) {
  const auto run = std::make_shared<Run>(options.context);
  // Arr services follow the branch of their catalogue entry unless the user has set another.
  const std::string branch = jsonx::string_at(run->service.install, "branch");
  if (!branch.empty() && text::blank(jsonx::text_at(run->scope.own(), "branch")))
    run->scope.assign("branch", as_value(branch));
  auto plan = plan_install(run->scope);
  if (!plan) return plan.error();
  std::vector<std::string> paths;
  for (const std::string& kept : plan->kept) paths.push_back((plan->root / kept).native());
  for (std::string& found : found_kept(*plan)) paths.push_back(std::move(found));
  plan->kept = kept_paths(plan->root.native(), paths);
  std::optional<TreeOwner> owner;
  if (run->context.service_user && ::geteuid() == 0)
    owner = TreeOwner{run->context.service_user->uid, run->context.service_user->gid};
  return std::make_shared<InstallRun>(run, std::move(*plan), owner);
}

Task<Result<InstallRunPtr>> InstallRun::locked(InstallOptions options) {
  const Result<InstallRunPtr> opened = open(options);
  if (!opened) co_return opened.error();
  const InstallRunPtr at = *opened;
  while (true) {
    auto take = [at]() -> Result<bool> {
      auto lock = at->trees.try_lock();
      if (!lock) return lock.error();
      if (!*lock) return false;
      at->lock = std::move(*lock);
      auto recovered = at->trees.recover();
      if (!recovered) return recovered.error();
      at->on_trial = recovered->on_trial;
      return true;
    };
    const Result<bool> taken = co_await offload(*options.context.workers, take);
    if (!taken) co_return Run::failed(taken.error());
    if (*taken) co_return at;
    co_await pause(Seconds(0.2));
    const bool over = co_await is_cancelled();
    if (over) co_return failure(Failure::cancelled, "setup was cancelled");
  }
}

std::string InstallRun::present(const InstallOptions& options) const {
  if (!trees.state().current.empty() && !trees.state().version.empty()) return trees.state().version;
  if (!options.installed.empty() || plan.version_files.empty()) return options.installed;
  const auto text = file::read(plan.version_files.front(), 4096);
  const std::string version = text ? std::string(text::trim(*text)) : std::string();
  // Words an older program wrote there say nothing (SVC-39).
  const bool word = version == "latest" || version == "nightly" || version == "prerelease";
  return word ? std::string() : version;
}

void InstallRun::use_tree(const std::string& id, const std::string& version) {
  const std::string tree = run->context.root.unmap(trees.tree(id)).native();
  run->scope.values["tree"] = [tree] { return as_value(tree); };
  run->scope.values["version"] = [version] { return as_value(version); };
}

Result<void> InstallRun::read_state() {
  return trees.read();
}

std::int64_t InstallRun::now() const {
  return static_cast<std::int64_t>(unix_seconds(system_clock().wall()));
}

}  // namespace dumb::setup
