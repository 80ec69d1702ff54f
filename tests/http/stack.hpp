#pragma once

#include <boost/json/object.hpp>
#include <dumb/engine/engine.hpp>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "api.hpp"
#include "harness.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// A block of a custom service that runs dumb-test-child with `arguments`; disabled, so that boot leaves it
/// alone.
json::object child_block(std::string_view process_name, const std::vector<std::string>& arguments);

/// A whole server in this process: engine, API and listener over a scratch root that holds nothing but the
/// services of the test.
class Stack {
 public:
  /// `services`: further top-level members of the configuration, by key. `catalog`: services that replace
  /// those of the catalogue, by key.
  explicit Stack(const json::object& services, const std::vector<std::string>& allowed_hosts = {},
                 const json::object& catalog = {}, server::Limits limits = {});
  ~Stack();

  int port() const { return port_; }
  server::HttpServer::Statistics statistics();
  /// Returns when the listener has ended all connections.
  void stop_serving();
  Loop& loop() { return loop_; }
  engine::Engine& engine() { return *engine_; }
  const std::vector<server::Route>& routes() const { return api_->table().routes(); }
  const TempDir& root() const { return root_; }
  /// The configuration file as it is on disk.
  json::value stored() const;

  Answer get(std::string_view target) { return request(port_, "GET", target); }
  Answer post(std::string_view target, std::string_view body) { return request(port_, "POST", target, body); }
  /// POST of `{"process_name": name}`.
  Answer operate(std::string_view operation, std::string_view process_name);
  /// The same on a thread of its own.
  std::future<Answer> operate_later(std::string_view operation, std::string_view process_name);
  /// `state` of the process (LIF-2).
  std::string state(std::string_view process_name);
  void begin_shutdown();

 private:
  TempDir root_;
  Loop loop_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<server::Api> api_;
  std::unique_ptr<server::HttpServer> http_;
  int port_ = 0;
};

/// `document` with what differs from run to run replaced by its kind: process ids and times by 0, texts that
/// hold the path of the root or of the test program by "PATH", the port by 0.
json::value steady(const json::value& document, const Stack& stack);

}  // namespace dumb::test
