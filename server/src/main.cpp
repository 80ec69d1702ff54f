#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <dumb/engine/engine.hpp>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "daemon.hpp"
#include "signals_posix.hpp"

namespace {

dumb::config::Environment process_environment() {
  dumb::config::Environment out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

int run(const std::vector<std::string>& words) {
  const auto environment = process_environment();
  const auto parsed = dumb::server::parse_arguments(words, environment, ::geteuid() == 0,
                                                    std::filesystem::current_path(), dumb::engine::version());
  if (!parsed.run) {
    std::fputs(parsed.output.c_str(), parsed.exit_status == 0 ? stdout : stderr);
    return parsed.exit_status;
  }
  return dumb::server::run_daemon(*parsed.run, environment);
}

}  // namespace

int main(int argc, char** argv) {
  dumb::server::hold_signals();
  // A client or a reader of our output that goes away is an error of that write, not the end of the stack.
  std::signal(SIGPIPE, SIG_IGN);
  // So is a file that may not grow (setrlimit(2)): it is a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dumb-server: %s\n", error.what());
    return 1;
  }
}
