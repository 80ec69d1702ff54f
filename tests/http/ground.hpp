#pragma once

#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "golden.hpp"
#include "harness.hpp"
#include "program.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

namespace dumb::test {

using namespace std::chrono_literals;

/// A root over which one dumb-server follows another.
class Ground {
 public:
  explicit Ground(json::object services) {
    json::object& dumb = services["dumb"].emplace_object();
    dumb["frontend"].emplace_object()["enabled"] = false;
    dumb["log_size"] = "0";
    write_text(root_ / "config/dumb_config.json", jsonx::print(services));
    // Services run as another user when the tests run as root.
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    std::filesystem::create_directories(root_ / "notes");
    std::filesystem::permissions(root_ / "notes", std::filesystem::perms(0777));
  }
  ~Ground() {
    // What the last server left running: only processes that carry the mark of this root.
    server_.reset();
    for (const int pid : children_) {
      if (pid > 1 && owns(pid)) ::kill(-pid, SIGKILL);
    }
  }

  void start(std::vector<std::string> options = {"--port", "0"}) {
    std::vector<std::string> argv{program_, "--root", root_.path().native()};
    argv.insert(argv.end(), options.begin(), options.end());
    server_.emplace(argv, std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=" + root_.path().native()});
    port_ = 0;
  }
  void kill() {
    server_->signal(SIGKILL);
    REQUIRE(server_->wait() == -SIGKILL);
  }
  void stop() {
    server_->signal(SIGTERM);
    CHECK(server_->wait(60s) == 0);
  }
  Program& server() { return *server_; }
  void use_program(std::string path) { program_ = std::move(path); }
  const std::filesystem::path& root() const { return root_.path(); }
  int port() {
    if (port_ == 0) port_ = server_->listening_port();
    return port_;
  }

  json::object status(std::string_view name) {
    const std::string target = "/process/service-status?process_name=" + text::percent_encode(name);
    return parsed(request(port(), "GET", target).body).as_object();
  }
  bool running(std::string_view name) { return jsonx::string_at(status(name), "state") == "running"; }
  int await_pid(std::string_view name) {
    REQUIRE(eventually([&] { return running(name); }));
    const int pid = status(name).at("pid").to_number<int>();
    children_.push_back(pid);
    return pid;
  }
  /// The first start is over: nothing of the boot starts a service any more.
  bool booted() {
    const Answer answer = request(port(), "GET", "/process/startup-status");
    return jsonx::string_at(parsed(answer.body).as_object(), "phase") == "ready";
  }
  bool adopted(std::string_view name) {
    const json::object now = status(name);
    const json::value* value = now.if_contains("adopted");
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  std::filesystem::path state_file(std::string_view slug) const {
    for (const auto& entry : std::filesystem::directory_iterator(root_ / "run/dumb")) {
      const std::string file = entry.path().filename();
      if (file.starts_with(std::string(slug) + "-") && file.ends_with(".child")) return entry.path();
    }
    return {};
  }
  std::size_t starts(std::string_view slug) const {
    const std::string text = read_text(root_ / ("notes/" + std::string(slug)));
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::string main_log() const {
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator(root_ / "log")) {
      if (entry.path().filename().native().starts_with("DUMB-")) text += read_text(entry.path());
    }
    return text;
  }
  /// A block of a service that notes each start, then does what `arguments` say.
  json::object block(std::string_view name, std::vector<std::string> arguments, bool own_file = true) {
    const std::string slug = text::slug(name);
    arguments.insert(arguments.begin(), {"--note", root_ / ("notes/" + slug)});
    json::object out = child_block(name, arguments);
    out["enabled"] = true;
    if (own_file) {
      out["log_file"] = "/log/" + slug + ".log";
      out["suppress_logging"] = true;
    }
    return out;
  }
  TempDir& directory() { return root_; }

 private:
  bool owns(int pid) const {
    std::error_code error;
    const auto target = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/fd/1", error);
    return !error && target.native().starts_with(root_.path().native());
  }

  TempDir root_;
  std::string program_ = DUMB_SERVER;
  std::optional<Program> server_;
  int port_ = 0;
  std::vector<int> children_;
};

/// `services`: what depends on the root.
struct Scene {
  template <class Make>
  explicit Scene(Make make) : ground(json::object()) {
    json::object services = make(ground);
    json::object& dumb = services["dumb"].emplace_object();
    dumb["frontend"].emplace_object()["enabled"] = false;
    dumb["log_size"] = "0";
    write_text(ground.root() / "config/dumb_config.json", jsonx::print(services));
  }
  Ground ground;
};

/// What is wrong with the numbers in a log, empty when each of them is there once and in order.
inline std::string fault_of_numbers(const std::filesystem::path& file) {
  std::ifstream in(file);
  long long expected = 1;
  for (std::string line; std::getline(in, line);) {
    const auto at = line.find(": number ");
    if (at == std::string::npos) {
      const auto last = line.find(": the last was ");
      if (last == std::string::npos) continue;
      const long long count = std::stoll(line.substr(last + 15));
      if (count != expected - 1)
        return "the last was " + std::to_string(count) + " after " + std::to_string(expected - 1);
      return {};
    }
    const long long number = std::stoll(line.substr(at + 9));
    if (number != expected) return "expected " + std::to_string(expected) + ", got " + std::to_string(number);
    ++expected;
  }
  return "no end after " + std::to_string(expected - 1);
}

inline bool ended(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  return text.find(": the last was ", text.size() > 200 ? text.size() - 200 : 0) != std::string::npos;
}

inline int rounds() {
  const char* text = std::getenv("DUMB_ADOPTION_ROUNDS");
  return text == nullptr ? 10 : std::max(1, std::atoi(text));
}

/// Zombies count as gone: whoever adopts orphans here may not be quick to reap them.
inline bool alive(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  const auto end = line.rfind(')');
  return end != std::string::npos && line.size() > end + 2 && line[end + 2] != 'Z' && line[end + 2] != 'X';
}

}  // namespace dumb::test
