// What it costs to capture a child's output: MiB per CPU second of whoever reads it.
//
//   dumb-bench-log-capture DIRECTORY [MIB [RUNS]]
//
// A child writes MIB (300) of lines of 100 bytes, in blocks of 64 KiB, to a FIFO. Its readers, one after the
// other and RUNS (5) times in turn:
//   loop       read(2) and write(2) of 64 KiB into one file, no more
//   s6-log     with time stamps and rotation (t n2 s10485760), if it is installed
//   capture    this library's, with stamps, levels, redaction and rotation of the same size
//   journal    the same with the journal that makes it exact when the program is killed, as services have it
// Files go to DIRECTORY, which is emptied of them again. CPU time is user and system time of the reading
// process.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dumb/logs/log_service.hpp>
#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <vector>

namespace {

using dumb::UniqueFd;

constexpr std::size_t line_size = 100;
constexpr std::size_t block_size = 64U << 10U;
constexpr std::uint64_t file_size = 10U << 20U;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double seconds(const rusage& usage) {
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// Lines as services print them; one of a hundred shows a key.
std::string make_block() {
  static const char* const texts[] = {
      "INFO mounted remote library, 4711 entries in 12 directories, cache at 87 percent of its size",
      "DEBUG GET /api/v3/queue?page=1&pageSize=50 answered with 200 after 13 ms, 18342 bytes in body",
      "[Info] RefreshMonitoredDownloadsCommand: Completed download tracking of 3 items in 0.2 seconds",
      "2026-02-03 07:05:09 WARNING torrent has 2 files that are no media, they are left where they are"};
  std::string block;
  for (std::size_t number = 0; block.size() + line_size <= block_size; ++number) {
    std::string line = number % 100 == 7
                           ? "GET http://127.0.0.1:8989/api?apikey=0123456789abcdef0123456789abcdef "
                           : texts[number % std::size(texts)];
    line.resize(line_size - 1, '.');
    block += line + '\n';
  }
  return block;
}

void put(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t done = ::write(fd, data, size);
    if (done <= 0) ::_exit(1);
    data += done;
    size -= static_cast<std::size_t>(done);
  }
}

/// A child that writes the whole volume and ends.
pid_t start_writer(const std::string& fifo, std::size_t bytes) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  const int fd = ::open(fifo.c_str(), O_WRONLY);
  const std::string block = make_block();
  for (std::size_t done = 0; done < bytes; done += block.size()) put(fd, block.data(), block.size());
  ::_exit(0);
}

/// A child that reads standard input; its CPU seconds when it has ended.
double run_reader(const std::string& fifo, std::size_t bytes, const std::function<void()>& read) {
  const pid_t writer = start_writer(fifo, bytes);
  const pid_t reader = ::fork();
  if (reader == 0) {
    const int fd = ::open(fifo.c_str(), O_RDONLY);
    ::dup2(fd, STDIN_FILENO);
    read();
    ::_exit(0);
  }
  int status = 0;
  rusage usage{};
  if (::wait4(reader, &status, 0, &usage) != reader || status != 0) fail("the reader failed");
  ::waitpid(writer, &status, 0);
  return seconds(usage);
}

double run_loop(const std::filesystem::path& directory, const std::string& fifo, std::size_t bytes) {
  return run_reader(fifo, bytes, [&directory] {
    const int file = ::open((directory / "loop.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::vector<char> block(block_size);
    for (ssize_t got = 0; (got = ::read(STDIN_FILENO, block.data(), block.size())) > 0;)
      put(file, block.data(), static_cast<std::size_t>(got));
  });
}

double run_s6_log(const std::filesystem::path& directory, const std::string& fifo, std::size_t bytes) {
  return run_reader(fifo, bytes, [&directory] {
    ::execlp("s6-log", "s6-log", "t", "n2", "s10485760", (directory / "s6").c_str(), nullptr);
    ::_exit(127);
  });
}

double run_capture(const std::filesystem::path& directory, const std::string& fifo, std::size_t bytes,
                   bool journal) {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  {
    dumb::logs::MainLogOptions options;
    options.directory = directory / "main";
    options.standard_output = false;
    options.max_size = file_size;
    dumb::logs::LogService service(options);
    service.set_secrets({"correct-horse-battery-staple", "0123456789abcdef0123456789abcdef"});
    dumb::logs::CaptureSpec spec;
    spec.process_name = "Writer";
    spec.standard_output.reset(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    spec.to_main_log = false;
    spec.file = directory / "capture/writer.log";
    spec.file_threshold = dumb::Level::debug;
    if (journal) spec.journal = directory / "capture/writer";
    std::filesystem::create_directories(directory / "capture");
    const pid_t writer = start_writer(fifo, bytes);
    const auto id = service.attach(std::move(spec));
    int status = 0;
    if (::waitpid(writer, &status, 0) != writer || status != 0) fail("the writer failed");
    std::promise<void> drained;
    service.finish(id, std::chrono::seconds(60), [&drained](const std::string&) { drained.set_value(); });
    drained.get_future().wait();
  }
  ::getrusage(RUSAGE_SELF, &after);
  return seconds(after) - seconds(before);
}

struct Row {
  const char* name;
  std::function<double()> run;
  std::vector<double> rates{};
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: dumb-bench-log-capture DIRECTORY [MIB [RUNS]]\n", stderr);
    return 2;
  }
  const std::size_t mib = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 300;
  const int runs = argc > 3 ? std::atoi(argv[3]) : 5;
  const std::filesystem::path directory = std::filesystem::absolute(argv[1]) / "dumb-bench-log-capture";
  const std::size_t bytes = mib << 20U;
  const std::string fifo = directory / "fifo";
  std::vector<Row> rows;
  rows.push_back({"loop", [&] { return run_loop(directory, fifo, bytes); }});
  if (std::system("command -v s6-log >/dev/null") == 0)
    rows.push_back({"s6-log", [&] { return run_s6_log(directory, fifo, bytes); }});
  rows.push_back({"capture", [&] { return run_capture(directory, fifo, bytes, false); }});
  rows.push_back({"journal", [&] { return run_capture(directory, fifo, bytes, true); }});
  for (int run = 0; run < runs; ++run) {
    for (Row& row : rows) {
      std::filesystem::remove_all(directory);
      std::filesystem::create_directories(directory);
      if (::mkfifo(fifo.c_str(), 0600) != 0) fail("mkfifo");
      row.rates.push_back(static_cast<double>(mib) / row.run());
      std::printf("%-8s %7.0f MiB per CPU second\n", row.name, row.rates.back());
      std::fflush(stdout);
    }
  }
  std::filesystem::remove_all(directory);
  for (const Row& row : rows)
    std::printf("median   %-8s %7.0f MiB per CPU second\n", row.name, median(row.rates));
}
