// Trees of links at the size of a large library.
//
//   dumb-bench-symlinks DIRECTORY [LINKS]           what the library does, against floors of the same run
//   dumb-bench-symlinks --scale DIRECTORY [LINKS]   the same per link with LINKS and with four times as many
//
// Makes LINKS (500,000) links in directories of 25, three levels down, below DIRECTORY. Floors are a bare
// getdents and readlink walk, `find`, a bare loop of symlinkat and renameat over the same links, and
// symlinks_usual.py, a script of the usual method. Each operation runs in a child process, whose peak memory
// is told. Then every bar is told with what was reached; the exit status is 1 when one was missed. What
// changes links is measured once or twice, the rest three times, of which the median counts.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

/// The median of three, by its wall time.
Cost median(const std::function<void()>& work) {
  std::array<Cost, 3> costs{measure(work), measure(work), measure(work)};
  std::sort(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) { return a.wall < b.wall; });
  return costs[1];
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

[[noreturn]] void run_quietly(const std::vector<std::string>& words) {
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(1);
}

/// The usual script, which stands beside this source.
Cost usual(const char* what, std::vector<std::string> words) {
  words.insert(words.begin(),
               {"python3", std::string(DUMB_SOURCE_DIR) + "/tests/benchmark/symlinks_usual.py"});
  const Cost cost = measure([&] { run_quietly(words); });
  print(what, cost);
  return cost;
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

/// What the library does with a tree, in this order.
struct Own {
  Cost dry, dry_all, save, same;
};

Own look(const Environment& environment) {
  Own own;
  own.dry = median([&] { need(repair(environment, rewrite("/mnt/nothing", "/x", true))); });
  print("dry run, no link matches", own.dry);
  own.dry_all = median([&] { need(repair(environment, rewrite("/mnt/old", "/mnt/new", true))); });
  print("dry run, every link matches", own.dry_all);
  own.save = median([&] {
    BackupRequest request;
    request.roots = std::vector<std::string>{"/l"};
    request.backup_path = "s.json";
    need(backup(environment, request));
  });
  print("snapshot with a look at targets", own.save);
  own.same = median([&] {
    CompareRequest request;
    request.manifest_path = "s.json";
    need(compare(environment, request));
  });
  print("compare, all unchanged", own.same);
  return own;
}

Cost rewritten(const Environment& environment, const char* from, const char* to) {
  const Cost cost = measure([&] { need(repair(environment, rewrite(from, to, false))); });
  print("repair of every link", cost);
  return cost;
}

Cost restored(const Environment& environment) {
  const Cost cost = measure([&] {
    RestoreRequest request;
    request.manifest_path = "s.json";
    request.dry_run = false;
    need(restore(environment, request));
  });
  print("restore of a missing tree", cost);
  return cost;
}

/// Tells of bars, and whether all were met.
class Bars {
 public:
  void at_most(const char* what, double reached, double limit) {
    const bool met = reached <= limit;
    missed_ += met ? 0 : 1;
    std::printf("%-70s %8.2f of %8.2f %s\n", what, reached, limit, met ? "" : "MISSED");
  }
  int status() const { return missed_ == 0 ? 0 : 1; }

 private:
  int missed_ = 0;
};

double mebibytes(const Cost& cost) {
  return static_cast<double>(cost.peak) / 1024;
}

bool in_memory(const std::string& path) {
  struct statfs info {};
  constexpr long tmpfs = 0x01021994;
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == tmpfs;
}

/// A tree and an environment of which it is the library.
struct Bench {
  Bench(const std::string& directory, int count)
      : base(fs::absolute(directory).native() + "/dumb-bench-symlinks"), root(base + "/l"), links(count) {
    fs::remove_all(base);
    fs::create_directories(base + "/config");
    make_tree(root, links);
    flush(root);
    environment.root = Root(base);
    if (const char* threads = std::getenv("DUMB_BENCH_THREADS"))
      environment.threads = static_cast<unsigned>(std::atoi(threads));
    std::printf("%d links below %s\n", links, root.c_str());
    measure([&] { bare_walk(AT_FDCWD, root.c_str()); });  // warms the cache
  }
  ~Bench() { fs::remove_all(base); }

  std::string base;
  std::string root;
  int links;
  Environment environment;
};

int against_floors(const std::string& directory, int links) {
  Bench bench(directory, links);
  const std::string& root = bench.root;
  const std::string manifest = bench.base + "/usual.json";
  const Cost walk = median([&] { bare_walk(AT_FDCWD, root.c_str()); });
  print("bare walk", walk);
  const Cost found = median([&] { run_quietly({"find", root, "-type", "l"}); });
  print("find", found);
  const Cost printed = median([&] { run_quietly({"find", root, "-type", "l", "-printf", "%p %l\\n"}); });
  print("find, with the targets", printed);
  const Cost usual_dry = usual("usual method, no link matches", {"dry", root, "/mnt/nothing", "/x"});
  const Cost usual_all = usual("usual method, every link matches", {"dry", root, "/mnt/old", "/mnt/new"});
  const Own own = look(bench.environment);
  const Cost usual_save = usual("usual method, snapshot", {"backup", root, manifest});
  const Cost usual_same = usual("usual method, compare", {"compare", manifest});
  double loops = 0;
  double repairs = 0;
  long repair_peak = 0;
  for (int turn = 0; turn < 2; ++turn) {
    const Cost bare = measure([&] { bare_apply(root, links, "/mnt/older"); });
    print("bare symlinkat and renameat", bare);
    const Cost apply = rewritten(bench.environment, "/mnt/older", "/mnt/old");
    loops += bare.wall / 2;
    repairs += apply.wall / 2;
    repair_peak = std::max(repair_peak, apply.peak);
  }
  const Cost usual_apply = usual("usual method, repair of every link",
                                 {"apply", root, "/mnt/old", "/mnt/older", bench.base + "/u"});
  fs::remove_all(root);
  const Cost back = restored(bench.environment);
  fs::remove_all(root);
  const Cost usual_back = usual("usual method, restore", {"restore", manifest});

  std::printf("\n");
  Bars bars;
  bars.at_most("[SYM-91] MiB of any operation",
               std::max({mebibytes(own.dry_all), mebibytes(own.save), mebibytes(own.same), mebibytes(back),
                         static_cast<double>(repair_peak) / 1024}),
               64 + 16.0 * links / 1024 / 1024);
  bars.at_most("MiB of a dry run, snapshot, restore or comparison",
               std::max({mebibytes(own.dry_all), mebibytes(own.save), mebibytes(own.same), mebibytes(back)}),
               32);
  bars.at_most("dry run, CPU time in bare walks", own.dry.cpu / walk.cpu, 1.5);
  bars.at_most("dry run of a match, CPU time in bare walks", own.dry_all.cpu / walk.cpu, 1.5);
  bars.at_most("dry run, in times of the usual method", own.dry.wall / usual_dry.wall, 0.25);
  bars.at_most("[SYM-92] dry run, in times of find", own.dry.wall / found.wall, 4);
  bars.at_most("[SYM-93] dry run of a match, in times of find", own.dry_all.wall / found.wall, 6);
  bars.at_most("[SYM-93] dry run of a match, in times of the usual method", own.dry_all.wall / usual_all.wall,
               0.33);
  const double applying = repairs - own.dry_all.wall;
  bars.at_most("apply, journal included, in bare loops", applying / loops, 1.15);
  std::printf("%-70s %8.2f\n", "  the same with the walk", repairs / loops);
  bars.at_most("[SYM-94] apply, in bare loops", applying / loops, in_memory(bench.base) ? 3 : 1.5);
  bars.at_most("[SYM-94] repair, in times of the usual method", repairs / usual_apply.wall, 0.8);
  bars.at_most("[SYM-95] snapshot, in times of find with the targets", own.save.wall / printed.wall, 2);
  bars.at_most("[SYM-95] snapshot, in times of the usual method", own.save.wall / usual_save.wall, 0.4);
  bars.at_most("[SYM-96] compare, in times of the usual method", own.same.wall / usual_same.wall, 0.4);
  bars.at_most("[SYM-97] restore, in times of the usual method", back.wall / usual_back.wall, 0.8);
  return bars.status();
}

/// Seconds per million links of each operation.
std::vector<double> per_million(const std::string& directory, int links) {
  Bench bench(directory, links);
  const Own own = look(bench.environment);
  const Cost apply = rewritten(bench.environment, "/mnt/old", "/mnt/new");
  fs::remove_all(bench.root);
  const Cost back = restored(bench.environment);
  std::vector<double> out;
  for (const Cost* cost : {&own.dry, &own.dry_all, &own.save, &own.same, &apply, &back})
    out.push_back(cost->wall / links * 1e6);
  return out;
}

int at_scale(const std::string& directory, int links) {
  const std::vector<double> few = per_million(directory, links);
  const std::vector<double> many = per_million(directory, 4 * links);
  std::printf("\n");
  Bars bars;
  const char* names[] = {"[SYM-99] dry run, time per link of four times as many",
                         "[SYM-99] dry run of a match, the same",
                         "[SYM-99] snapshot, the same",
                         "[SYM-99] compare, the same",
                         "[SYM-99] repair, the same",
                         "[SYM-99] restore, the same"};
  for (std::size_t i = 0; i < few.size(); ++i) bars.at_most(names[i], many[i] / few[i], 1.15);
  return bars.status();
}

}  // namespace

int main(int argc, char** argv) {
  const bool scale = argc > 1 && std::strcmp(argv[1], "--scale") == 0;
  const int first = scale ? 2 : 1;
  if (argc <= first) {
    std::fprintf(stderr, "usage: dumb-bench-symlinks [--scale] DIRECTORY [LINKS]\n");
    return 2;
  }
  const int links = argc > first + 1 ? std::atoi(argv[first + 1]) : 500'000;
  return scale ? at_scale(argv[first], links) : against_floors(argv[first], links);
}
