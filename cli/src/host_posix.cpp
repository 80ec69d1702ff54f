#include "host_posix.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <dumb/base/clock.hpp>
#include <mutex>
#include <thread>

extern char** environ;

namespace dumb::cli {
namespace {

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equal = text.find('=');
    if (equal != std::string_view::npos) environment.emplace(text.substr(0, equal), text.substr(equal + 1));
  }
  return environment;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done >= 0) {
      text.remove_prefix(static_cast<std::size_t>(done));
    } else if (errno == EAGAIN) {
      pollfd writable{fd, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool pause_for(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return true;
    pollfd reader{STDOUT_FILENO, 0, 0};  // only POLLERR and POLLHUP: the reader has gone
    const int ready = ::poll(&reader, 1, static_cast<int>(left.count()));
    if (ready > 0) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

std::string local_time_text(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char buffer[32];
  if (::localtime_r(&whole, &parts) == nullptr) return "?";
  return {buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S", &parts)};
}

constexpr std::chrono::milliseconds tick_interval{400};

void run_concurrently(std::vector<std::function<void()>> tasks, std::size_t limit,
                      const std::function<void()>& tick) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t working = std::min(limit, tasks.size());
  std::vector<std::jthread> threads;
  const auto work = [&] {
    for (std::size_t at = next++; at < tasks.size(); at = next++) tasks[at]();
    const std::lock_guard lock(mutex);
    --working;
    ended.notify_one();
  };
  const std::size_t count = working;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(work);
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, tick_interval, [&] { return working == 0; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
}

// A terminal has one screen and one set of modes; the signal handler needs them as well.
termios modes_before{};
volatile std::sig_atomic_t screen_taken = 0;
volatile std::sig_atomic_t modes_changed = 0;

bool put(std::string_view text) {
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Only what a signal handler may do.
bool give_screen_back() {
  if (modes_changed != 0) ::tcsetattr(STDIN_FILENO, TCSANOW, &modes_before);
  modes_changed = 0;
  if (screen_taken == 0) return true;
  screen_taken = 0;
  return put("\x1b[0m\x1b[?25h\x1b[?1049l");
}

void change_screen(Screen screen);
volatile std::sig_atomic_t came_back = 0;  // from being suspended

/// Ctrl-Z: the shell gets its terminal back for as long as it lasts.
extern "C" void suspend(int number) {
  const bool taken = screen_taken != 0;
  const int error = errno;
  give_screen_back();
  sigset_t own;
  sigset_t before;
  ::sigemptyset(&own);
  ::sigaddset(&own, number);
  std::signal(number, SIG_DFL);
  std::raise(number);
  ::pthread_sigmask(SIG_UNBLOCK, &own, &before);  // here it stops, and goes on with SIGCONT
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::signal(number, suspend);
  if (taken) change_screen(Screen::whole);
  came_back = 1;
  errno = error;
}

void change_screen(Screen screen) {
  if (screen == Screen::normal) {
    give_screen_back();
    return;
  }
  if (::tcgetattr(STDIN_FILENO, &modes_before) == 0) {
    termios modes = modes_before;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // keys at once; Ctrl-C stays a signal
    modes_changed = 1;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &modes);
  }
  std::signal(SIGTSTP, suspend);
  screen_taken = 1;
  put("\x1b[?1049h\x1b[?25l\x1b[2J");
}

std::optional<char> wait_for_key(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  bool keyboard = ::isatty(STDIN_FILENO) == 1;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return '\0';
    std::array<pollfd, 2> watched{{{STDOUT_FILENO, 0, 0}, {keyboard ? STDIN_FILENO : -1, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return std::nullopt;
    }
    if (came_back != 0) {
      came_back = 0;
      return '\0';  // what was shown is gone
    }
    if (watched[0].revents != 0) return std::nullopt;
    if (watched[1].revents == 0) continue;
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) == 1 && key != 0) return key;
    keyboard = false;
  }
}

/// A line of the terminal without its end. Nothing of a hidden one is echoed, or left in its modes.
std::optional<std::string> ask_for_line(std::string_view prompt, Echo echo) {
  if (!write_all(STDERR_FILENO, prompt)) return std::nullopt;
  const bool hide = echo == Echo::hidden && ::tcgetattr(STDIN_FILENO, &modes_before) == 0;
  if (hide) {
    termios modes = modes_before;
    modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    modes_changed = 1;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &modes);
  }
  std::string line;
  bool ended = false;
  for (char byte = 0; !ended;) {
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    ended = byte == '\n';
    if (!ended) line.push_back(byte);
  }
  if (hide) {
    give_screen_back();
    write_all(STDERR_FILENO, "\n");
  }
  if (!ended && line.empty()) return std::nullopt;
  return line;
}

constexpr std::size_t largest_input = 1 << 20;  // the server takes no larger body

Result<std::string> read_input() {
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= largest_input) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      return system_error(errno, "read standard input");
    }
  }
  return Error(Errc::invalid_argument, "standard input is larger than 1 MiB");
}

TerminalSize size_of_terminal() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row};
}

// Between the escape sequences of a coloured line: leave the terminal as it was, then die of the signal.
extern "C" void end_by_signal(int number) {
  if (!give_screen_back() || !put("\x1b[0m")) ::_exit(128 + number);
  std::signal(number, SIG_DFL);
  std::raise(number);
}

volatile std::sig_atomic_t asked_to_stop = 0;

extern "C" void note_interrupt(int number) {
  if (asked_to_stop != 0) end_by_signal(number);
  asked_to_stop = 1;
}

bool was_interrupted() {
  static const bool watching = [] {
    std::signal(SIGINT, note_interrupt);
    std::signal(SIGTERM, note_interrupt);
    return true;
  }();
  return watching && asked_to_stop != 0;
}

}  // namespace

Surroundings real_surroundings() {
  Surroundings system;
  std::signal(SIGPIPE, SIG_IGN);
  system.environment = process_environment();
  system.transport = [](http::Request request) { return http::fetch_blocking(std::move(request)); };
  system.out = [](std::string_view text) { return write_all(STDOUT_FILENO, text); };
  system.err = [](std::string_view text) { return write_all(STDERR_FILENO, text); };
  system.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  system.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  system.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
  if (system.out_is_terminal) system.columns = size_of_terminal().columns;
  if (system.out_is_terminal) {
    std::signal(SIGINT, end_by_signal);
    std::signal(SIGTERM, end_by_signal);
    std::signal(SIGHUP, end_by_signal);
    std::signal(SIGQUIT, end_by_signal);
  }
  system.is_root_user = ::geteuid() == 0;
  system.now = [] { return unix_seconds(system_clock().wall()); };
  system.local_time = local_time_text;
  system.pause = pause_for;
  system.interrupted = was_interrupted;
  system.terminal_size = size_of_terminal;
  system.screen = change_screen;
  system.key = wait_for_key;
  system.ask = ask_for_line;
  system.input = read_input;
  system.concurrently = run_concurrently;
  return system;
}

}  // namespace dumb::cli
