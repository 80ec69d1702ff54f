#pragma once

#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/engine/engine.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// A stack in a scratch root, described by the blocks a test adds to an otherwise default file.
struct Scratch {
  test::TempDir dir;
  boost::asio::io_context context;
  std::unique_ptr<engine::Engine> engine;
  std::chrono::milliseconds self_check{60'000};
  std::chrono::milliseconds api_wait_limit{600'000};
  config::Environment environment{{"PATH", "/usr/bin:/bin"}, {"GREETING", "hello"}};
  std::chrono::seconds backup_catch_up{300};
  std::chrono::milliseconds usage_interval{2'000};
  std::chrono::milliseconds onboarding_patience{30'000};
  std::chrono::milliseconds immediate_exit_watch{500};
  bool overlaid = false;
  bool strict_start = false;

  static json::object custom(std::vector<std::string> arguments) {
    json::object block;
    block["enabled"] = true;
    json::array command;
    command.emplace_back(test::test_child());
    for (const std::string& argument : arguments) command.emplace_back(argument);
    block["command"] = std::move(command);
    return block;
  }
  static json::object document() {
    json::object file;
    file["puid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::geteuid());
    file["pgid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::getegid());
    jsonx::set(file, {"dumb", "api_service", "port"}, test::free_port());
    jsonx::set(file, {"dumb", "frontend", "enabled"}, false);
    jsonx::set(file, {"dumb", "startup", "stabilization_seconds"}, 0);
    return file;
  }
  void add(json::object& file, const std::string& key, const std::string& name, json::object block) {
    block["process_name"] = name;
    if (!block.contains("log_file")) block["log_file"] = "/log/" + key + ".log";
    file[key] = std::move(block);
  }
  /// Replaces a service of the catalogue by one that runs the command of its block after these steps.
  void overlay(const std::string& key, const std::string& configure = "[]",
               const std::string& post_start = "[]") {
    json::object service = catalog::Catalog::embedded().find(key)->raw;
    json::object steps;
    steps["configure"] = *jsonx::parse(configure);
    steps["post_start"] = *jsonx::parse(post_start);
    service["steps"] = std::move(steps);
    service["command_from"] = "config";
    test::write_text(dir / ("catalog/" + key + ".json"), jsonx::print(service));
    overlaid = true;
  }
  /// Makes the overlaid service `key` of the document run the test child.
  static json::object& child_of(json::object& file, const std::string& key,
                                std::vector<std::string> arguments) {
    json::object block = catalog::Catalog::embedded().find(key)->defaults;
    for (auto& [name, value] : custom(std::move(arguments))) block[name] = value;
    block["config_dir"] = "/";
    if (block.contains("port")) block["port"] = test::free_port();
    file[key] = std::move(block);
    return file[key].as_object();
  }
  Result<void> open(const json::object& file) {
    // A child of another user must be able to enter the root.
    std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
    test::write_text(dir / "config/dumb_config.json", jsonx::print(file));
    engine::Options options;
    options.root = Root(dir.path());
    options.environment = environment;
    options.log_to_standard_output = false;
    options.immediate_exit_watch = immediate_exit_watch;
    options.self_check_interval = self_check;
    options.api_wait_limit = api_wait_limit;
    options.strict_start = strict_start;
    options.backup_catch_up = backup_catch_up;
    options.usage_interval = usage_interval;
    options.onboarding_patience = onboarding_patience;
    if (overlaid) options.catalog_directory = "/catalog";
    auto opened = engine::Engine::open(context, std::move(options));
    if (!opened) return opened.error();
    engine = std::move(*opened);
    return {};
  }
  template <class T>
  auto run(boost::asio::awaitable<T> task) {
    return test::run(context, std::move(task));
  }
  /// Boots, and waits until the first start counts as done (LIF-31).
  void boot() {
    run(engine->boot());
    if (!test::run_until(context, [this] { return engine->startup_status().terminal; }))
      throw std::runtime_error("the first start did not end");
  }
  std::string state(std::string_view name) { return engine->status(name)->state; }
  std::string log(const std::string& file) { return test::read_text(dir / ("log/" + file)); }
  std::string main_log() {
    engine::LogQuery query;
    query.process_name = "DUMB API";
    return run(engine->logs(query))->chunk;
  }
  std::string file_text() { return test::read_text(dir / "config/dumb_config.json"); }
};

}  // namespace dumb::test
