#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dumb/base/unique_fd.hpp>
#include <dumb/logs/log_service.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// The two ends of a child's output, as the supervisor sets them up: a FIFO that its reader opens
/// non-blocking and its writer holds open for reading and writing.
struct Fifo {
  explicit Fifo(const std::filesystem::path& path) {
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    writer.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  void put(std::string_view text) const { put(writer.get(), text); }
  static void put(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t done = ::write(fd, text.data(), text.size());
      if (done <= 0) throw std::runtime_error("write");
      text.remove_prefix(static_cast<std::size_t>(done));
    }
  }
  UniqueFd writer, reader;
};

/// Text after "<stamp> - " of each line.
inline std::vector<std::string> without_stamps(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    // "Feb  3, 2026 07:05:09 - " is 24 bytes.
    lines.emplace_back(line.size() > 24 && line.substr(21, 3) == " - " ? line.substr(24)
                                                                       : "??? " + std::string(line));
    text.remove_prefix(std::min(end == std::string_view::npos ? text.size() : end + 1, text.size()));
  }
  return lines;
}

inline logs::MainLogOptions quiet(const std::filesystem::path& directory) {
  logs::MainLogOptions options;
  options.directory = directory;
  options.standard_output = false;
  return options;
}

/// finish() and wait for its tail; fails the test when it does not come.
inline std::string finish(logs::LogService& service, logs::CaptureId id,
                          std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  auto tail = std::make_shared<std::promise<std::string>>();
  auto future = tail->get_future();
  service.finish(id, limit, [tail](std::string text) { tail->set_value(std::move(text)); });
  if (future.wait_for(limit + std::chrono::seconds(20)) != std::future_status::ready) {
    throw std::runtime_error("finish() did not call back");
  }
  return future.get();
}

}  // namespace dumb::test
