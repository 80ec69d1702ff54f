// A disk that fills up, a reader that stalls: the child must never notice.
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <regex>

#include "logs_fixture.hpp"

using namespace dumb;
using namespace std::chrono_literals;

namespace {

/// A file system of `size` bytes, or where mounting is not permitted a limit on the size of files, which
/// makes write(2) fail in the same way: part of a buffer is taken, then nothing.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& directory, std::size_t size) : directory_(directory) {
    std::filesystem::create_directories(directory);
    const std::string options = "size=" + std::to_string(size);
    mounted_ = ::mount("tmpfs", directory.c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (mounted_) return;
    ::signal(SIGXFSZ, SIG_IGN);  // for good: a write may still be under way when the limit goes
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{size, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() { free(); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  /// Makes room for everything to come.
  void grow() {
    if (mounted_) {
      if (::mount("tmpfs", directory_.c_str(), "tmpfs", MS_REMOUNT, "size=64m") != 0)
        throw std::runtime_error("remount");
    } else {
      ::setrlimit(RLIMIT_FSIZE, &before_);
    }
  }
  const char* reason() const { return mounted_ ? "No space left on device" : "File too large"; }

 private:
  void free() {
    if (mounted_) {
      ::umount2(directory_.c_str(), MNT_DETACH);
    } else {
      ::setrlimit(RLIMIT_FSIZE, &before_);
    }
  }
  std::filesystem::path directory_;
  rlimit before_{};
  bool mounted_ = false;
};

std::uint64_t lost_lines(const std::string& log) {
  std::uint64_t lost = 0;
  const std::regex wanted(R"((\d+) lines of [^\n]* were lost: )");
  for (auto found = std::sregex_iterator(log.begin(), log.end(), wanted); found != std::sregex_iterator();
       ++found)
    lost += std::stoull((*found)[1]);
  return lost;
}

}  // namespace

TEST_CASE("a full disk stops no child, and what it cost is told when there is room again",
          "[logs][LIF-102][LIF-105]") {
  const bool journal = GENERATE(false, true);
  const test::TempDir dir;
  logs::LogService service(test::quiet(dir / "main"));
  SmallDisk disk(dir / "small", 256U << 10U);
  test::Fifo fifo(dir / "fifo");
  logs::CaptureSpec spec;
  spec.process_name = "Writer";
  spec.standard_output = std::move(fifo.reader);
  spec.to_main_log = false;
  spec.file = dir / "small/writer.log";
  if (journal) spec.journal = dir / "small/journal";
  const auto id = service.attach(std::move(spec));
  // Four megabytes into a disk of a sixteenth of that: put() would never return if nobody read.
  constexpr int lines = 40'000;
  std::string text;
  for (int line = 0; line < lines; ++line) {
    text = "number=" + std::to_string(line) + "; ";
    text.resize(99, '.');
    fifo.put(text + '\n');
  }
  service.flush();
  CHECK(std::filesystem::file_size(dir / "small/writer.log") <= 256U << 10U);
  disk.grow();
  int later = 0;
  REQUIRE(test::eventually([&] {
    fifo.put("later=" + std::to_string(later++) + ";\n");
    service.flush();
    return test::read_text(service.main_file()).find("were lost") != std::string::npos;
  }));
  test::finish(service, id);
  const std::string main = test::read_text(service.main_file());
  CHECK_THAT(main, ContainsSubstring("ERROR - "));
  CHECK_THAT(main, ContainsSubstring(disk.reason()));
  // Whole lines in order, each there or counted.
  const auto kept = test::without_stamps(test::read_text(dir / "small/writer.log"));
  int before = -1;
  for (const std::string& line : kept) {
    CAPTURE(line);
    REQUIRE(line.starts_with("INFO - Writer subprocess: "));
    if (line.find("later=") != std::string::npos) continue;
    REQUIRE(line.size() == 26 + 99);
    const int number = std::stoi(line.substr(line.find('=') + 1));
    CHECK(number > before);
    before = number;
  }
  CHECK(kept.size() > 100);
  CHECK(kept.size() + lost_lines(main) == static_cast<std::size_t>(lines + later));
  CHECK(kept.back() == "INFO - Writer subprocess: later=" + std::to_string(later - 1) + ";");
}

TEST_CASE("a full disk under the main log costs records, never the program", "[logs][LIF-102]") {
  const test::TempDir dir;
  SmallDisk disk(dir / "small", 128U << 10U);
  auto options = test::quiet(dir / "small");
  options.max_size = 0;
  logs::LogService service(options);
  int told = 0;
  const auto id = service.subscribe([&told](const std::string&) { ++told; });
  const std::string text(1000, 'x');
  for (int i = 0; i < 1000; ++i) service.info(text);
  service.flush();
  CHECK(told == 1000);  // who follows the log misses nothing
  disk.grow();
  REQUIRE(test::eventually([&] {
    service.info("later");
    service.flush();
    return test::read_text(service.main_file()).find("lines of this log were lost: ") != std::string::npos;
  }));
  service.unsubscribe(id);
  for (const std::string& line : test::without_stamps(test::read_text(service.main_file()))) {
    CAPTURE(line);
    CHECK((line == "INFO - " + text || line == "INFO - later" || line.starts_with("ERROR - ")));
  }
}

TEST_CASE("what a full disk cost a service that ended is told as well", "[logs][LIF-102]") {
  const bool everywhere = GENERATE(false, true);  // the main log is on that disk, too
  CAPTURE(everywhere);
  const test::TempDir dir;
  SmallDisk disk(dir / "small", 128U << 10U);
  logs::LogService service(test::quiet(dir / (everywhere ? "small/main" : "main")));
  test::Fifo fifo(dir / "fifo");
  logs::CaptureSpec spec;
  spec.process_name = "Writer";
  spec.standard_output = std::move(fifo.reader);
  spec.to_main_log = false;
  spec.file = dir / "small/writer.log";
  const auto id = service.attach(std::move(spec));
  constexpr int lines = 4'000;
  for (int line = 0; line < lines; ++line) fifo.put(std::string(99, 'x') + '\n');
  test::finish(service, id);
  service.flush();
  disk.grow();
  const auto told = [&] {
    service.info("later");
    service.flush();
    return test::read_text(service.main_file());
  };
  const std::string sentence =
      " lines of " + std::filesystem::path(dir / "small/writer.log").native() + " were lost: ";
  REQUIRE(test::eventually([&] { return told().find(sentence) != std::string::npos; }));
  const std::string main = told();
  CHECK(main.find(sentence) == main.rfind(sentence));
  const auto kept = test::without_stamps(test::read_text(dir / "small/writer.log"));
  const std::size_t begin = main.rfind(' ', main.find(sentence) - 1) + 1;
  CHECK(kept.size() + std::stoul(main.substr(begin)) == static_cast<std::size_t>(lines));
}
