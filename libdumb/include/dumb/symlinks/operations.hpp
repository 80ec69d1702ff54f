#pragma once

#include <boost/json/fwd.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/symlinks/reports.hpp>
#include <dumb/symlinks/requests.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

/// Everything here blocks and belongs on a worker thread. Needs no event loop. Operations may run at the same
/// time on several threads with one Environment.
namespace dumb::symlinks {

class SystemCalls;
class Locks;

/// Where the operations work and what they know of the machine. Paths are as the configuration spells them.
struct Environment {
  Root root{};
  std::string config_directory = "/config";
  /// Fixed directories of the services' `symlink_backup_path` (SYM-63): manifests may lie directly in them.
  std::vector<std::string> service_directories{};
  /// After the built-in default roots (SYM-12): `riven_backend.symlink_library_path` and the like.
  std::vector<std::string> more_default_roots{};
  /// Configured mount points (LIF-21): what lies below one that is not mounted now is unknown, never missing.
  std::vector<std::string> mount_points{};
  unsigned threads = 0;                          ///< of a walk and of applying; 0: one a core, at most 4
  std::chrono::milliseconds target_limit{3000};  ///< for one look at a target (SYM-89)
  std::shared_ptr<Locks> locks{};                ///< shared by all operations of a program (SYM-81)
  SystemCalls* calls = nullptr;                  ///< the kernel, unless a test stands between
  const Clock* clock = nullptr;                  ///< the machine's, unless a test stands still
  std::function<void()> before_apply{};          ///< test hook between planning and applying
};

/// How a caller follows and ends a run. `progress` is called from threads of the run, one call at a time, on
/// every change of stage and at most four times a second between.
struct Control {
  std::function<void(const Progress&)> progress{};
  std::stop_token stop{};
  std::string owner{};  ///< who runs it, named by conflicts and by the record of the run: a job id
  /// Gets the report so far of a run that ends with Errc::cancelled, as its JSON.
  std::function<void(boost::json::object)> so_far{};
};

/// Failures before the first change: Errc::invalid_argument (a request or manifest that is refused),
/// Errc::not_found (no such manifest), Errc::conflict (roots in use; the message names by whom),
/// Errc::cancelled (a dry run or comparison that was stopped), otherwise an errno: ENOSPC and EDQUOT mean
/// that the manifest could not be written. Once links are being changed the report is the answer, whatever
/// happens.
Result<RepairReport> repair(const Environment& environment, const RepairRequest& request,
                            const Control& control = {});
Result<BackupReport> backup(const Environment& environment, const BackupRequest& request,
                            const Control& control = {});
Result<RestoreReport> restore(const Environment& environment, const RestoreRequest& request,
                              const Control& control = {});
Result<CompareReport> compare(const Environment& environment, const CompareRequest& request,
                              const Control& control = {});

/// Refuses what the operation would refuse before it takes a lock, so that a job for it need not be made. Of
/// a manifest only that it is there.
Result<void> check(const Environment& environment, const RepairRequest& request);
Result<void> check(const Environment& environment, const BackupRequest& request);
Result<void> check(const Environment& environment, const RestoreRequest& request);

/// The built-in roots and `more_default_roots`, without duplicates (SYM-12).
std::vector<std::string> default_roots(const Environment& environment);

/// A run that ended with its process.
struct Interrupted {
  std::string run_id;
  std::string owner;
  std::string manifest;
  std::uint64_t done = 0;     ///< entries whose new state was found
  std::uint64_t pending = 0;  ///< entries still in their old state
  std::vector<ErrorItem> errors{};
};
/// Settles what interrupted runs left half done and forgets them (SYM-77). At start-up, before any other
/// operation. May itself be interrupted and repeated.
std::vector<Interrupted> recover(const Environment& environment);

/// Which trees of one process are in use (SYM-81). Thread-safe.
class Locks {
 public:
  enum class Mode { shared, exclusive };
  Locks();
  ~Locks();
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

  /// Releases on destruction.
  class Guard {
   public:
    Guard() = default;
    Guard(Locks* locks, std::uint64_t id) : locks_(locks), id_(id) {}
    Guard(Guard&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), id_(other.id_) {}
    Guard& operator=(Guard&& other) noexcept;
    ~Guard();

   private:
    Locks* locks_ = nullptr;
    std::uint64_t id_ = 0;
  };
  /// `paths` are real; an empty list stands for everything. Errc::conflict names the holder.
  Result<Guard> lock(const std::string& holder, const std::vector<std::string>& paths, Mode mode);

 private:
  void release(std::uint64_t id);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dumb::symlinks
