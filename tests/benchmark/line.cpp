// A service that prints. Linked statically, so that its own start costs as little as a process can.
//
//   dumb-bench-line TEXT                 prints TEXT and a newline and ends
//   dumb-bench-line --partial TEXT       prints TEXT without a newline and ends
//   dumb-bench-line --error TEXT         prints TEXT and a newline on standard error and ends
//   dumb-bench-line --rate LINES BYTES   prints LINES numbered lines of BYTES bytes a second until it is
//   ended;
//                                        0 LINES: as fast as they are taken
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void put(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
    if (count <= 0) std::exit(1);
    done += static_cast<std::size_t>(count);
  }
}

[[noreturn]] void talk(long lines, long bytes) {
  const long pause = lines > 0 ? 1'000'000'000L / lines : 0;
  std::string line;
  for (unsigned long number = 1;; ++number) {
    line = "INFO line " + std::to_string(number) + " ";
    line.resize(static_cast<std::size_t>(std::max(bytes, 32L)) - 1, '.');
    line += '\n';
    put(STDOUT_FILENO, line);
    if (pause == 0) continue;
    const timespec time{pause / 1'000'000'000L, pause % 1'000'000'000L};
    ::nanosleep(&time, nullptr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--rate" && argc == 4) talk(std::atol(argv[2]), std::atol(argv[3]));
  if (argc == 3 && first == "--partial") {
    put(STDOUT_FILENO, argv[2]);
  } else if (argc == 3 && first == "--error") {
    put(STDERR_FILENO, std::string(argv[2]) + "\n");
  } else {
    put(STDOUT_FILENO, first + "\n");
  }
}
