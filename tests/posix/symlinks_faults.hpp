#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <string_view>

#include "posix/symlinks_fixture.hpp"
#include "support/lacks.hpp"
#include "symlinks/system_posix.hpp"

namespace dumb::test {

/// The kernel, with a chance to say no, or to die, before every call.
class FaultCalls final : public symlinks::SystemCalls {
 public:
  /// Answers 0, or the errno the call fails with. `call` is its name here, `name` the last component it works
  /// on.
  std::function<int(std::string_view call, const char* name)> before;
  std::atomic<int> count{0};
  bool apart = false;  ///< no link can be renamed from one directory to another, as on a union of disks

  int open(int d, const char* p, int f, mode_t m) override {
    return run("open", p, [&] { return SystemCalls::open(d, p, f, m); });
  }
  int open_beneath(int d, const char* p, int f, Links l, mode_t m) override {
    return run("open_beneath", p, [&] { return SystemCalls::open_beneath(d, p, f, l, m); });
  }
  ssize_t list(int d, void* b, std::size_t s) override {
    return run("list", "", [&] { return SystemCalls::list(d, b, s); });
  }
  ssize_t read_link(int d, const char* n, char* b, std::size_t s) override {
    return run("read_link", n, [&] { return SystemCalls::read_link(d, n, b, s); });
  }
  int stat(int d, const char* n, struct stat* i, int f) override {
    return run(f == 0 ? "look" : "stat", n, [&] { return SystemCalls::stat(d, n, i, f); });
  }
  int make_link(const char* t, int d, const char* n) override {
    return run("make_link", n, [&] { return SystemCalls::make_link(t, d, n); });
  }
  int rename(int a, const char* b, int c, const char* e, unsigned f) override {
    return run(f == 0 ? "rename" : "renameat2", b,
               [&] { return apart && a != c ? -EXDEV : SystemCalls::rename(a, b, c, e, f); });
  }
  int link(int d, const char* a, const char* b) override {
    return run("link", a, [&] { return SystemCalls::link(d, a, b); });
  }
  int unlink(int d, const char* n, int f) override {
    return run("unlink", n, [&] { return SystemCalls::unlink(d, n, f); });
  }
  int make_directory(int d, const char* n, mode_t m) override {
    return run("make_directory", n, [&] { return SystemCalls::make_directory(d, n, m); });
  }
  int own(int d, const char* n, uid_t u, gid_t g) override {
    return run("own", n, [&] { return SystemCalls::own(d, n, u, g); });
  }
  int set_mode(int f, mode_t m) override {
    return run("set_mode", "", [&] { return SystemCalls::set_mode(f, m); });
  }
  int set_times(int d, const char* n, const struct timespec t[2]) override {
    return run("set_times", n, [&] { return SystemCalls::set_times(d, n, t); });
  }
  ssize_t read(int f, void* b, std::size_t s, std::uint64_t o) override {
    return run("read", "", [&] { return SystemCalls::read(f, b, s, o); });
  }
  ssize_t write(int f, const void* b, std::size_t s) override {
    return run("write", "", [&] { return SystemCalls::write(f, b, s); });
  }
  int sync(int f) override {
    return run("sync", "", [&] { return SystemCalls::sync(f); });
  }
  int sync_file_system(int f) override {
    return run("sync_file_system", "", [&] { return SystemCalls::sync_file_system(f); });
  }
  int lock(int f, int o) override {
    return run("lock", "", [&] { return SystemCalls::lock(f, o); });
  }

 private:
  template <class F>
  auto run(std::string_view call, const char* name, F real) -> decltype(real()) {
    ++count;
    if (before) {
      if (const int number = before(call, name)) return -number;
    }
    return real();
  }
};

struct ChildEnd {
  bool killed = false;
  std::string said;
};

/// Runs `work` in a child process, which may kill itself; hands back what it answered.
inline ChildEnd in_child(const std::function<std::string()>& work) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string said;
    try {
      said = work();
    } catch (const std::exception& error) {
      said = std::string("thrown: ") + error.what();
    }
    [[maybe_unused]] const auto written = ::write(ends[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  ChildEnd end;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    end.said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  end.killed = WIFSIGNALED(status);
  return end;
}

inline constexpr const char* not_possible = "not possible here";

/// A namespace of mounts of its own for what follows in a child; false where that is not allowed.
inline bool own_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// What such a child has said; it cannot do everything everywhere.
inline void check_said(const std::string& said, const std::string& expected) {
  if (said == not_possible) {
    lacks("mounts", "a namespace of mounts of its own, or FUSE, is not allowed");
  } else {
    CHECK(said == expected);
  }
}

/// Runs `work` in a child that dies at its `nth` system call. False when it came to its end before that.
inline bool killed_at(int nth, symlinks::Environment environment,
                      const std::function<void(const symlinks::Environment&)>& work, unsigned threads = 1) {
  return in_child([&] {
           FaultCalls calls;
           calls.before = [&](std::string_view, const char*) {
             if (calls.count >= nth) ::kill(::getpid(), SIGKILL);
             return 0;
           };
           environment.calls = &calls;
           environment.threads = threads;
           work(environment);
           return std::string();
         })
      .killed;
}

/// Finishes the interrupted run of "m.json"; false when anything is left to tell.
inline bool resumed(const symlinks::Environment& environment) {
  symlinks::RepairRequest request;
  request.resume_manifest_path = "m.json";
  request.dry_run = false;
  const auto report = symlinks::repair(environment, request);
  return report && report->errors_total == 0 && report->skipped_changed_during_run == 0;
}

/// Undoes the run of "m.json"; false when anything is left to tell.
inline bool undone(const symlinks::Environment& environment) {
  symlinks::RestoreRequest request;
  request.manifest_path = "m.json";
  request.dry_run = false;
  const auto report = symlinks::restore(environment, request);
  return report && report->errors_total == 0 && report->skipped_existing == 0;
}

/// How often the long tests go round; 0 in the normal run.
inline int long_rounds() {
  const char* text = std::getenv("DUMB_TEST_CRASHES");
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace dumb::test
