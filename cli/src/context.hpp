#pragma once

#include <chrono>
#include <cstddef>
#include <dumb/base/error.hpp>
#include <dumb/base/result.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "client.hpp"
#include "style.hpp"

namespace dumb::cli {

struct TerminalSize {
  std::size_t columns = 0;  ///< 0: unknown
  std::size_t rows = 0;
};

enum class Screen { normal, whole };
enum class Echo { shown, hidden };  ///< hidden: what is typed stays unseen

/// What the program gets from the system. main() fills it with the real thing, tests with their own.
struct Surroundings {
  Environment environment;
  Transport transport;
  /// Write all of the text; false when nobody reads any more.
  std::function<bool(std::string_view)> out;
  std::function<bool(std::string_view)> err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool in_is_terminal = false;
  std::size_t columns = 0;  ///< of the terminal; 0: unknown
  bool is_root_user = false;
  std::function<double()> now;                    ///< Unix seconds
  std::function<std::string(double)> local_time;  ///< "2026-02-11 12:00:05" of Unix seconds
  /// Waits; false when nobody reads the output any more.
  std::function<bool(std::chrono::milliseconds)> pause;
  /// Whether the user has asked to stop (SIGINT, SIGTERM). From the first call on such a signal does no more
  /// than that; a second one ends the program.
  std::function<bool()> interrupted;
  std::function<TerminalSize()> terminal_size;  ///< now
  /// Takes the whole screen of the terminal and its keys, or gives them back as they were. A signal that ends
  /// the program gives them back as well.
  std::function<void(Screen)> screen;
  /// Waits for a key; '\0' when none came in time, nullopt when the terminal has gone.
  std::function<std::optional<char>(std::chrono::milliseconds)> key;
  /// Asks on the terminal for one line; nullopt when there is none any more.
  std::function<std::optional<std::string>(std::string_view prompt, Echo echo)> ask;
  std::function<Result<std::string>()> input;  ///< all of standard input
  /// Runs the tasks, at most `limit` at a time, on other threads; calls `tick` on this one every now and then
  /// until all have ended.
  std::function<void(std::vector<std::function<void()>> tasks, std::size_t limit,
                     const std::function<void()>& tick)>
      concurrently;
};

/// What a command works with.
struct Context {
  const Surroundings& system;
  Client client;
  Style style;        ///< of standard output
  Style error_style;  ///< of standard error
  bool json = false;
  bool interrupted = false;  ///< a run that was begun here was stopped by the user

  bool print(std::string_view text) const { return system.out(text); }
  /// "dumb-cli: text" on standard error; with --json {"error":…, "exit_code":…}. `subject` is the name
  /// the user gave, added when the text has none.
  void report(const Error& error, std::string_view subject = {}) const;
  /// "dumb-cli: text" on standard error for what went wrong with one service of several, which the JSON
  /// answer holds as well; silent with --json.
  void complain(std::string_view text) const;
  /// "dumb-cli: text" on standard error, not an error; silent with --json.
  void note(std::string_view text) const;
};

}  // namespace dumb::cli
