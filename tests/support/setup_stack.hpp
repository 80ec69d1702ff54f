#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <dumb/setup/setup.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// Keeps what was logged, one "LEVEL text" per record.
class RecordingLog final : public Log {
 public:
  void write(Level level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    lines_ += std::string(level_name(level)) + " " + std::string(message) + "\n";
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::string lines_;
};

/// A root directory with a configuration, on which setup phases are run for real.
struct SetupStack {
  TempDir directory;
  std::filesystem::path root;
  std::filesystem::path host;
  std::optional<Root> prefix;  ///< the root as the phases know it; nullopt: `root`
  json::object document = catalog::Catalog::embedded().default_document();
  std::optional<catalog::Catalog> overlay;
  RecordingLog log;
  boost::asio::thread_pool workers{2};
  std::set<std::string> running;
  config::Environment environment{{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  /// Kept between phases as the manager would: generated members per process.
  std::map<std::string, json::object> generated;

  SetupStack() : root(directory / "r"), host(directory / "host") {
    // The service user must be able to enter.
    ::chmod(directory.path().c_str(), 0755);
    std::filesystem::create_directories(root);
    std::filesystem::create_directories(host / "etc");
    for (const char* name : {"usr", "bin", "tmp"})
      std::filesystem::create_symlink(std::string("/") + name, host / name);
  }
  ~SetupStack() { workers.join(); }

  void set(const std::string& pointer, json::value value) {
    jsonx::set(document, *jsonx::parse_pointer(pointer), std::move(value));
  }
  /// Adds a service whose step lists are the given JSON texts.
  void add_service(const std::string& configure, const std::string& post_start = "[]") {
    const std::string text =
        R"({"key": "pagemill", "config_path": "pagemill", "in_default_config": false, "display_name": "PageMill",
 "kind": "optional", "summary": "Renders reports.", "multi_instance": false, "process_name": "PageMill",
 "repo": {"owner": "acme", "name": "pagemill"}, "ports": [{"field": "port", "default": 4411}], "mounts": [],
 "command_from": "config", "toolchains": [], "preinstalled_in_image": false, "run_as": "service",
 "install": {"method": "system", "binary": "true"}, "version": {"read": {"source": "none"}},
 "dependencies": {"requires": [], "start_after": [], "hard_links": [], "soft_links": []},
 "debrid_providers": [], "shutdown": {"tier": "apps", "signal": "SIGTERM", "attempts": 3, "wait_seconds": 10},
 "health": {"port_fields": ["port"], "env_ports": []}, "logging": {"captured_to_log_file": true}, "ui": null,
 "updates": {"manual": false, "scheduled": false, "selectors": []},
 "links": {"repo_url": null, "static_url": null, "sponsorship_url": null}, "symlink_backup": false,
 "steps": {"configure": )" +
        configure + R"(, "post_start": )" + post_start + R"(},
 "defaults": {"enabled": false, "process_name": "PageMill", "port": 4411, "config_dir": "/pagemill",
  "config_file": "/pagemill/pagemill.json", "log_file": "/log/pagemill.log", "password": "hunter2secret",
  "command": ["/pagemill/pagemill", "--port", "{port}"], "env": {}, "list": ["a", "b c"]},
 "optional_keys": [], "also_accepted_keys": [], "test": {"real": "fixture"}})";
    write_text(directory / "catalog/pagemill.json", text);
    std::vector<Error> problems;
    auto loaded = catalog::Catalog::load(directory / "catalog", problems);
    for (const Error& problem : problems) UNSCOPED_INFO(problem.to_string());
    REQUIRE(problems.empty());
    REQUIRE(loaded);
    overlay.emplace(std::move(*loaded));
    json::object block = overlay->find("pagemill")->defaults;
    block["enabled"] = true;
    document["pagemill"] = std::move(block);
  }

  /// The test child where the service user can execute it.
  std::string child() {
    const std::filesystem::path copy = directory / "child";
    if (!std::filesystem::exists(copy)) std::filesystem::copy_file(test_child(), copy);
    return copy;
  }

  static bool is_root() { return ::geteuid() == 0; }

  setup::Context context(const std::string& process_name) {
    setup::Context context;
    context.catalog = overlay ? &*overlay : &catalog::Catalog::embedded();
    json::object effective = document;
    for (const auto& [name, members] : generated) {
      for (const config::BlockRef& ref : config::collect_blocks(document)) {
        if (ref.process_name != name) continue;
        for (const auto& [member, value] : members) {
          JsonPath path = ref.path;
          path.emplace_back(member);
          jsonx::set(effective, path, value);
        }
      }
    }
    context.config = std::make_shared<const config::Snapshot>(effective, document, 1);
    const config::BlockRef* block = context.config->find(process_name);
    REQUIRE(block != nullptr);
    context.block = *block;
    context.root = prefix.value_or(Root(root));
    context.host = Root(host);
    if (is_root()) context.service_user = supervisor::Identity{1000, 1000, {1000}};
    context.environment = environment;
    context.log = &log;
    context.workers = &workers;
    context.is_running = [this](std::string_view name) { return running.contains(std::string(name)); };
    context.private_directory = root / "run/dumb";
    return context;
  }

  using Phase = boost::asio::awaitable<Result<setup::Outcome>> (*)(setup::Context);
  /// Runs a phase to its end; with `cancel_after` it is cancelled then.
  Result<setup::Outcome> run(Phase phase, const std::string& process_name,
                             std::optional<std::chrono::milliseconds> cancel_after = {}) {
    namespace asio = boost::asio;
    asio::io_context control;
    asio::cancellation_signal stop;
    asio::steady_timer timer(control);
    std::optional<Result<setup::Outcome>> outcome;
    std::exception_ptr broken;
    asio::co_spawn(
        control, phase(context(process_name)),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr error, Result<setup::Outcome> done) {
          broken = error;
          outcome = std::move(done);
          timer.cancel();
        }));
    if (cancel_after) {
      timer.expires_after(*cancel_after);
      timer.async_wait([&](boost::system::error_code error) {
        if (!error) stop.emit(asio::cancellation_type::terminal);
      });
    }
    control.run();
    if (broken) std::rethrow_exception(broken);
    if (*outcome) generated[process_name] = (*outcome)->generated;
    return std::move(*outcome);
  }
  Result<setup::Outcome> configure(const std::string& process_name) {
    return run(&setup::configure, process_name);
  }
  Result<setup::Outcome> post_start(const std::string& process_name) {
    return run(&setup::post_start, process_name);
  }

  std::string text(const std::string& path) const { return read_text(root / path); }
  mode_t mode(const std::filesystem::path& path) const {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777U;
  }
  uid_t owner(const std::filesystem::path& path) const {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_uid;
  }
  /// Inode, times of change, mode and owner of everything below the root.
  std::map<std::string, std::string> stamps() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      struct stat info {};
      if (::lstat(entry.path().c_str(), &info) != 0) continue;
      out[entry.path().native()] = std::to_string(info.st_ino) + " " + std::to_string(info.st_mtim.tv_sec) +
                                   "." + std::to_string(info.st_mtim.tv_nsec) + " " +
                                   std::to_string(info.st_ctim.tv_sec) + "." +
                                   std::to_string(info.st_ctim.tv_nsec) + " " + std::to_string(info.st_mode) +
                                   " " + std::to_string(info.st_uid);
    }
    return out;
  }
};

}  // namespace dumb::test
