// How long 100 static children take to come up and to go, and what watching over them costs while nothing
// happens.
//
//   dumb-bench-start100 PATH-OF-DUMB-SERVER PATH-OF-STUB [CHILDREN [RUNS [IDLE-SECONDS]]]
//
// Up: from before the exec of the supervisor until every child has told, over a datagram socket, that it
// runs. The floor is a loop that does nothing but posix_spawn the children; the peer is s6-svscan of Debian's
// package `s6`, and supervisord of `supervisor` (a peer that is missing is left out and that is said). Down:
// from the request until the supervisor and all children are gone; for the floor, kill and waitpid. Idle: CPU
// time, PSS and voluntary context switches of all of the supervisor's processes. Medians of the runs.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Not ended yet.
std::set<pid_t>& started() {
  static std::set<pid_t> pids;
  return pids;
}

[[noreturn]] void fail(const std::string& what) {
  for (const pid_t pid : started()) ::kill(pid, SIGTERM);
  std::fprintf(stderr, "start100: %s\n", what.c_str());
  std::exit(1);
}

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Where children tell that they run.
class Roll {
 public:
  explicit Roll(const fs::path& directory) : path_(directory / "up") {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot bind");
    ::chmod(path_.c_str(), 0666);
  }
  Roll(const Roll&) = delete;
  Roll& operator=(const Roll&) = delete;
  ~Roll() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  const fs::path& path() const { return path_; }
  void wait_for(std::size_t count) const {
    for (std::size_t up = 0; up < count; ++up) {
      pollfd readable{fd_, POLLIN, 0};
      char text[64];
      if (::poll(&readable, 1, 20'000) <= 0) fail(std::to_string(up) + " children came up within 20 s");
      if (::recv(fd_, text, sizeof text, 0) <= 0) fail("cannot read");
    }
  }

 private:
  fs::path path_;
  int fd_ = -1;
};

pid_t spawn(std::vector<std::string> words, const std::vector<std::string>& variables) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<std::string> texts = variables;
  texts.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  std::vector<char*> environment;
  for (std::string& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  static posix_spawn_file_actions_t quiet = [] {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    return actions;
  }();
  pid_t pid = 0;
  if (::posix_spawnp(&pid, arguments[0], &quiet, nullptr, arguments.data(), environment.data()) != 0) {
    fail("cannot run " + words[0]);
  }
  started().insert(pid);
  return pid;
}

void wait_for_end(pid_t pid) {
  ::waitpid(pid, nullptr, 0);
  started().erase(pid);
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

/// All that descends from a process, itself included, with the program's name.
std::map<pid_t, std::string> family(pid_t root) {
  std::map<pid_t, std::pair<pid_t, std::string>> all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int pid = std::atoi(entry.path().filename().c_str());
    const std::string stat = pid > 0 ? text_of(entry.path() / "stat") : std::string();
    const std::size_t close = stat.rfind(')');
    if (close == std::string::npos) continue;
    const std::size_t open = stat.find('(');
    all[pid] = {std::atoi(stat.c_str() + close + 4), stat.substr(open + 1, close - open - 1)};
  }
  std::map<pid_t, std::string> found;
  if (const auto own = all.find(root); own != all.end()) found[root] = own->second.second;
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, facts] : all) {
      if (found.contains(facts.first)) grown |= found.emplace(pid, facts.second).second;
    }
  }
  return found;
}

struct Cost {
  double cpu_ms = 0;
  double pss_mib = 0;
  double switches = 0;
  std::size_t processes = 0;
};

/// Of the supervisor's own processes: all but the stub's.
Cost cost_of(pid_t supervisor, const std::string& stub) {
  Cost cost;
  for (const auto& [pid, name] : family(supervisor)) {
    if (stub.starts_with(name) || name == "run") continue;
    const fs::path process = "/proc/" + std::to_string(pid);
    ++cost.processes;
    for (const auto& task : fs::directory_iterator(process / "task")) {
      std::istringstream schedule(text_of(task.path() / "schedstat"));
      double on_cpu = 0;
      schedule >> on_cpu;
      cost.cpu_ms += on_cpu / 1e6;
      const std::string status = text_of(task.path() / "status");
      const std::size_t at = status.find("\nvoluntary_ctxt_switches:");
      if (at != std::string::npos) cost.switches += std::atof(status.c_str() + at + 25);
    }
    const std::string rollup = text_of(process / "smaps_rollup");
    const std::size_t at = rollup.find("\nPss:");
    if (at != std::string::npos) cost.pss_mib += std::atof(rollup.c_str() + at + 5) / 1024;
  }
  return cost;
}

struct Figures {
  std::vector<double> up;
  std::vector<double> down;
  Cost idle;  // CPU and switches over the idle time
};

struct Setting {
  fs::path server;
  fs::path stub;
  fs::path scratch;
  std::size_t children = 100;
  int runs = 7;
  int idle_seconds = 10;
};

void floor_run(const Setting& setting, Figures& figures) {
  const Roll roll(setting.scratch);
  std::vector<pid_t> pids;
  auto begin = Clock::now();
  for (std::size_t i = 0; i < setting.children; ++i) {
    pids.push_back(spawn({setting.stub}, {"NOTIFY_SOCKET=" + roll.path().native()}));
  }
  roll.wait_for(setting.children);
  figures.up.push_back(milliseconds_since(begin));
  begin = Clock::now();
  for (const pid_t pid : pids) ::kill(pid, SIGTERM);
  for (const pid_t pid : pids) wait_for_end(pid);
  figures.down.push_back(milliseconds_since(begin));
}

/// Starts a supervisor, waits for its children, perhaps looks at it while idle, and ends it.
void supervisor_run(const Setting& setting, const std::vector<std::string>& words, const Roll& roll,
                    bool look_idle, Figures& figures) {
  auto begin = Clock::now();
  const pid_t pid = spawn(words, {"NOTIFY_SOCKET=" + roll.path().native()});
  roll.wait_for(setting.children);
  figures.up.push_back(milliseconds_since(begin));
  // Past whatever belongs to the start.
  std::this_thread::sleep_for(std::chrono::seconds(look_idle ? 20 : 3));
  if (look_idle) {
    const Cost before = cost_of(pid, setting.stub.filename());
    std::this_thread::sleep_for(std::chrono::seconds(setting.idle_seconds));
    const Cost after = cost_of(pid, setting.stub.filename());
    figures.idle = after;
    figures.idle.cpu_ms -= before.cpu_ms;
    figures.idle.switches -= before.switches;
  }
  const auto members = family(pid);
  begin = Clock::now();
  ::kill(pid, SIGTERM);
  wait_for_end(pid);
  for (const auto& [member, name] : members) {
    while (member != pid && ::kill(member, 0) == 0) std::this_thread::yield();
  }
  figures.down.push_back(milliseconds_since(begin));
}

void dumb_run(const Setting& setting, bool look_idle, Figures& figures) {
  const fs::path root = setting.scratch / "root";
  fs::remove_all(root);
  fs::create_directories(root / "config");
  const Roll roll(setting.scratch);
  {
    std::ofstream file(root / "config/dumb_config.json");
    const bool root_user = ::geteuid() == 0;  // services never run as root
    file
        << R"({"dumb": {"frontend": {"enabled": false}, "metrics": {"history_enabled": false}, "api_service": {"port": )"
        << free_port() << R"(}}, "puid": )" << (root_user ? 1000 : ::geteuid()) << R"(, "pgid": )"
        << (root_user ? 1000 : ::getegid());
    for (std::size_t i = 0; i < setting.children; ++i) {
      file << R"(, "service)" << i << R"(": {"enabled": true, "process_name": "Service )" << i
           << R"(", "command": [")" << setting.stub.native() << R"("], "env": {"NOTIFY_SOCKET": ")"
           << roll.path().native() << "\"}}";
    }
    file << "}\n";
  }
  supervisor_run(setting, {setting.server, "--root", root}, roll, look_idle, figures);
}

void s6_run(const Setting& setting, bool look_idle, Figures& figures) {
  const fs::path scan = setting.scratch / "s6";
  fs::remove_all(scan);
  for (std::size_t i = 0; i < setting.children; ++i) {
    const fs::path service = scan / ("service" + std::to_string(i));
    fs::create_directories(service);
    fs::create_symlink(setting.stub, service / "run");
  }
  const Roll roll(setting.scratch);
  const std::string most = std::to_string(setting.children + 10);
  supervisor_run(setting, {"s6-svscan", "-c", most, scan}, roll, look_idle, figures);
}

/// With a log of its own, a log file per child and no control interface.
void supervisord_run(const Setting& setting, bool look_idle, Figures& figures) {
  const fs::path directory = setting.scratch / "supervisor";
  fs::remove_all(directory);
  fs::create_directories(directory);
  {
    std::ofstream file(directory / "supervisord.conf");
    file << "[supervisord]\nnodaemon=true\nlogfile=" << (directory / "log").native()
         << "\npidfile=" << (directory / "pid").native() << "\nchildlogdir=" << directory.native() << '\n';
    if (::geteuid() == 0) file << "user=root\n";
    for (std::size_t i = 0; i < setting.children; ++i) {
      file << "[program:service" << i << "]\ncommand=" << setting.stub.native() << '\n';
    }
  }
  const Roll roll(setting.scratch);
  supervisor_run(setting, {"supervisord", "-n", "-c", directory / "supervisord.conf"}, roll, look_idle,
                 figures);
}

void print(const char* who, const Figures& figures, const Figures& floor) {
  std::printf("%-12s  up %8.2f ms (%.2f of the floor)  down %8.2f ms (%.2f)\n", who, median(figures.up),
              median(figures.up) / median(floor.up), median(figures.down),
              median(figures.down) / median(floor.down));
}

void print_idle(const char* who, const Figures& figures, int seconds) {
  std::printf("%-12s  %3zu processes, PSS %6.2f MiB; in %d s: %7.3f ms of CPU, %.0f voluntary switches\n",
              who, figures.idle.processes, figures.idle.pss_mib, seconds, figures.idle.cpu_ms,
              figures.idle.switches);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: dumb-bench-start100 SERVER STUB [CHILDREN [RUNS [IDLE-SECONDS]]]");
  Setting setting;
  setting.server = fs::canonical(argv[1]);
  setting.stub = fs::canonical(argv[2]);
  if (argc > 3) setting.children = static_cast<std::size_t>(std::max(1, std::atoi(argv[3])));
  if (argc > 4) setting.runs = std::max(1, std::atoi(argv[4]));
  if (argc > 5) setting.idle_seconds = std::max(1, std::atoi(argv[5]));
  std::string scratch = (fs::temp_directory_path() / "dumb-bench.XXXXXX").native();
  if (::mkdtemp(scratch.data()) == nullptr) fail("no scratch directory");
  ::chmod(scratch.c_str(), 0755);
  setting.scratch = scratch;
  const bool s6 = ::access("/usr/bin/s6-svscan", X_OK) == 0 || ::access("/bin/s6-svscan", X_OK) == 0;
  if (!s6) std::printf("s6-svscan is missing (apt-get install s6): its rows are left out\n");

  const bool supervisord = ::access("/usr/bin/supervisord", X_OK) == 0;
  if (!supervisord) {
    std::printf("supervisord is missing (apt-get install supervisor): its rows are left out\n");
  }

  Figures floor;
  Figures dumb;
  Figures peer;
  Figures python;
  for (int run = 0; run < setting.runs; ++run) {
    const bool look_idle = run == setting.runs - 1;
    floor_run(setting, floor);
    dumb_run(setting, look_idle, dumb);
    if (s6) s6_run(setting, look_idle, peer);
    if (supervisord) supervisord_run(setting, look_idle, python);
  }
  fs::remove_all(setting.scratch);
  std::printf("%zu children, median of %d runs\n", setting.children, setting.runs);
  print("posix_spawn", floor, floor);
  print("dumb-server", dumb, floor);
  if (s6) print("s6-svscan", peer, floor);
  if (supervisord) print("supervisord", python, floor);
  print_idle("dumb-server", dumb, setting.idle_seconds);
  if (s6) print_idle("s6-svscan", peer, setting.idle_seconds);
  if (supervisord) print_idle("supervisord", python, setting.idle_seconds);
}
