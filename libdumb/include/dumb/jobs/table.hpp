#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/jobs/job.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Which jobs there are and which may run. Pure: the time comes in, somebody else runs the work.
///
/// An attempt is made at a queued job when a place is free, in order of creation. It stays `queued` until the
/// attempt says that it runs. An attempt that finds what it needs in use steps back: the job waits, later
/// ones pass, and it is tried again when retry() was called.
namespace dumb::jobs {

struct Limits {
  std::size_t running = 2;
  std::size_t active = 100;
  std::size_t kept = 500;
  std::size_t whole_results = 8;  ///< the newest; the lists of others are cut (SYM-51)
  std::chrono::seconds keep_for = std::chrono::hours(24);
};

struct Order {
  std::string job_id;
  std::string process_name;
  std::string operation;
  json::object metadata;
};

/// How an attempt ended.
struct Outcome {
  enum class End { completed, failed, cancelled, busy };
  End end = End::completed;
  std::optional<json::object> result;
  Failure failure;  ///< of `failed`; of `cancelled` only message and manifest
};

struct LatestQuery {
  std::string process_name;
  std::string operation;  ///< blank: any
  bool active_only = true;
};

class Table {
 public:
  explicit Table(Limits limits = {}) : limits_(limits) {}

  /// A job of an earlier run of the program. One that was active ends as `interrupted` with `failure`.
  void restore(Job job, const Failure& interrupted, WallTime now);

  /// Replaces what is told of a job that was interrupted; false when it is none.
  bool amend(const std::string& job_id, Failure interrupted);

  /// Fails with EAGAIN at `active` active jobs.
  Result<const Job*> add(Order order, WallTime now);
  /// The job to attempt next, or nothing; it takes a place until finish().
  std::optional<std::string> next();
  /// The attempt has what it needs.
  void begun(const std::string& job_id, WallTime now);
  void progressed(const std::string& job_id, json::object progress, WallTime now);
  /// Gives the place back. True when the job is over, false when it waits again.
  bool finish(const std::string& job_id, Outcome outcome, WallTime now);
  /// Jobs that stepped back may be attempted again.
  void retry() noexcept;
  bool any_waiting_for_retry() const noexcept;

  enum class Cancelled { at_once, requested };
  /// Errc::not_found or, when it is over, Errc::conflict. `code` is "cancelled" or "interrupted".
  Result<Cancelled> cancel(const std::string& job_id, std::string_view code, WallTime now);

  const Job* find(const std::string& job_id) const noexcept;
  /// The one updated last; of equals, the one created last (SYM-47).
  const Job* latest(const LatestQuery& query) const;
  /// Newest first.
  std::vector<const Job*> all() const;
  std::size_t active() const noexcept;

  /// Drops finished jobs that are too old or too many; the ids.
  std::vector<std::string> expire(WallTime now);

 private:
  struct Entry {
    Job job;
    bool attempted = false;  ///< holds a place
    bool stepped_back = false;
    std::string cancel_code;  ///< asked to end
  };
  Entry& entry(const std::string& job_id);
  static void end(Entry& entry, Status status, WallTime now);
  void shorten_older();

  Limits limits_;
  std::map<std::string, Entry> jobs_;
  std::map<std::uint64_t, std::string> queue_;  ///< active jobs by order of creation
  std::deque<std::string> whole_;  ///< finished jobs with their results as they were, oldest first
  std::size_t places_taken_ = 0;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace dumb::jobs
