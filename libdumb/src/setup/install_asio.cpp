#include <fmt/format.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/text.hpp>
#include <dumb/setup/install.hpp>
#include <filesystem>

#include "setup/fetcher_asio.hpp"
#include "setup/install_run_asio.hpp"
#include "setup/unpack_posix.hpp"

/// The pipeline of SVC-73: lock, resolve, download, verify, unpack, patches, build, complete; then, asked for
/// by the engine, flip, and commit or roll back.
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

Error at_stage(const InstallRun& install, const Error& error, std::string_view stage) {
  const Error own = Run::failed(error);
  return {own.code(), own.message(), fmt::format("{} {}", install.run->name(), stage)};
}

/// How the archive of a release is laid out in the tree.
UnpackRequest unpack_request(const InstallRun& install, const InstallOptions& options, const Resolved& found,
                             const Fetched& fetched, const std::string& id) {
  const json::object& data = install.run->service.install;
  UnpackRequest request;
  request.archive = fetched.path;
  request.tree = install.trees.tree(id);
  request.strip_top = found.source;
  request.deb_prefix = jsonx::string_at(data, "deb_prefix");
  request.scratch = options.cache / "tmp" / (id + ".inner");
  request.max_entries = options.limits.max_archive_entries;
  request.max_bytes = options.limits.max_unpacked_gib << 30U;
  request.layout.kept = install.plan.kept;
  if (!found.source) {
    request.layout.pick = texts_of(data, "pick");
    request.layout.programs = texts_of(data, "executables");
  }
  request.single_name = request.layout.pick.empty() ? std::string() : request.layout.pick.front();
  if (install.owner) {
    request.uid = install.owner->uid;
    request.gid = install.owner->gid;
  }
  return request;
}

/// A new directory with the release in it, over a copy of the present one where the configuration says so.
Task<Result<void>> fill(InstallRunPtr install, InstallOptions options, Resolved found, Fetched fetched,
                        std::string id) {
  const UnpackRequest request = unpack_request(*install, options, found, fetched, id);
  const bool copies = !install->plan.clear;
  auto work = [install, request, id, copies](const std::atomic<bool>& stop) -> Result<void> {
    Trees& trees = install->trees;
    if (auto begun = trees.begin(id, install->now()); !begun) return begun.error();
    if (copies) {
      if (auto copied = trees.copy_current(id, install->plan.kept, stop); !copied) return copied.error();
    }
    const auto unpacked = unpack(request, stop);
    if (!unpacked) return unpacked.error();
    return trees.link_kept(id, install->plan.kept, entries_of(trees.tree(id)));
  };
  const Result<void> done = co_await offload(*install->run->context.workers, work);
  co_return done;
}

/// The steps a release needs before it can run.
Task<Result<void>> work_on(InstallRunPtr install, bool branch) {
  const json::object& data = install->run->service.install;
  for (const char* member : {"patches", "build"}) {
    const json::value* steps = data.if_contains(member);
    if (std::string_view(member) == "build" && branch && data.contains("branch_build"))
      steps = data.if_contains("branch_build");
    if (steps == nullptr || !steps->is_array()) continue;
    const json::array list = steps->get_array();
    const Result<void> done = co_await run_list(install->run, list);
    if (!done) co_return done.error();
  }
  co_return Result<void>();
}

/// What must be there when all is done (SVC-85).
Result<void> check_marks(InstallRun& install, const std::string& id) {
  for (const std::string* mark : {&install.plan.marker, &install.plan.run_marker}) {
    if (mark->empty() || install.run->facts.exists(install.trees.tree(id) / *mark)) continue;
    return failure(Failure::build_failed, fmt::format("the new version lacks {}", *mark));
  }
  return {};
}

Task<Result<void>> build_tree(InstallRunPtr install, InstallOptions options, Resolved found, Fetched fetched,
                              std::string id) {
  const Result<void> filled = co_await fill(install, options, found, fetched, id);
  if (!filled) co_return at_stage(*install, filled.error(), "unpack");
  install->use_tree(id, found.version);
  const Result<void> worked = co_await work_on(install, found.branch);
  if (!worked) co_return worked.error();
  auto finish = [install, id]() -> Result<void> {
    if (auto marked = check_marks(*install, id); !marked) return marked.error();
    // What was built may have made the directories that kept data lies in.
    const auto linked = install->trees.link_kept(id, install->plan.kept, entries_of(install->trees.tree(id)));
    if (!linked) return linked.error();
    return install->trees.complete(id, install->now());
  };
  const Result<void> finished = co_await offload(*install->run->context.workers, finish);
  if (!finished) co_return at_stage(*install, finished.error(), "build");
  co_return Result<void>();
}

/// A directory made by hand or by another program becomes a tree, so that there is a way back to it (SVC-72).
Task<Result<void>> adopt_present(InstallRunPtr install, InstallOptions options, bool installed) {
  const std::string version = options.installed;
  auto work = [install, version, installed]() -> Result<void> {
    if (!install->trees.state().current.empty()) return {};
    if (!fs::exists(install->plan.root) || !installed) return {};
    return install->trees.adopt(install->plan.kept, {}, version);
  };
  const Result<void> done = co_await offload(*install->run->context.workers, work);
  co_return done;
}

Target target_for(const InstallRun& install, const InstallOptions& options, bool installed) {
  TargetFacts facts = install.plan.facts;
  facts.installed = installed;
  facts.asked = options.asked;
  const json::object& own = install.run->scope.own();
  // An update of what follows a branch is the head of that branch (SVC-90).
  const bool follows = jsonx::bool_at(own, "branch_enabled", false) && facts.branch_allowed;
  if (options.asked == "latest" && follows && !jsonx::bool_at(own, "release_version_enabled", false))
    facts.asked.clear();
  return wanted(own, facts);
}

VersionKind kind_for(const InstallRun& install, const Target& target) {
  return target.selector == Selector::nightly ? VersionKind::nightly : install.plan.kind;
}

/// Whether the wanted version has to be fetched at all.
bool is_needed(const InstallRun& install, const InstallOptions& options, const Target& target,
               const Resolved& found, bool installed) {
  if (!installed) return true;
  if (!options.refused_too && found.version == install.trees.state().refused) return false;
  const std::string present = install.present(options);
  // A version nobody knows is not replaced by guess at a start; somebody who asks for an update gets it.
  if (present.empty()) return !options.asked.empty();
  return must_install(target.selector, present, found.version, kind_for(install, target));
}

json::object to_persist(const Target& target, const InstallOptions& options, const InstallRun& install,
                        const Resolved& found) {
  json::object out;
  const bool own_choice = target.from_release && options.asked.empty();
  if (!own_choice && !found.branch && install.run->scope.own().contains("release_version") &&
      jsonx::string_at(install.run->scope.own(), "release_version") != found.version)
    out["release_version"] = found.version;
  return out;
}

/// Whether the wanted version is there by what the disk alone says.
bool is_settled(const InstallRun& install, const InstallOptions& options, const Target& target,
                bool installed) {
  if (target.selector == Selector::keep) return true;
  if (!installed) return false;
  const std::string present = install.present(options);
  if (present.empty()) return options.asked.empty();
  return target.selector == Selector::exact &&
         compare_versions(present, target.value, install.plan.kind) == 0;
}

/// The same before the lock is taken, for a root that this program has not made.
Result<bool> stays(InstallRun& install, const InstallOptions& options) {
  if (fs::exists(install.plan.root / ".dumb")) return false;
  const bool installed = is_marked(install.plan, install.run->facts);
  return is_settled(install, options, target_for(install, options, installed), installed);
}

Task<Result<Prepared>> prepare(InstallRunPtr install, InstallOptions options) {
  auto look = [install] { return is_marked(install->plan, install->run->facts); };
  const bool installed = co_await offload(*install->run->context.workers, look);
  const Target target = target_for(*install, options, installed);
  if (!target.warning.empty()) install->run->log().warning(install->run->name() + ": " + target.warning);
  Prepared out;
  if (is_settled(*install, options, target, installed)) co_return out;
  Resolver resolver(install->run, install->plan, options);
  const Result<Resolved> found = co_await resolver.resolve(target);
  if (!found) co_return at_stage(*install, found.error(), "resolve");
  if (!is_needed(*install, options, target, *found, installed)) co_return out;
  install->run->log().info(fmt::format("{}: installing {}", install->run->name(), found->version));
  const Result<Fetched> fetched = co_await resolver.fetcher().file(found->file);
  if (!fetched) co_return at_stage(*install, fetched.error(), "download");
  const Result<void> adopted = co_await adopt_present(install, options, installed);
  if (!adopted) co_return at_stage(*install, adopted.error(), "adopt");
  out.changed = true;
  out.version = found->version;
  out.sha256 = fetched->sha256;
  out.tree = tree_id(found->version, fetched->sha256);
  out.persisted = to_persist(target, options, *install, *found);
  if (install->trees.is_complete(out.tree)) co_return out;
  Result<void> built = co_await build_tree(install, options, *found, *fetched, out.tree);
  if (built) co_return out;
  auto drop = [install, id = out.tree] { return install->trees.discard(id); };
  const Result<void> dropped = co_await offload(*install->run->context.workers, drop);
  if (!dropped) install->run->log().warning(dropped.error().to_string());
  co_return built.error();
}

/// The version files of the service (SVC-43 `write`).
Result<void> record_version(const InstallRun& install, const std::string& version) {
  for (const fs::path& path : install.plan.version_files) {
    if (version.empty()) {
      ::unlink(path.c_str());
      continue;
    }
    const file::WriteOptions owner = install.run->owned(0644);
    const auto made = file::make_directories(path.parent_path(), 0755, owner.uid, owner.gid);
    if (!made) return made.error();
    auto written = file::write_if_changed(path, version + "\n", owner);
    if (!written) return written.error();
  }
  return {};
}

}  // namespace

fs::path cache_directory(const Context& context) {
  const auto given = context.environment.find("DUMB_CACHE_DIR");
  const bool is_set = given != context.environment.end() && !text::blank(given->second);
  return context.root.map(is_set ? given->second : "/config/.cache/dumb");
}

InstallOptions install_options(const Context& context) {
  InstallOptions options;
  options.context = context;
  options.cache = cache_directory(context);
  options.product = std::string("dumb/") + DUMB_VERSION_STRING;
  return options;
}

std::string update_block_reason(const json::object& block) {
  return block_reason(block);
}
std::string update_target(const json::object& block, std::string_view asked) {
  return update_selector(block, asked);
}
Error make_failure(Failure code, std::string message) {
  return failure(code, std::move(message));
}

bool can_install(const Context& context) {
  const catalog::Service* service = context.catalog->find(context.block.config_key);
  return service != nullptr && is_released(*service);
}

fs::path install_root(const Context& context) {
  if (!can_install(context)) return {};
  Run run(context);
  const auto plan = plan_install(run.scope);
  return plan ? plan->root : fs::path();
}

bool is_installed(const Context& context) {
  if (!can_install(context)) return true;
  Run run(context);
  const auto plan = plan_install(run.scope);
  return !plan || is_marked(*plan, run.facts);
}

Task<Result<UpdateCheck>> check_update(InstallOptions options) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> install = InstallRun::open(options);
  if (!install) co_return install.error();
  const InstallRunPtr at = *install;
  auto look = [at]() -> Result<bool> {
    // Only a look: nothing is finished, undone or locked here (SVC-91).
    if (auto read = at->read_state(); !read) return read.error();
    return is_marked(at->plan, at->run->facts);
  };
  const Result<bool> looked = co_await offload(*at->run->context.workers, look);
  if (!looked) co_return at_stage(*at, looked.error(), "look");
  const bool installed = *looked;
  options.asked = update_selector(at->run->scope.own(), options.asked);
  const Target target = target_for(*at, options, installed);
  Resolver resolver(at->run, at->plan, options);
  const Result<Resolved> found = co_await resolver.resolve(target);
  if (!found) co_return at_stage(*at, found.error(), "resolve");
  UpdateCheck out;
  out.current = installed ? at->present(options) : std::string();
  out.available = found->version;
  out.newer = !installed || must_install(target.selector, out.current, found->version, kind_for(*at, target));
  out.reason = block_reason(at->run->scope.own());
  co_return out;
}

Task<Result<Prepared>> prepare_install(InstallOptions options) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> opened = InstallRun::open(options);
  if (!opened) co_return opened.error();
  // Nothing is put into the directory of a service that is to stay as it is.
  auto look = [at = *opened, options] { return stays(*at, options); };
  const Result<bool> settled = co_await offload(*options.context.workers, look);
  if (!settled) co_return at_stage(**opened, settled.error(), "look");
  if (*settled) co_return Prepared();
  const Result<InstallRunPtr> install = co_await InstallRun::locked(options);
  if (!install) co_return install.error();
  Result<Prepared> out = co_await prepare(*install, options);
  co_return out;
}

Task<Result<void>> activate_install(InstallOptions options, Prepared prepared) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> install = co_await InstallRun::locked(options);
  if (!install) co_return install.error();
  auto work = [at = *install, prepared]() -> Result<void> {
    // Real entries where the release has some of its own, and nothing to go back to: they become that.
    if (at->trees.state().current.empty()) {
      const auto adopted = at->trees.adopt(at->plan.kept, entries_of(at->trees.tree(prepared.tree)), {});
      if (!adopted) return adopted.error();
    }
    auto done =
        at->trees.activate(prepared.tree, prepared.version, prepared.sha256, at->plan.kept, at->now());
    return done ? record_version(*at, prepared.version) : done;
  };
  const Result<void> done = co_await offload(*(*install)->run->context.workers, work);
  if (!done) co_return at_stage(**install, done.error(), "activate");
  co_return Result<void>();
}

Task<Result<void>> commit_install(InstallOptions options) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> install = co_await InstallRun::locked(options);
  if (!install) co_return install.error();
  auto work = [at = *install, options] {
    auto done = at->trees.commit(options.limits.kept_trees);
    Fetcher::prune(options.cache, options.limits.cache_gib << 30U);
    return done;
  };
  const Result<void> done = co_await offload(*(*install)->run->context.workers, work);
  if (!done) co_return at_stage(**install, done.error(), "commit");
  co_return Result<void>();
}

Task<Result<std::string>> roll_back_install(InstallOptions options) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> install = co_await InstallRun::locked(options);
  if (!install) co_return install.error();
  auto work = [at = *install]() -> Result<std::string> {
    if (auto back = at->trees.roll_back(at->plan.kept); !back) return back.error();
    const std::string version = at->trees.state().version;
    if (auto recorded = record_version(*at, version); !recorded) return recorded.error();
    return version;
  };
  const Result<std::string> done = co_await offload(*(*install)->run->context.workers, work);
  if (!done) co_return at_stage(**install, done.error(), "roll back");
  co_return done;
}

Task<Result<bool>> recover_install(InstallOptions options) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const Result<InstallRunPtr> opened = InstallRun::open(options);
  if (!opened) co_return opened.error();
  auto look = [at = *opened] { return fs::exists(at->plan.root / ".dumb"); };
  const bool managed = co_await offload(*options.context.workers, look);
  if (!managed) co_return false;
  const Result<InstallRunPtr> install = co_await InstallRun::locked(options);
  if (!install) co_return install.error();
  co_return (*install)->on_trial;
}

Task<Result<Prepared>> install(InstallOptions options) {
  Result<Prepared> prepared = co_await prepare_install(options);
  if (!prepared || !prepared->changed) co_return prepared;
  const Result<void> activated = co_await activate_install(options, *prepared);
  if (!activated) co_return activated.error();
  co_return prepared;
}

}  // namespace dumb::setup
