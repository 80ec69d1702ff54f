#pragma once

#include <chrono>
#include <dumb/base/clock.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace dumb::test {

/// A directory that is removed, with everything below it, at the end of the test.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Whole file as text; fails the test when it cannot be read.
std::string read_text(const std::filesystem::path& path);
/// Writes a file, creating its directories.
void write_text(const std::filesystem::path& path, std::string_view text);

/// A clock that stands still until it is told otherwise.
class FakeClock final : public Clock {
 public:
  SteadyTime now() const noexcept override { return now_; }
  WallTime wall() const noexcept override { return wall_; }
  void advance(Duration by) {
    now_ += by;
    wall_ += std::chrono::duration_cast<WallTime::duration>(by);
  }

 private:
  SteadyTime now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::sys_days(std::chrono::year(2026) / 2 / 11) + std::chrono::hours(12)};
};

/// Polls `condition` every few milliseconds until it holds or `deadline` has passed. True when it held.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(20));

/// A TCP port on loopback that nothing listens on now.
int free_port();

/// Whether a run directory holds nothing of any child.
bool holds_no_launch(const std::filesystem::path& run_directory);

/// Path of the program the posix tests run as a service (see test_child.cpp).
std::string test_child();

}  // namespace dumb::test
