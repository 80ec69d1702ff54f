#pragma once

#include <cstddef>
#include <dumb/base/result.hpp>
#include <dumb/jobs/job.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace dumb::jobs {

/// The history: one file per job. Blocking. Several threads may use it, each for other jobs.
class Store {
 public:
  explicit Store(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Replaces the record of the job durably; creates the directory.
  Result<void> save(const Job& job) const;
  void remove(const std::string& job_id) const;
  /// Every readable record, oldest first. `skipped` is told of the others; a missing directory holds none.
  std::vector<Job> load(const std::function<void(const Error&)>& skipped = {}) const;

 private:
  std::filesystem::path directory_;
};

/// A random identifier of a job.
std::string new_job_id();

}  // namespace dumb::jobs
