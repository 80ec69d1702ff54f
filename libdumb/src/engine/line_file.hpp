#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "logs/file_sink_posix.hpp"

namespace dumb::engine {

/// A log file that takes lines on one thread and writes them on others, in order. Thread-safe.
class LineFile {
 public:
  LineFile(std::filesystem::path file, logs::FileSinkOptions options)
      : sink_(std::move(file), std::move(options)) {}
  /// True when a flush() has to be asked for; false when one is on its way already.
  bool add(std::string line) {
    const std::lock_guard lock(waiting_mutex_);
    waiting_.push_back(std::move(line));
    return waiting_.size() == 1;
  }
  /// Writes what was added, in the order of adding. Blocking. The reason of a failure, or "".
  std::string flush();

 private:
  std::mutex waiting_mutex_;
  std::vector<std::string> waiting_;
  std::mutex sink_mutex_;
  logs::FileSink sink_;
};

}  // namespace dumb::engine
