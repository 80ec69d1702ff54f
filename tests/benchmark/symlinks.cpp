// Trees of links at the size of a large library.
//
//   dumb-bench-symlinks DIRECTORY [LINKS]
//
// Makes LINKS (500,000) links in directories of 25, three levels down, below DIRECTORY, and measures what the
// library does with them against floors taken in the same run: a bare getdents and readlink walk, a bare loop
// of symlinkat and renameat over the same links, and symlinks_usual.py, a script of the
// usual method. Each operation runs in a child process, whose peak memory is told. Times are of one run each:
// repeat on a busy machine.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dumb/symlinks/operations.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace dumb;
using namespace dumb::symlinks;

struct Cost {
  double wall = 0;  ///< seconds
  double cpu = 0;
  long peak = 0;  ///< KiB
};

/// What `work` costs in a process of its own.
Cost measure(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  if (status != 0) {
    std::fprintf(stderr, "a measured operation failed\n");
    std::exit(1);
  }
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  Cost cost;
  cost.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  cost.cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  cost.peak = usage.ru_maxrss;
  return cost;
}

void print(const char* what, const Cost& cost) {
  std::printf("%-34s %8.2f s wall %8.2f s cpu %8.1f MiB peak\n", what, cost.wall, cost.cpu,
              static_cast<double>(cost.peak) / 1024);
  std::fflush(stdout);
}

std::string link_path(const std::string& root, int i) {
  const int directory = i / 25;
  return root + "/" + std::to_string(directory / 400) + "/" + std::to_string(directory / 20 % 20) + "/" +
         std::to_string(directory) + "/An Episode of Some Length (2026) S01E" +
         std::to_string(1'000'000 + i) + ".mkv";
}

void make_tree(const std::string& root, int links) {
  const std::string tail = "/__all__/" + std::string(90, 'r') + "/An.Episode.Of.Some.Length.";
  for (int i = 0; i < links; ++i) {
    const std::string path = link_path(root, i);
    if (i % 25 == 0) fs::create_directories(fs::path(path).parent_path());
    if (::symlink(("/mnt/old" + tail + std::to_string(i) + ".mkv").c_str(), path.c_str()) != 0)
      std::perror("symlink");
  }
}

/// The floor of every walk.
void bare_walk(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  std::vector<std::string> below;
  alignas(8) static thread_local char buffer[65536];
  for (long size = 0; (size = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < size;) {
      const char* entry = buffer + at;
      std::uint16_t length = 0;
      std::memcpy(&length, entry + 16, sizeof length);
      const char type = entry[18];
      const char* found = entry + 19;
      at += length;
      if (type == DT_LNK) {
        char target[PATH_MAX];
        static_cast<void>(::readlinkat(fd, found, target, sizeof target) < 0);
      } else if (type == DT_DIR && std::strcmp(found, ".") != 0 && std::strcmp(found, "..") != 0) {
        below.emplace_back(found);
      }
    }
  }
  for (const std::string& directory : below) bare_walk(fd, directory.c_str());
  ::close(fd);
}

/// The usual script, which stands beside this source.
void usual_method(const std::string& root, const char* from, const char* to) {
  const std::string script = std::string(DUMB_SOURCE_DIR) + "/tests/benchmark/symlinks_usual.py";
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDOUT_FILENO);
  ::execlp("python3", "python3", script.c_str(), root.c_str(), from, to, nullptr);
  ::_exit(1);
}

void bare_apply(const std::string& root, int links, const std::string& to) {
  const std::string tail = "/__all__/" + std::string(90, 'r') + "/An.Episode.Of.Some.Length.";
  for (int first = 0; first < links; first += 25) {
    const fs::path directory = fs::path(link_path(root, first)).parent_path();
    const int fd = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = first; i < first + 25 && i < links; ++i) {
      const std::string name = fs::path(link_path(root, i)).filename();
      const std::string target = to + tail + std::to_string(i) + ".mkv";
      if (::symlinkat(target.c_str(), fd, ".temporary") != 0 ||
          ::renameat(fd, ".temporary", fd, name.c_str()) != 0) {
        ::_exit(1);
      }
    }
    ::close(fd);
  }
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ::syncfs(fd);
  ::close(fd);
}

void flush(const std::string& root) {
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ::syncfs(fd);
  ::close(fd);
}

template <class T>
void need(const Result<T>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
  ::_exit(1);
}

RepairRequest rewrite(const char* from, const char* to, bool dry_run) {
  RepairRequest request;
  request.roots = std::vector<std::string>{"/l"};
  request.rewrite_rules = std::vector<RewriteRule>{{from, to}};
  request.dry_run = dry_run;
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: dumb-bench-symlinks DIRECTORY [LINKS]\n");
    return 2;
  }
  const std::string base = fs::absolute(argv[1]).native() + "/dumb-bench-symlinks";
  const int links = argc > 2 ? std::atoi(argv[2]) : 500'000;
  fs::remove_all(base);
  fs::create_directories(base + "/config");
  const std::string root = base + "/l";
  make_tree(root, links);
  flush(root);
  Environment environment;
  environment.root = Root(base);
  if (const char* threads = std::getenv("DUMB_BENCH_THREADS"))
    environment.threads = static_cast<unsigned>(std::atoi(threads));
  std::printf("%d links below %s\n", links, root.c_str());

  measure([&] { bare_walk(AT_FDCWD, root.c_str()); });  // warms the cache
  const Cost walk = measure([&] { bare_walk(AT_FDCWD, root.c_str()); });
  print("bare walk", walk);
  const Cost usual = measure([&] { usual_method(root, "/mnt/nothing", "/x"); });
  print("usual method, no link matches", usual);
  const Cost usual_all = measure([&] { usual_method(root, "/mnt/old", "/mnt/new"); });
  print("usual method, every link matches", usual_all);
  const Cost dry = measure([&] { need(repair(environment, rewrite("/mnt/nothing", "/x", true))); });
  print("dry run, no link matches", dry);
  const Cost dry_all = measure([&] { need(repair(environment, rewrite("/mnt/old", "/mnt/new", true))); });
  print("dry run, every link matches", dry_all);
  const Cost save = measure([&] {
    BackupRequest request;
    request.roots = std::vector<std::string>{"/l"};
    request.backup_path = "s.json";
    need(backup(environment, request));
  });
  print("snapshot with a look at targets", save);
  const Cost same = measure([&] {
    CompareRequest request;
    request.manifest_path = "s.json";
    need(compare(environment, request));
  });
  print("compare, all unchanged", same);
  const Cost bare = measure([&] { bare_apply(root, links, "/mnt/older"); });
  print("bare symlinkat and renameat", bare);
  const Cost apply = measure([&] { need(repair(environment, rewrite("/mnt/older", "/mnt/old", false))); });
  print("repair of every link", apply);
  const Cost again = measure([&] { bare_apply(root, links, "/mnt/older"); });
  print("bare symlinkat and renameat", again);
  const Cost apply_again =
      measure([&] { need(repair(environment, rewrite("/mnt/older", "/mnt/old", false))); });
  print("repair of every link", apply_again);
  fs::remove_all(root);
  const Cost back = measure([&] {
    RestoreRequest request;
    request.manifest_path = "s.json";
    request.dry_run = false;
    need(restore(environment, request));
  });
  print("restore of a missing tree", back);
  std::printf(
      "\ndry run, no match: %.2f of the bare walk's CPU time, %.2f of its wall time; usual method %.1f times "
      "slower\n",
      dry.cpu / walk.cpu, dry.wall / walk.wall, usual.wall / dry.wall);
  std::printf("dry run, all match: %.2f of the bare walk's CPU time; usual method %.1f times slower\n",
              dry_all.cpu / walk.cpu, usual_all.wall / dry_all.wall);
  const double loops = bare.wall + again.wall;
  const double repairs = apply.wall + apply_again.wall;
  std::printf(
      "repair, manifest included: %.2f of the bare loop's wall time, %.2f without finding the links\n",
      repairs / loops, (repairs - 2 * dry_all.wall) / loops);
  fs::remove_all(base);
  return 0;
}
