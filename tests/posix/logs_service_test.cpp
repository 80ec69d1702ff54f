#include <sys/stat.h>

#include <atomic>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_reader.hpp>
#include <dumb/logs/log_service.hpp>
#include <regex>
#include <thread>

#include "logs_fixture.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

namespace {

/// Standard output of this process turned to a descriptor for as long as it lives.
class StandardOutput {
 public:
  explicit StandardOutput(int fd) : saved_(::dup(STDOUT_FILENO)) { ::dup2(fd, STDOUT_FILENO); }
  ~StandardOutput() { ::dup2(saved_.get(), STDOUT_FILENO); }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

 private:
  UniqueFd saved_;
};

std::size_t rotated_files(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().stem().native().find('_') != std::string::npos) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("the main log is named by date and holds one record per line",
          "[logs][LIF-96][LIF-97][LIF-103][LIF-115]") {
  const test::TempDir dir;
  logs::LogService service(test::quiet(dir / "log"));
  service.write(Level::info, logs::start_marker("1.0", 7));
  service.write(Level::debug, "hidden");
  service.write(Level::warning, "two\n  lines\n");
  service.write(Level::critical, "bad\x1b[31m \xFF");
  service.flush();
  CHECK(
      std::regex_match(service.main_file().filename().native(), std::regex(R"(DUMB-\d{4}-\d\d-\d\d\.log)")));
  const std::string text = test::read_text(service.main_file());
  CHECK(std::regex_search(
      text, std::regex("^[A-Z][a-z]{2} [ \\d]\\d, \\d{4} \\d\\d:\\d\\d:\\d\\d - INFO - ==== DUMB start")));
  CHECK(test::without_stamps(text) == Lines{"INFO - ==== DUMB start 1.0 pid 7", "WARNING - two",
                                            "???   lines", "CRITICAL - bad\\x1b[31m \xEF\xBF\xBD"});
}

TEST_CASE("log files and directories are created for the group", "[logs][LIF-101]") {
  const test::TempDir dir;
  auto options = test::quiet(dir / "a/b");
  options.uid = ::getuid();
  options.gid = ::getgid();
  const mode_t before = ::umask(077);
  logs::LogService service(options);
  service.info("x");
  service.flush();
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat(service.main_file().c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0664);
  CHECK(status.st_uid == ::getuid());
}

TEST_CASE("the threshold and the secrets act at once", "[logs][LIF-103][LIF-108]") {
  const test::TempDir dir;
  auto options = test::quiet(dir.path());
  logs::LogService service(options);
  options.threshold = Level::debug;
  service.write(Level::info, "value-to-hide");
  service.set_secrets({"value-to-hide"});
  service.configure(options);
  service.write(Level::debug, "now value-to-hide");
  options.threshold = Level::error;
  service.configure(options);
  service.write(Level::warning, "too low");
  service.write(Level::error, "password=abc");
  service.flush();
  const auto lines = test::without_stamps(test::read_text(service.main_file()));
  REQUIRE(lines.size() == 3);
  CHECK(lines[1] == "DEBUG - now [REDACTED]");
  CHECK(lines[2] == "ERROR - password=[REDACTED]");
}

TEST_CASE("standard output shows the same lines in colour, files never do", "[logs][LIF-98]") {
  const test::TempDir dir;
  const UniqueFd out(::open((dir / "out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  auto options = test::quiet(dir.path());
  options.standard_output = true;
  {
    const StandardOutput redirected(out.get());
    logs::LogService service(options);
    service.write(Level::info, "green");
    service.write(Level::critical, "bold");
    service.flush();
    options.color = false;
    service.configure(options);
    service.write(Level::error, "plain");
    service.flush();
    const std::string file = test::read_text(service.main_file());
    CHECK(file.find('\x1b') == std::string::npos);
    const auto lines = text::split(file, '\n');
    REQUIRE(lines.size() == 4);
    CHECK(test::read_text(dir / "out") ==
          "\x1b[32m" + lines[0] + "\x1b[0m\n\x1b[1;31m" + lines[1] + "\x1b[0m\n" + lines[2] + "\n");
  }
}

TEST_CASE("a stalled standard output delays nothing and its gap is told", "[logs][LIF-98][LIF-102]") {
  const test::TempDir dir;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  auto options = test::quiet(dir.path());
  options.standard_output = true;
  options.color = false;
  {
    const StandardOutput redirected(writer.get());
    writer.reset();
    logs::LogService service(options);
    const std::string text(1000, 'x');
    for (int i = 0; i < 3000; ++i) service.write(Level::info, text);
    service.flush();
    CHECK(text::split(test::read_text(service.main_file()), '\n').size() == 3001);
    // Now somebody reads again.
    std::string shown;
    std::string block(1 << 16, '\0');
    REQUIRE(test::eventually([&] {
      ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
      const ssize_t got = ::read(reader.get(), block.data(), block.size());
      if (got > 0) shown.append(block, 0, static_cast<std::size_t>(got));
      return shown.find("standard output did not keep up") != std::string::npos;
    }));
    CHECK(shown.size() > 1'000'000);
  }
}

TEST_CASE("subscribers get each record as it stands in the file", "[logs][LIF-99][LIF-108][UI-91]") {
  const test::TempDir dir;
  logs::LogService service(test::quiet(dir.path()));
  std::string first;
  std::string second;
  const auto id = service.subscribe([&](const std::string& line) { first += line + "\n"; });
  service.subscribe([&](const std::string& line) { second += line + "\n"; });
  service.info("token=abc\n two");
  service.flush();
  service.unsubscribe(id);
  service.error("more");
  service.flush();
  const std::string file = test::read_text(service.main_file());
  CHECK(second == file);
  CHECK(file.starts_with(first));
  CHECK(first.ends_with(" - INFO - token=[REDACTED]\n two\n"));
}

TEST_CASE("a log rotates by size and old files are pruned, also at start-up", "[logs][LIF-96][LIF-100]") {
  const test::TempDir dir;
  test::write_text(dir / "DUMB-2020-01-01.log", "old");
  test::write_text(dir / "DUMB-2020-01-02_1.log", "old");
  test::write_text(dir / "DUMB-2020-01-02_2.log", "old");
  auto options = test::quiet(dir.path());
  options.max_size = 1000;
  logs::LogService service(options);
  CHECK_FALSE(std::filesystem::exists(dir / "DUMB-2020-01-01.log"));
  CHECK(std::filesystem::exists(dir / "DUMB-2020-01-02_1.log"));
  for (int i = 0; i < 100; ++i) {
    service.info("record " + std::to_string(i));
    if (i % 10 == 0) service.flush();
  }
  service.flush();
  CHECK_FALSE(std::filesystem::exists(dir / "DUMB-2020-01-02_1.log"));
  CHECK(rotated_files(dir.path()) == 2);
  CHECK(std::filesystem::file_size(service.main_file()) < 1000);
  std::string name = service.main_file().native();
  name.insert(name.size() - 4, "_1");
  CHECK(std::filesystem::file_size(name) < 1000);
  CHECK(std::filesystem::file_size(name) > 900);
  // The newest record stands in the active file, the one before its first in _1.
  const auto active = test::without_stamps(test::read_text(service.main_file()));
  const auto before = test::without_stamps(test::read_text(name));
  CHECK(active.back() == "INFO - record 99");
  const int first = std::stoi(active.front().substr(14));
  CHECK(before.back() == "INFO - record " + std::to_string(first - 1));
}

TEST_CASE("log files of days too long ago go at start-up and at a rotation", "[logs][LIF-100]") {
  const test::TempDir dir;
  test::write_text(dir / "DUMB-2020-01-01.log", "old");
  auto options = test::quiet(dir.path());
  options.max_size = 1000;
  options.keep = 100;
  options.days = 30;
  logs::LogService service(options);
  CHECK_FALSE(std::filesystem::exists(dir / "DUMB-2020-01-01.log"));
  test::write_text(dir / "DUMB-2020-01-02_1.log", "old");
  for (int i = 0; i < 100; ++i) service.info("record " + std::to_string(i));
  service.flush();
  CHECK(rotated_files(dir.path()) > 3);
  CHECK_FALSE(std::filesystem::exists(dir / "DUMB-2020-01-02_1.log"));
}

TEST_CASE("lines lost on a full disk are counted and told when writing works again", "[logs][LIF-102]") {
  const test::TempDir dir;
  logs::LogService service(test::quiet(dir.path()));
  std::filesystem::create_symlink("/dev/full", dir / "service.log");
  test::Fifo fifo(dir / "fifo");
  logs::CaptureSpec spec;
  spec.process_name = "Full";
  spec.standard_output = std::move(fifo.reader);
  spec.to_main_log = false;
  spec.file = dir / "service.log";
  const auto id = service.attach(std::move(spec));
  fifo.put("one\ntwo\n");
  service.flush();
  std::filesystem::remove(dir / "service.log");
  int sent = 0;
  REQUIRE(test::eventually([&] {
    fifo.put("later " + std::to_string(++sent) + "\n");
    service.flush();
    return test::read_text(service.main_file()).find("were lost") != std::string::npos;
  }));
  test::finish(service, id);
  const std::string main = test::read_text(service.main_file());
  CHECK_THAT(main, ContainsSubstring("ERROR"));
  CHECK_THAT(main, ContainsSubstring("No space left"));
  std::smatch count;
  REQUIRE(std::regex_search(main, count, std::regex(R"((\d+) lines of )")));
  const auto kept = test::without_stamps(test::read_text(dir / "service.log"));
  CHECK(std::stoul(count[1]) + kept.size() == 2U + static_cast<unsigned>(sent));
  CHECK(kept.back() == "INFO - Full subprocess: later " + std::to_string(sent));
  CHECK(main.find("were lost") == main.rfind("were lost"));
}

TEST_CASE("a directory that cannot be written leaves standard output alive", "[logs][LIF-102]") {
  const test::TempDir dir;
  test::write_text(dir / "file", "in the way");
  const UniqueFd out(::open((dir / "out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  auto options = test::quiet(dir / "file/log");
  options.standard_output = true;
  {
    const StandardOutput redirected(out.get());
    logs::LogService service(options);
    service.info("still here");
    service.flush();
  }
  CHECK_THAT(test::read_text(dir / "out"), ContainsSubstring("INFO - still here"));
}

TEST_CASE("records written by many threads all arrive, each thread's in order", "[logs][LIF-99]") {
  const test::TempDir dir;
  auto options = test::quiet(dir.path());
  options.max_size = 0;
  std::filesystem::path file;
  {
    logs::LogService service(options);
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 4; ++writer) {
      writers.emplace_back([&service, writer] {
        for (int i = 0; i < 2000; ++i) {
          service.info("w" + std::to_string(writer) + " " + std::to_string(i));
          if (i % 500 == 0) service.flush();
        }
      });
    }
    for (auto& writer : writers) writer.join();
    file = service.main_file();
  }
  int next[4] = {};
  for (const std::string& line : test::without_stamps(test::read_text(file))) {
    const int writer = line.at(8) - '0';
    CHECK(std::stoi(line.substr(10)) == next[writer]++);
  }
  for (const int count : next) CHECK(count == 2000);
}

TEST_CASE("a file that somebody moved away or emptied is followed", "[logs][LIF-100][LIF-101]") {
  const test::TempDir dir;
  logs::LogService service(test::quiet(dir.path()));
  service.info("before");
  service.flush();
  std::filesystem::rename(service.main_file(), dir / "taken");
  REQUIRE(test::eventually([&] {
    service.info("after");
    service.flush();
    return std::filesystem::exists(service.main_file());
  }));
  CHECK_THAT(test::read_text(service.main_file()), ContainsSubstring("INFO - after"));
}
