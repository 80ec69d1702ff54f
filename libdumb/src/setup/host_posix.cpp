#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/setup/host.hpp>

#include "setup/host_links.hpp"
#include "setup/host_owners.hpp"
#include "setup/host_users.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

/// One boot: what the three parts share.
class Boot {
 public:
  explicit Boot(const HostOptions& options)
      : options_(options),
        log_(options.log != nullptr ? *options.log : null_log()),
        root_(real(options.root)),
        data_root_(jsonx::string_at(options.config->effective(), "data_root", "/data")),
        mounts_(options.mounts()) {
    if (text::blank(data_root_)) data_root_ = "/data";
  }

  Result<void> make_user() {
    const auto made = host::make_service_user(options_.etc, options_.uid, options_.gid);
    if (!made) return made.error();
    if (made->account != host::service_name) {
      log_.info(fmt::format("id {} belongs to {}, and services run under that account", options_.uid,
                            made->account));
    }
    return {};
  }

  void make_links() {
    std::vector<std::string> problems;
    const auto table = host::data_links(*options_.catalog, fs::path(data_root_), problems);
    for (const std::string& problem : problems) log_.warning(problem);
    for (const host::DataLink& link : table) links_.push_back({root_.map(link.path), root_.map(link.target)});
    const fs::path data_root = root_.map(data_root_);
    if (!supervisor::is_mounted(mounts_, data_root)) {
      log_.warning(
          data_root.native() +
          " is not a mount point: data of services stays where it is, also what was to be kept there");
      return;
    }
    host::LinkWork work;
    work.data_root = data_root;
    work.links = links_;
    work.mounts = mounts_;
    work.uid = options_.uid;
    work.gid = options_.gid;
    work.now = options_.clock->wall();
    work.log = options_.log;
    work.stop = options_.stop;
    host::make_data_links(work);
  }

  void give_trees() {
    host::OwnWork work;
    work.uid = options_.uid;
    work.gid = options_.gid;
    work.mounts = mounts_;
    work.stop = options_.stop;
    const auto home = file::make_directories(root_.map(host::service_home), 0755, options_.uid, options_.gid);
    if (!home) log_.warning(home.error().to_string());
    for (const host::OwnedPath& wanted : host::owned_paths(*options_.config)) {
      if (options_.stop != nullptr && *options_.stop) return;
      give_one({root_.map(wanted.path), wanted.depth}, work);
    }
  }

 private:
  /// Mounts are listed by their real paths.
  static Root real(const Root& root) {
    std::error_code error;
    const fs::path prefix = fs::canonical(root.prefix(), error);
    return error ? root : Root(prefix);
  }

  void give_one(host::OwnedPath path, const host::OwnWork& work) {
    for (const host::DataLink& link : links_) {
      if (link.path == path.path && host::leads_to(link.path, link.target)) path.path = link.target;
    }
    if (host::is_system_directory(root_.unmap(path.path))) {
      log_.warning(path.path.native() + " belongs to the system and is not given to the service user");
      return;
    }
    const auto given = host::give(path, work);
    if (!given) {
      log_.warning(given.error().to_string());
    } else if (*given == host::Owned::link) {
      log_.info(path.path.native() + " is a link or lies behind one: its owner is left as it is");
    } else if (*given == host::Owned::changed) {
      log_.info(fmt::format("{} now belongs to {}:{}", path.path.native(), work.uid, work.gid));
    }
  }

  const HostOptions& options_;
  Log& log_;
  Root root_;
  std::string data_root_;
  std::vector<supervisor::Mount> mounts_;
  std::vector<host::DataLink> links_;
};

}  // namespace

Result<void> prepare_host(const HostOptions& options) {
  Log& log = options.log != nullptr ? *options.log : null_log();
  const bool own_machine = options.root.is_identity();
  if (!options.is_root) {
    if (own_machine) log.info("not running as root: the service user is not made");
    log.info("not running as root: data of services is not moved to data_root");
    log.info("not running as root: owners are left as they are");
    return {};
  }
  Boot boot(options);
  Result<void> user;
  if (own_machine) user = boot.make_user();
  boot.make_links();
  boot.give_trees();
  return user;
}

}  // namespace dumb::setup
