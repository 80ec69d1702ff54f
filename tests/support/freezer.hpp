#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "support/support.hpp"

namespace dumb::test {

/// Keeps processes in uninterruptible sleep: the first version of the freezer holds them against SIGKILL too.
class Freezer {
 public:
  /// nullptr where there is none that can be written.
  static std::unique_ptr<Freezer> make() {
    static int number = 0;
    std::filesystem::path group =
        "/sys/fs/cgroup/freezer/dumb-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    if (::mkdir(group.c_str(), 0755) != 0) return nullptr;
    std::unique_ptr<Freezer> freezer(new Freezer(std::move(group)));
    return std::filesystem::exists(freezer->group_ / "freezer.state") ? std::move(freezer) : nullptr;
  }
  ~Freezer() {
    thaw();
    eventually([&] { return ::rmdir(group_.c_str()) == 0; });
  }
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;

  /// True when the process sleeps.
  bool freeze(pid_t pid) {
    write("cgroup.procs", std::to_string(pid));
    write("freezer.state", "FROZEN");
    return eventually([&] { return read_text(group_ / "freezer.state") == "FROZEN\n"; });
  }
  void thaw() { write("freezer.state", "THAWED"); }

 private:
  explicit Freezer(std::filesystem::path group) : group_(std::move(group)) {}
  void write(const char* name, const std::string& text) { std::ofstream(group_ / name) << text; }

  std::filesystem::path group_;
};

}  // namespace dumb::test
