#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <dumb/base/clock.hpp>
#include <dumb/base/log.hpp>
#include <dumb/jobs/store.hpp>
#include <dumb/jobs/table.hpp>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace dumb::jobs {

/// What the work of a job may use, on its own thread.
class Attempt {
 public:
  virtual ~Attempt() = default;
  virtual const std::string& job_id() const noexcept = 0;
  virtual std::stop_token stop() const noexcept = 0;
  /// The job runs, and this far it is. Never blocks. The first call makes it `running`.
  virtual void progress(json::object progress) = 0;
};

/// The work of a job: called on a worker thread, more than once when it answers `busy`. What it throws ends
/// the job with code "internal".
using Work = std::function<Outcome(Attempt&)>;

struct RunnerOptions {
  std::filesystem::path directory;  ///< of the history
  Limits limits;
  std::chrono::milliseconds retry_pause{1000};  ///< before a job is tried again whose needs are in use
  std::chrono::milliseconds shutdown_limit{10'000};
  const Clock* clock = nullptr;           ///< the machine's when null
  std::function<void(const Job&)> ended;  ///< a job is over
};

/// Runs jobs on threads of its own, which start with the first one, and keeps their history. Not thread-safe;
/// construct and call it on `executor`. The log outlives it.
class Runner {
 public:
  Runner(boost::asio::any_io_executor executor, Log& log, RunnerOptions options);
  /// Asks what runs to end and waits for it; shutdown() does so without blocking.
  ~Runner();

  /// The history of an earlier run. `interrupted` says what became of a job that was active. Before anything
  /// else.
  void restore(std::vector<Job> history, const std::function<Failure(const Job&)>& interrupted);
  /// More is known of what became of a job that was interrupted; no other job is touched.
  void amend(const std::string& job_id, Failure interrupted);
  /// Fails with EAGAIN when too many jobs are active.
  Result<Job> submit(std::string operation, std::string process_name, json::object metadata, Work work);
  Result<Table::Cancelled> cancel(const std::string& job_id);
  const Table& table() const noexcept;
  /// Ends every job as "interrupted"; returns when all are over and recorded, or after `shutdown_limit`.
  boost::asio::awaitable<void> shutdown();
  /// Whether everything is over and recorded.
  bool idle() const noexcept;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dumb::jobs
