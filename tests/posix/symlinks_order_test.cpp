// The order in which a run makes things durable. A process that is killed leaves the page cache behind, so
// nothing but the calls themselves can show it.
#include <algorithm>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

/// The kernel, noting what is made durable and changed: "sync /path", "rename /from /to", ...
class NotingCalls final : public SystemCalls {
 public:
  explicit NotingCalls(std::string root) : root_(std::move(root)) {}
  std::vector<std::string> said;

  int sync(int fd) override {
    note("sync " + place(fd, ""));
    return SystemCalls::sync(fd);
  }
  int sync_file_system(int fd) override {
    note("syncfs " + place(fd, ""));
    return SystemCalls::sync_file_system(fd);
  }
  int make_link(const char* target, int directory, const char* name) override {
    note("link " + place(directory, name));
    return SystemCalls::make_link(target, directory, name);
  }
  int make_directory(int directory, const char* name, mode_t mode) override {
    const int made = SystemCalls::make_directory(directory, name, mode);
    if (made >= 0) note("mkdir " + place(directory, name));
    return made;
  }
  int unlink(int directory, const char* name, int flags) override {
    note("unlink " + place(directory, name));
    return SystemCalls::unlink(directory, name, flags);
  }
  int rename(int from, const char* name, int to, const char* goal, unsigned flags) override {
    note("rename " + place(from, name) + " " + place(to, goal));
    return SystemCalls::rename(from, name, to, goal, flags);
  }

 private:
  void note(std::string line) { said.push_back(std::move(line)); }

  /// A path below the stack's root, random parts cut off.
  std::string place(int directory, const std::string& name) const {
    std::string path = name;
    if (!name.starts_with('/')) {
      char buffer[PATH_MAX];
      const std::string link = "/proc/self/fd/" + std::to_string(directory);
      const ssize_t size = ::readlink(link.c_str(), buffer, sizeof buffer);
      path = std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
      if (!name.empty()) path += "/" + name;
    }
    if (path.starts_with(root_)) path.erase(0, root_.size());
    const std::string last = path.substr(path.rfind('/') + 1);
    if (last.starts_with(".dumb-")) return path.substr(0, path.rfind('/')) + "/(temporary)";
    if (last.starts_with(".dumbsym-")) return path.substr(0, path.rfind('/')) + "/(link)";
    if (path.find("/runs/") != std::string::npos) return path.substr(0, path.rfind('/')) + "/(record)";
    return path;
  }

  std::string root_;
};

/// Where in the list the first of a line stands after `from`; the size when nowhere.
std::size_t find(const std::vector<std::string>& said, const std::string& line, std::size_t from = 0) {
  const auto start = said.begin() + static_cast<std::ptrdiff_t>(std::min(from, said.size()));
  return static_cast<std::size_t>(std::find(start, said.end(), line) - said.begin());
}

/// Whether the lines come one after the other, others between them allowed.
void check_order(const std::vector<std::string>& said, const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : said) all += line + "\n";
  INFO(all);
  std::size_t at = 0;
  for (const std::string& line : lines) {
    INFO(line);
    at = find(said, line, at);
    REQUIRE(at < said.size());
    ++at;
  }
}

const std::string base = "/config/symlink-repair";

}  // namespace

TEST_CASE("the journal is durable before the first link changes, and the changes before it is closed",
          "[symlinks][SYM-31][SYM-72]") {
  Farm farm;
  farm.link("/l/1", "/x");
  NotingCalls calls(farm.disk(""));
  farm.environment.calls = &calls;
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.backup_path = "deep/m.json";
  REQUIRE(farm.repair(request).changed == 1);
  const std::string place = base + "/snapshots/deep";
  const std::string runs = base + "/.state/runs";
  check_order(calls.said, {
                              // every directory on the way to the manifest
                              "mkdir " + base,
                              "sync /config",
                              "mkdir " + base + "/snapshots",
                              "sync " + base,
                              "mkdir " + place,
                              "sync " + base + "/snapshots",
                              // the manifest
                              "sync " + place + "/(temporary)",
                              "rename " + place + "/(temporary) " + place + "/m.json",
                              "sync " + place,
                              // the record of the run
                              "mkdir " + base + "/.state",
                              "sync " + base,
                              "mkdir " + runs,
                              "sync " + base + "/.state",
                              "sync " + runs + "/(temporary)",
                              "rename " + runs + "/(temporary) " + runs + "/(record)",
                              "sync " + runs,
                              // the links
                              "link /l/(link)",
                              "rename /l/(link) /l/1",
                              "unlink /l/(link)",
                              "syncfs /l",
                              // and the end
                              "unlink " + runs + "/(record)",
                              "sync " + runs,
                          });
  // Nothing of the links before the record.
  const std::size_t recorded = find(calls.said, "rename " + runs + "/(temporary) " + runs + "/(record)");
  CHECK(find(calls.said, "link /l/(link)") > recorded);
}

TEST_CASE("a restore journals before it changes", "[symlinks][SYM-36][SYM-69][SYM-72]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.backup({"/l"}, "s.json");
  farm.remove("/l/1");
  NotingCalls calls(farm.disk(""));
  farm.environment.calls = &calls;
  REQUIRE(farm.restore("s.json").restored == 1);
  const std::string runs = base + "/.state/runs";
  check_order(calls.said,
              {"mkdir " + base + "/repair-manifests", "sync " + base,
               "sync " + base + "/repair-manifests/(temporary)", "sync " + base + "/repair-manifests",
               "sync " + runs + "/(temporary)", "sync " + runs, "link /l/(link)", "rename /l/(link) /l/1",
               "syncfs /l", "unlink " + runs + "/(record)"});
}

TEST_CASE("every file system that a run touches is synced before its record goes", "[symlinks][SYM-72]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.link("/a/1", "/q");
  NotingCalls calls(farm.disk(""));
  farm.environment.calls = &calls;
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.root_migrations = std::vector<RootMigration>{{"/a", "/b"}};
  REQUIRE(farm.repair(request).moved == 1);
  const auto is_syncfs = [](const std::string& line) { return line.starts_with("syncfs "); };
  CHECK(std::count_if(calls.said.begin(), calls.said.end(), is_syncfs) == 1);  // all on one file system
  const auto synced = std::find_if(calls.said.begin(), calls.said.end(), is_syncfs);
  CHECK(std::find(synced, calls.said.end(), "unlink " + base + "/.state/runs/(record)") != calls.said.end());
  const auto changes = [](const std::string& line) {
    return line.starts_with("rename /") && line.find("/config") == std::string::npos;
  };
  CHECK(std::count_if(calls.said.begin(), synced, changes) == 2);
  CHECK(std::count_if(synced, calls.said.end(), changes) == 0);
}

TEST_CASE("a snapshot is durable before it takes the place of the older one", "[symlinks][SYM-31]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.backup({"/l"}, "s.json");
  NotingCalls calls(farm.disk(""));
  farm.environment.calls = &calls;
  farm.backup({"/l"}, "s.json");
  const std::string place = base + "/snapshots";
  CHECK(calls.said == std::vector<std::string>{"sync " + place + "/(temporary)",
                                               "rename " + place + "/(temporary) " + place + "/s.json",
                                               "sync " + place});
}
