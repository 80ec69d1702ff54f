#pragma once

#include <boost/json.hpp>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "cli/src/run.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// dumb-cli without a process, a terminal or a network: every answer is laid down beforehand.
class CliProgram {
 public:
  CliProgram() {
    system.environment = {{"LANG", "C.UTF-8"}, {"TERM", "xterm"}};
    system.transport = [this](const http::Request& request) { return exchange(request); };
    system.out = [this](std::string_view text) { return out.append(text), !reader_gone; };
    system.err = [this](std::string_view text) { return err.append(text), true; };
    system.now = [] { return 1'770'811'200.0; };  // 2026-02-11 12:00:00 UTC
    system.local_time = [](double seconds) { return "@" + std::to_string(static_cast<long long>(seconds)); };
    system.pause = [this](std::chrono::milliseconds) { return pauses-- > 0; };
    system.interrupted = [this] { return interrupts-- == 0; };
    system.terminal_size = [this] { return cli::TerminalSize{system.columns, rows}; };
    system.screen = [this](cli::Screen screen) {
      out += screen == cli::Screen::whole ? "<screen>" : "</screen>";
    };
    system.key = [this](std::chrono::milliseconds) -> std::optional<char> {
      if (keys.empty()) return std::nullopt;
      const char key = keys.front();
      keys.erase(0, 1);
      return key == '.' ? '\0' : key;
    };
    system.ask = [this](std::string_view prompt, cli::Echo echo) -> std::optional<std::string> {
      asked += std::string(prompt) + (echo == cli::Echo::hidden ? "(hidden)\n" : "\n");
      if (lines.empty()) return std::nullopt;
      std::string line = lines.front();
      lines.erase(lines.begin());
      return line;
    };
    system.input = [this]() -> Result<std::string> { return input; };
    system.concurrently = [](std::vector<std::function<void()>> tasks, std::size_t,
                             const std::function<void()>& tick) {
      for (const auto& task : tasks) task();
      tick();
    };
  }

  int run(const std::vector<std::string>& words) {
    out.clear();
    err.clear();
    return static_cast<int>(cli::run(words, system));
  }
  void terminal(std::size_t columns) {
    system.out_is_terminal = system.err_is_terminal = true;
    system.columns = columns;
  }
  /// The answers to a call, "GET /health"; the last one stays.
  void answer(const std::string& call, std::string body, int status = 200) {
    http::Response response;
    response.status = status;
    response.body = std::move(body);
    answers[call].emplace_back(std::move(response));
  }
  void refuse(const std::string& call, Error error) { answers[call].emplace_back(std::move(error)); }

  cli::Surroundings system;
  std::string out, err;
  std::vector<http::Request> requests;
  std::map<std::string, std::vector<Result<http::Response>>> answers;
  int pauses = 0;       ///< how often a follower may go on
  int interrupts = -1;  ///< how many looks find no Ctrl-C; -1: none ever does
  std::size_t rows = 24;
  std::string keys;  ///< pressed one after the other, '.' none in time; at the end the terminal goes away
  bool reader_gone = false;
  std::vector<std::string> lines;  ///< typed, one after the other
  std::string asked;               ///< every prompt
  std::string input;               ///< standard input

 private:
  Result<http::Response> exchange(const http::Request& request) {
    requests.push_back(request);
    const auto found = answers.find(request.method + ' ' + request.url.target);
    if (found == answers.end()) {
      http::Response missing;
      missing.status = 404;
      missing.body = R"({"detail":"Not Found"})";
      return missing;
    }
    Result<http::Response> response = found->second.front();
    if (found->second.size() > 1) found->second.erase(found->second.begin());
    return response;
  }
};

/// Compares with tests/data/cli/<name>; escape characters are written as \e there. With DUMB_WRITE_GOLDEN in
/// the environment the file is written first: for a reviewer to read the difference.
inline void check_golden(const std::string& name, const std::string& text) {
  std::string visible;
  for (const char c : text) visible += c == '\x1b' ? std::string("\\e") : std::string(1, c);
  if (std::getenv("DUMB_WRITE_GOLDEN") != nullptr)
    write_text(DUMB_SOURCE_DIR "/tests/data/cli/" + name, visible);
  INFO("golden file tests/data/cli/" << name);
  CHECK(visible == read_text(DUMB_SOURCE_DIR "/tests/data/cli/" + name));
}

}  // namespace dumb::test
