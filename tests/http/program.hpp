#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace dumb::test {

/// A program of this build as a child, its output captured.
class Program {
 public:
  /// `environment`: "NAME=value", the whole of it.
  Program(const std::vector<std::string>& argv, const std::vector<std::string>& environment);
  /// Kills what still runs.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Everything written to standard output (standard error) so far.
  std::string output();
  std::string errors();
  /// Waits for a text on standard output.
  bool prints(std::string_view text);
  pid_t pid() const { return pid_; }
  void signal(int number);
  /// The exit status, or -N for death by signal N; nullopt when it still runs at the deadline.
  std::optional<int> wait(std::chrono::milliseconds deadline = std::chrono::seconds(20));
  /// The port of "listening on http://host:port".
  int listening_port();

 private:
  struct Stream {
    int fd = -1;
    std::string text;
    void drain();
  };

  pid_t pid_ = -1;
  std::optional<int> status_;
  Stream output_;
  Stream errors_;
};

}  // namespace dumb::test
