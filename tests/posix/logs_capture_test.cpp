#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_reader.hpp>
#include <dumb/logs/log_service.hpp>
#include <thread>

#include "logs_fixture.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

namespace {

/// The test program with its output on two descriptors; killed at the end.
struct ChildProcess {
  ChildProcess(std::vector<std::string> arguments, int out, int err) {
    std::vector<char*> argv;
    std::string program = test::test_child();
    argv.push_back(program.data());
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid = ::fork();
    if (pid == 0) {
      ::setpgid(0, 0);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(err, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::setpgid(pid, pid);
  }
  ~ChildProcess() {
    // The group still has its leader as a zombie, or a member: the number is not used again before this.
    ::kill(-pid, SIGKILL);
    wait();
  }
  void wait() {
    int status = 0;
    if (!reaped_) ::waitpid(pid, &status, 0);
    reaped_ = true;
  }
  /// Until it has ended, leaving it a zombie.
  void wait_end() const {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  }
  pid_t pid = -1;

 private:
  bool reaped_ = false;
};

struct Bench {
  explicit Bench(logs::MainLogOptions options = {}) {
    options.directory = dir / "main";
    options.standard_output = false;
    service.emplace(std::move(options));
  }
  logs::CaptureSpec spec(test::Fifo& out) {
    logs::CaptureSpec spec;
    spec.process_name = "Child";
    spec.standard_output = std::move(out.reader);
    return spec;
  }
  Lines main_lines() {
    service->flush();
    return test::without_stamps(test::read_text(service->main_file()));
  }
  test::TempDir dir;
  std::optional<logs::LogService> service;
};

}  // namespace

TEST_CASE("captured lines go to the main log and the service's file by level",
          "[logs][LIF-103][LIF-104][LIF-106]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.file = bench.dir / "log/child.log";
  const auto id = bench.service->attach(std::move(spec));
  fifo.put("2026/02/03 07:05:09 NOTICE: ready\nDEBUG quiet\nERROR: bad\n");
  REQUIRE(test::eventually([&] { return bench.main_lines().size() == 2; }));
  bench.service->set_threshold(id, Level::error);
  bench.service->flush();
  fifo.put("INFO in main only\nERROR in both\n");
  CHECK(test::finish(*bench.service, id) == "ready\nquiet\nbad\nin main only\nin both");
  CHECK(bench.main_lines() == Lines{"INFO - Child subprocess: ready", "ERROR - Child subprocess: bad",
                                    "INFO - Child subprocess: in main only",
                                    "ERROR - Child subprocess: in both"});
  CHECK(test::without_stamps(test::read_text(bench.dir / "log/child.log")) ==
        Lines{"INFO - Child subprocess: ready", "ERROR - Child subprocess: bad",
              "ERROR - Child subprocess: in both"});
}

TEST_CASE("suppressed output reaches its file or nothing", "[logs][LIF-104]") {
  Bench bench;
  test::Fifo with_file(bench.dir / "a");
  test::Fifo without_file(bench.dir / "b");
  auto first = bench.spec(with_file);
  first.to_main_log = false;
  first.file = bench.dir / "child.log";
  auto second = bench.spec(without_file);
  second.to_main_log = false;
  const auto one = bench.service->attach(std::move(first));
  const auto two = bench.service->attach(std::move(second));
  with_file.put("kept\n");
  without_file.put("dropped\n");
  CHECK(test::finish(*bench.service, one) == "kept");
  CHECK(test::finish(*bench.service, two) == "dropped");
  CHECK(bench.main_lines().empty());
  CHECK(test::without_stamps(test::read_text(bench.dir / "child.log")) ==
        Lines{"INFO - Child subprocess: kept"});
}

TEST_CASE("traefik's access lines go to the access log and nowhere else", "[logs][LIF-104][LIF-108]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.format = logs::LineFormat::traefik;
  spec.file = bench.dir / "traefik.log";
  spec.access_file = bench.dir / "access.log";
  const auto id = bench.service->attach(std::move(spec));
  fifo.put("{\"RequestMethod\":\"GET\",\"RequestPath\":\"/x?token=abc\"}\n2026-02-03T07:05:09Z WRN hm\n");
  test::finish(*bench.service, id);
  CHECK(test::read_text(bench.dir / "access.log") ==
        "{\"RequestMethod\":\"GET\",\"RequestPath\":\"/x?token=[REDACTED]\"}\n");
  CHECK(bench.main_lines() == Lines{"WARNING - Child subprocess: 2026-02-03T07:05:09Z WRN hm"});
  CHECK(test::without_stamps(test::read_text(bench.dir / "traefik.log")) == bench.main_lines());
}

TEST_CASE("odd bytes, empty lines and a last line without end are read on", "[logs][LIF-105][LIF-108]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  const auto id = bench.service->attach(bench.spec(fifo));
  fifo.put("a\xFF\xFE z\n\n   \n\x1b[31mred\x1b[0m  \r\n  indented\npassword=abc\nlast");
  CHECK(test::finish(*bench.service, id) ==
        "a\xEF\xBF\xBD\xEF\xBF\xBD z\nred\n  indented\npassword=[REDACTED]\nlast");
  CHECK(bench.main_lines() == Lines{"INFO - Child subprocess: a\xEF\xBF\xBD\xEF\xBF\xBD z",
                                    "INFO - Child subprocess: red", "INFO - Child subprocess:   indented",
                                    "INFO - Child subprocess: password=[REDACTED]",
                                    "INFO - Child subprocess: last"});
}

TEST_CASE("the tail is standard error's, else standard output's", "[logs][LIF-56][LIF-105]") {
  Bench bench;
  test::Fifo out(bench.dir / "out");
  test::Fifo err(bench.dir / "err");
  auto spec = bench.spec(out);
  spec.standard_error = std::move(err.reader);
  const auto id = bench.service->attach(std::move(spec));
  out.put("fine\n");
  for (int i = 0; i < 1000; ++i) err.put("error line " + std::to_string(i) + "\n");
  const std::string tail = test::finish(*bench.service, id);
  CHECK(tail.size() <= 2048);
  CHECK(tail.size() > 1900);
  CHECK(tail.starts_with("error line "));
  CHECK(tail.ends_with("\nerror line 999"));
  CHECK(test::finish(*bench.service, id).empty());
  CHECK(test::finish(*bench.service, 4711).empty());
}

TEST_CASE("a child that prints a million lines loses no line", "[logs][LIF-105]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.to_main_log = false;
  spec.file = bench.dir / "child.log";
  logs::MainLogOptions options;
  options.directory = bench.dir / "main";
  options.standard_output = false;
  options.max_size = 0;
  bench.service->configure(options);
  const auto id = bench.service->attach(std::move(spec));
  constexpr long long lines = 1'000'000;
  ChildProcess child({"--print", std::to_string(lines), "--exit", "0"}, fifo.writer.get(), fifo.writer.get());
  // Meanwhile others are served.
  bench.service->info("not delayed");
  CHECK(bench.main_lines() == Lines{"INFO - not delayed"});
  child.wait();
  test::finish(*bench.service, id, 60s);
  const std::string text = test::read_text(bench.dir / "child.log");
  long long expected = 0;
  bool whole = true;
  for (std::size_t at = 0; at < text.size() && whole; ++expected) {
    const std::size_t end = text.find('\n', at);
    const std::string want = " - INFO - Child subprocess: line " + std::to_string(expected + 1);
    whole = end != std::string::npos && text.compare(at + 21, end - at - 21, want) == 0;
    at = end + 1;
  }
  CHECK(whole);
  CHECK(expected == lines);
}

TEST_CASE("a child that prints 100 MB keeps every byte of its lines", "[logs][LIF-105]") {
  logs::MainLogOptions options;
  options.max_size = 0;
  Bench bench(options);
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.to_main_log = false;
  spec.file = bench.dir / "child.log";
  const auto id = bench.service->attach(std::move(spec));
  ChildProcess child({"--print-bytes", "100000000", "--exit", "0"}, fifo.writer.get(), fifo.writer.get());
  child.wait();
  test::finish(*bench.service, id, 60s);
  // Lines of 99 characters behind "<stamp> - INFO - Child subprocess: ".
  constexpr std::uintmax_t record = 24 + 7 + 18 + 100;
  const std::uintmax_t size = std::filesystem::file_size(bench.dir / "child.log");
  CHECK(size % record == 0);
  CHECK(size / record >= 1'000'000);
}

TEST_CASE("output held open by a grandchild does not hold up the end", "[logs][LIF-62][LIF-105]") {
  Bench bench;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  logs::CaptureSpec spec;
  spec.process_name = "Child";
  spec.standard_output = std::move(reader);
  const auto id = bench.service->attach(std::move(spec));
  ChildProcess child({"--hold", "--text", "bye", "--exit", "0"}, writer.get(), writer.get());
  writer.reset();
  child.wait_end();
  const auto began = std::chrono::steady_clock::now();
  CHECK_THAT(test::finish(*bench.service, id, 3s), ContainsSubstring("bye"));
  CHECK(std::chrono::steady_clock::now() - began < 3s);
}

TEST_CASE("a writer that never stops is left at the limit", "[logs][LIF-62][LIF-105]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.to_main_log = false;
  const auto id = bench.service->attach(std::move(spec));
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::thread writer([fd = fifo.writer.get(), &stop, &written] {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    const std::string block(60000, '\n');
    while (!stop) {
      if (::write(fd, block.data(), block.size()) > 0) ++written;
    }
  });
  REQUIRE(test::eventually([&] { return written > 100; }));
  const auto began = std::chrono::steady_clock::now();
  test::finish(*bench.service, id, 300ms);
  const auto took = std::chrono::steady_clock::now() - began;
  stop = true;
  writer.join();
  CHECK(took < 5s);
}

TEST_CASE("a closed pipe is not the end before finish() says so", "[logs][LIF-105]") {
  Bench bench;
  const auto path = bench.dir / "out";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  logs::CaptureSpec spec;
  spec.process_name = "Child";
  spec.standard_output.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto id = bench.service->attach(std::move(spec));
  for (const char* text : {"first\n", "second\n"}) {
    const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    test::Fifo::put(writer.get(), text);
    REQUIRE(test::eventually([&] {
      const auto lines = bench.main_lines();
      return !lines.empty() &&
             lines.back().ends_with(std::string_view(text).substr(0, std::string_view(text).size() - 1));
    }));
  }
  CHECK(test::finish(*bench.service, id) == "first\nsecond");
}

TEST_CASE("a file rotates while it is captured and the reader goes on where it was", "[logs][LIF-100][LIF-114]") {
  logs::MainLogOptions options;
  options.max_size = 20'000;
  options.keep = 1000;
  Bench bench(options);
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.to_main_log = false;
  spec.file = bench.dir / "log/child.log";
  const auto id = bench.service->attach(std::move(spec));
  fifo.put("first\n");
  REQUIRE(test::eventually([&] { return logs::read_chunk(bench.dir / "log/child.log", {})->cursor > 0; }));
  const auto before = logs::read_chunk(bench.dir / "log/child.log", {});
  for (int i = 0; i < 5000; ++i) fifo.put("line " + std::to_string(i) + "\n");
  test::finish(*bench.service, id);
  logs::ReadRequest next;
  next.cursor = static_cast<std::int64_t>(before->cursor);
  next.file_id = before->file_id;
  const auto after = logs::read_chunk(bench.dir / "log/child.log", next);
  REQUIRE(after);
  CHECK_FALSE(after->reset);
  CHECK(test::without_stamps(after->chunk).front() == "INFO - Child subprocess: line 0");
  // Nothing was lost on the way: all files together hold every line once.
  std::map<int, std::string> by_age;
  for (const auto& entry : std::filesystem::directory_iterator(bench.dir / "log")) {
    CHECK(entry.file_size() < 20'000);
    const std::string name = entry.path().stem().native();
    const std::size_t mark = name.find('_');
    by_age[mark == std::string::npos ? 0 : -std::stoi(name.substr(mark + 1))] = test::read_text(entry.path());
  }
  CHECK(by_age.size() > 5);
  Lines all;
  for (const auto& [age, text] : by_age) {
    for (auto& line : test::without_stamps(text)) all.push_back(std::move(line));
  }
  REQUIRE(all.size() == 5001);
  for (int i = 0; i < 5000; ++i) {
    if (all[static_cast<std::size_t>(i) + 1] != "INFO - Child subprocess: line " + std::to_string(i)) FAIL(i);
  }
}

TEST_CASE("what was read is not lost when the service ends without finish()", "[logs][LIF-105]") {
  Bench bench;
  test::Fifo fifo(bench.dir / "out");
  auto spec = bench.spec(fifo);
  spec.file = bench.dir / "child.log";
  bench.service->attach(std::move(spec));
  fifo.put("whole\npart");
  bench.service.reset();
  CHECK(test::without_stamps(test::read_text(bench.dir / "child.log")) ==
        Lines{"INFO - Child subprocess: whole", "INFO - Child subprocess: part"});
}
