// `dumb-cli top` on a real terminal.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "stack.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

/// dumb-cli with a terminal of its own.
class OnTerminal {
 public:
  explicit OnTerminal(const std::string& url) {
    const winsize size{20, 100, 0, 0};
    const char* const environment[] = {"TERM=xterm", "LANG=C.UTF-8", nullptr};
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::execle(DUMB_CLI, "dumb-cli", "--url", url.c_str(), "top", nullptr, environment);
      ::_exit(127);
    }
    REQUIRE(pid_ > 0);
    supervisor::remember_child(pid_);  // the server of this program would reap it as an orphan
    ::fcntl(terminal_, F_SETFL, O_NONBLOCK);
  }
  ~OnTerminal() {
    if (pid_ > 0 && !ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    supervisor::forget_child(pid_);
    ::close(terminal_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  bool shows(std::string_view text) {
    return eventually([&] { return read_more().find(text) != std::string::npos; });
  }
  void signal(int number) const { ::kill(pid_, number); }
  void press(char key) { REQUIRE(::write(terminal_, &key, 1) == 1); }
  /// Whether keys are echoed and lines edited, as a shell expects it.
  bool cooked() const {
    termios modes{};
    REQUIRE(::tcgetattr(terminal_, &modes) == 0);
    return (modes.c_lflag & ICANON) != 0 && (modes.c_lflag & ECHO) != 0;
  }
  int wait() {
    REQUIRE(eventually([&] {
      read_more();
      return ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    }));
    read_more();
    return status_;
  }
  const std::string& output() const { return output_; }

 private:
  const std::string& read_more() {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(terminal_, buffer, sizeof buffer)) > 0;) {
      output_.append(buffer, static_cast<std::size_t>(got));
    }
    return output_;
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::string output_;
};

constexpr std::string_view give_back = "\x1b[?25h\x1b[?1049l";

}  // namespace

TEST_CASE("top takes the terminal's screen and gives it back, by q and by Ctrl-C", "[cli][server][LIF-173]") {
  json::object services;
  services["child"] = child_block("Child", {});
  Stack stack(services);
  REQUIRE(stack.operate("start-service", "Child").status == 200);
  for (const char key : {'q', '\x03'}) {
    OnTerminal top("http://127.0.0.1:" + std::to_string(stack.port()));
    REQUIRE(top.shows("1 service, 1 process"));
    REQUIRE(top.shows("q quit"));
    CHECK(top.output().starts_with("\x1b[?1049h"));
    CHECK_FALSE(top.cooked());
    top.press(key);
    const int status = top.wait();
    if (key == 'q') {
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
    } else {
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == SIGINT);
    }
    CHECK_THAT(top.output(), ContainsSubstring(std::string(give_back)));
    CHECK(top.cooked());
  }
}

TEST_CASE("top gives the screen back on Ctrl-backslash and when its terminal goes, and lends it on Ctrl-Z",
          "[cli][server][LIF-173]") {
  json::object services;
  services["child"] = child_block("Child", {});
  Stack stack(services);
  REQUIRE(stack.operate("start-service", "Child").status == 200);
  OnTerminal top("http://127.0.0.1:" + std::to_string(stack.port()));
  REQUIRE(top.shows("q quit"));
  SECTION("Ctrl-Z") {
    // Nobody could wake it here, so the kernel does not let it stop: it comes back at once.
    top.press('\x1a');
    REQUIRE(top.shows(std::string(give_back) + "\x1b[?1049h"));
    CHECK_FALSE(top.cooked());
    top.press('q');
    CHECK(WEXITSTATUS(top.wait()) == 0);
  }
  SECTION("a signal") {
    const int number = GENERATE(SIGQUIT, SIGHUP);
    top.signal(number);
    const int status = top.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == number);
  }
  CHECK_THAT(top.output(), ContainsSubstring(std::string(give_back)));
  CHECK(top.cooked());
}
