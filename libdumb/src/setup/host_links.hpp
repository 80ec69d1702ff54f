#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/clock.hpp>
#include <dumb/base/log.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// Data of services kept on the data mount and linked to from where they look for it (LIF-122, LIF-123).
namespace dumb::setup::host {

/// `path` is to be a link to `target`.
struct DataLink {
  std::filesystem::path path, target;
  bool operator==(const DataLink&) const = default;
};

/// The `data_root_links` of every service, in catalogue order, as configuration spells paths (SVC-27). An
/// entry that is not an absolute path and a name beneath `data_root`, or that `data_root` lies in, is left
/// out and described in `problems`. Pure.
std::vector<DataLink> data_links(const catalog::Catalog& catalog, const std::filesystem::path& data_root,
                                 std::vector<std::string>& problems);

/// What stands at a path. `link_right` leads to the target; `mount` is, as a target, an empty mount.
enum class Found { absent, empty, filled, link_right, link_other, mount, other };

enum class LinkStep {
  nothing,      ///< all is as it should be
  skip,         ///< leave it; worth an INFO
  leave,        ///< leave it; worth a WARNING
  make_target,  ///< the link stands, its target does not
  link,         ///< nothing to be moved: make the target if need be, and the link
  move,         ///< copy, verify, replace by the link
  retire,       ///< both hold data: keep the source under another name, then link
};

struct LinkDecision {
  LinkStep step = LinkStep::nothing;
  std::string_view reason;  ///< for skip and leave: "… is left alone: it <reason>"
};

/// LIF-123. Pure.
LinkDecision decide(Found source, Found target) noexcept;

/// "sonarr.pre-dumb-20260211T120000Z": where a source goes that the target does not replace. UTC. Pure.
std::string aside_name(std::string_view name, WallTime now);

struct LinkWork {
  std::filesystem::path data_root;  ///< of this machine, like all paths here
  std::vector<DataLink> links;
  std::vector<supervisor::Mount> mounts;
  uid_t uid = 0;  ///< who owns a directory that is made
  gid_t gid = 0;
  WallTime now;
  Log* log = nullptr;
  const std::atomic<bool>* stop = nullptr;
  /// Whether two names may be exchanged in one step; file systems that cannot are worked around.
  bool exchange = true;
  /// Called before each step that changes something. A test throws from it where the power fails.
  std::function<void(std::string_view step)> before;
};

/// Works through the table; `data_root` is a mount point. What cannot be done for one link is logged and the
/// next one is taken. No order of calls and no crash between two of them loses a file: the source stays until
/// its verified copy is on disk and the link stands. Blocking.
void make_data_links(const LinkWork& work);

/// Whether `path` is a link and holds exactly `target`.
bool leads_to(const std::filesystem::path& path, const std::filesystem::path& target);

}  // namespace dumb::setup::host
