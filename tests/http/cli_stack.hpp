#pragma once

#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "program.hpp"
#include "support/support.hpp"

namespace dumb::test {

struct Ended {
  std::optional<int> status;
  std::string out, err;
};

/// A dumb-server over a scratch root with the configuration `config`, and the command line that talks to it.
class CliStack {
 public:
  explicit CliStack(const std::string& config) {
    // As root the services run as another user, who has to enter it.
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    write_text(root_ / "config/dumb_config.json", config);
    server_.emplace(std::vector<std::string>{DUMB_SERVER, "--root", root_.path().native(), "--port", "0"},
                    environment());
    environment_ = environment();
    environment_.push_back(fmt::format("DUMB_URL=http://127.0.0.1:{}", server_->listening_port()));
  }

  /// Services outlive a server that is killed, so it is asked to end.
  ~CliStack() {
    server_->signal(SIGTERM);
    server_->wait();
  }
  CliStack(const CliStack&) = delete;
  CliStack& operator=(const CliStack&) = delete;

  std::unique_ptr<Program> begin(std::vector<std::string> words) const {
    words.insert(words.begin(), DUMB_CLI);
    return std::make_unique<Program>(words, environment_);
  }
  Ended run(std::vector<std::string> words) const {
    const auto program = begin(std::move(words));
    const auto status = program->wait();
    return {status, program->output(), program->errors()};
  }
  const TempDir& root() const { return root_; }
  Program& server() { return *server_; }

 private:
  static std::vector<std::string> environment() { return {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"}; }

  TempDir root_;
  std::optional<Program> server_;
  std::vector<std::string> environment_;
};

}  // namespace dumb::test
