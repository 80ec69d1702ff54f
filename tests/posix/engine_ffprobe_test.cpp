#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <dumb/catalog/catalog.hpp>
#include <dumb/engine/engine.hpp>
#include <filesystem>

#include "engine/ffprobe_watch_asio.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/config_bench.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::engine;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// A service with a child named ffprobe that sleeps, and a program that notes what it was asked to read. A
/// process in state D cannot be made at will, so an ordinary sleep, S, counts here.
struct Bench {
  test::TempDir dir;
  asio::io_context context;
  asio::thread_pool workers{1};
  test::LogCapture log;
  FfprobeSettings settings;
  FfprobeWatch watch;
  supervisor::Child service;
  asio::cancellation_signal stop;
  bool ended = false;
  bool running = true;

  Bench() {
    // An interpreter would give the process its own name; a copy of a program keeps the file's.
    std::filesystem::copy_file(test::test_child(), dir / "ffprobe");
    write_program("#!/bin/sh\nprintf '%s|' \"$@\" >> " + (dir / "asked").native() + "\necho >> " +
                  (dir / "asked").native() + "\n");
    // The service itself: a shell that stays the parent of its ffprobe.
    supervisor::LaunchSpec spec;
    spec.argv = {"/bin/sh", "-c", (dir / "ffprobe").native() + " --text '/mnt/a film.mkv' & wait"};
    spec.env = {"PATH=/usr/bin:/bin"};
    service = *supervisor::spawn(spec);
    settings.interval = 20ms;
    settings.min_age = 0ms;
    settings.program = dir / "reader";
    watch.workers = &workers;
    watch.log = &log;
    watch.settings = [this] { return settings; };
    watch.targets = [this] {
      std::vector<FfprobeTarget> targets;
      if (running) targets.push_back({"Sonarr", service.pid});
      return targets;
    };
    watch.launch = [] {
      supervisor::LaunchSpec launch;
      launch.env = {"PATH=/usr/bin:/bin"};
      launch.directory = "/";
      return launch;
    };
    watch.state = 'S';
  }
  ~Bench() {
    end();
    ::kill(-service.pid, SIGKILL);
    test::eventually([&] { return supervisor::try_wait(service).has_value(); });
    workers.join();
  }
  void write_program(const std::string& text, const std::string& name = "reader") {
    test::write_text(dir / name, text);
    std::filesystem::permissions(dir / name, std::filesystem::perms(0755));
  }
  void begin() {
    auto done = [this](std::exception_ptr) { ended = true; };
    asio::co_spawn(context, watch_ffprobe(watch), asio::bind_cancellation_slot(stop.slot(), std::move(done)));
    begun = true;
  }
  void end() {
    if (!begun) return;
    stop.emit(asio::cancellation_type::terminal);
    CHECK(test::run_until(context, [&] { return ended; }));
    begun = false;
  }
  std::string asked() const {
    return std::filesystem::exists(dir / "asked") ? test::read_text(dir / "asked") : std::string();
  }
  bool begun = false;
};

}  // namespace

TEST_CASE("the input of a hanging ffprobe is read by the configured program", "[engine][LIF-131]") {
  Bench b;
  b.begin();
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("succeeded"); }));
  CHECK(b.asked() == "-v|quiet|-print_format|json|-show_format|-show_streams|/mnt/a film.mkv|\n");
  CHECK(b.log.contains("the ffprobe monitor watches Sonarr"));
  // Not again within the interval between two reads of a path, then again.
  b.settings.min_poke_interval = 1ms;
  REQUIRE(test::run_until(b.context, [&] { return b.asked().size() > 100; }));
}

TEST_CASE("the ffprobe monitor follows its configuration while it runs", "[engine][LIF-131][LIF-136]") {
  Bench b;
  b.settings.enabled = false;
  b.begin();
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("the ffprobe monitor is off"); }));
  CHECK(b.asked().empty());
  b.settings.enabled = true;
  REQUIRE(test::run_until(b.context, [&] { return !b.asked().empty(); }));
  b.running = false;
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("idle: no sonarr or radarr runs"); }));
}

TEST_CASE("an ffprobe monitor with nothing to watch sleeps until something changes", "[engine][LIF-131]") {
  Bench b;
  std::size_t looks = 0;
  b.watch.settings = [&] {
    ++looks;
    return b.settings;
  };
  b.watch.changes = std::make_shared<asio::steady_timer>(b.context);
  b.running = false;
  b.settings.interval = 1ms;
  b.begin();
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("idle: no sonarr or radarr runs"); }));
  const std::size_t before = looks;
  const auto later = std::chrono::steady_clock::now() + 50ms;
  REQUIRE(test::run_until(b.context, [&] { return std::chrono::steady_clock::now() > later; }));
  CHECK(looks < before + 5);  // the round that found it idle may still have been under way
  b.running = true;
  b.watch.changes->cancel();
  REQUIRE(test::run_until(b.context, [&] { return !b.asked().empty(); }));
  b.settings.enabled = false;
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("the ffprobe monitor is off"); }));
}

TEST_CASE("a read that fails or takes too long is reported and does not end the monitor",
          "[engine][LIF-131][LIF-136]") {
  Bench b;
  b.settings.min_poke_interval = 0ms;
  b.settings.program = b.dir / "missing";
  b.begin();
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("cannot execute the program"); }));
  b.write_program("#!/bin/sh\nexit 3\n");
  b.settings.program = b.dir / "reader";
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("ended with exit code 3"); }));
  b.settings.poke_timeout = 50ms;
  b.write_program("#!/bin/sh\nexec sleep 600\n", "slow");
  b.settings.program = b.dir / "slow";
  REQUIRE(test::run_until(b.context, [&] { return b.log.contains("did not end in time"); }));
  CHECK(b.log.contains("/mnt/a film.mkv"));
}

TEST_CASE("ending the ffprobe monitor kills its reads and waits for their end",
          "[engine][LIF-131][LIF-136]") {
  Bench b;
  b.write_program("#!/bin/sh\necho $$ > " + (b.dir / "pid").native() + "\nexec sleep 600\n");
  b.begin();
  const auto pid = [&]() -> pid_t {
    std::error_code ignored;
    if (std::filesystem::file_size(b.dir / "pid", ignored) < 2 || ignored) return 0;
    return std::stoi(test::read_text(b.dir / "pid"));
  };
  REQUIRE(test::run_until(b.context, [&] { return pid() != 0; }));
  const pid_t reader = pid();
  REQUIRE(supervisor::read_stat(reader));
  b.end();
  CHECK_FALSE(supervisor::read_stat(reader));  // reaped: no zombie either
  CHECK_FALSE(b.log.contains("left behind"));
}

TEST_CASE("the scan of /proc sees parents, states and ages and reads what is named ffprobe",
          "[engine][LIF-131]") {
  Bench b;
  std::optional<SeenProcess> found;
  const auto look = [&] {
    const auto table = scan_for_ffprobe('S');
    REQUIRE(table);
    for (const SeenProcess& process : *table) {
      if (process.parent == b.service.pid && process.name == "ffprobe") found = process;
    }
    return found.has_value();
  };
  REQUIRE(test::eventually(look));
  CHECK(found->argv == std::vector<std::string>{(b.dir / "ffprobe").native(), "--text", "/mnt/a film.mkv"});
  CHECK(found->state == 'S');
  CHECK(found->age < 1min);
  const auto table = scan_for_ffprobe('D');
  REQUIRE(table);
  for (const SeenProcess& process : *table) {
    if (process.pid == found->pid) CHECK(process.name.empty());
  }
}

TEST_CASE("the engine watches its running sonarr and follows the configuration",
          "[engine][LIF-131][LIF-136]") {
  test::TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  json::object service = catalog::Catalog::embedded().find("sonarr")->raw;
  service["command_from"] = "config";
  service["install"] = json::object{{"method", "builtin"}};
  service["steps"] = json::object{{"configure", json::array()}, {"post_start", json::array()}};
  test::write_text(dir / "catalog/sonarr.json", jsonx::print(service));
  json::object file;
  file["puid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::geteuid());
  file["pgid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::getegid());
  jsonx::set(file, {"dumb", "api_service", "port"}, test::free_port());
  jsonx::set(file, {"dumb", "frontend", "enabled"}, false);
  jsonx::set(file, {"dumb", "ffprobe_monitor", "interval_sec"}, 1);
  json::object block;
  block["enabled"] = true;
  block["process_name"] = "Sonarr Main";
  block["command"] = json::array{test::test_child()};
  block["port"] = test::free_port();
  jsonx::set(file, {"sonarr", "instances", "Main"}, block);
  test::write_text(dir / "config/dumb_config.json", jsonx::print(file));
  std::filesystem::create_directories(dir / "sonarr/default");
  asio::io_context context;
  engine::Options options;
  options.root = Root(dir.path());
  options.catalog_directory = "/catalog";
  options.environment = {{"PATH", "/usr/bin:/bin"}};
  options.log_to_standard_output = false;
  options.immediate_exit_watch = 100ms;
  auto engine = engine::Engine::open(context, std::move(options));
  REQUIRE(engine);
  test::run(context, (*engine)->boot());
  const auto logged = [&](std::string_view part) {
    return test::run_until(context, [&] {
      engine::LogQuery query;
      query.process_name = "DUMB API";
      const auto chunk = test::run(context, (*engine)->logs(query));
      return chunk && chunk->chunk.find(part) != std::string::npos;
    });
  };
  CHECK(logged("the ffprobe monitor watches Sonarr Main"));
  REQUIRE(test::run(context, (*engine)->stop("Sonarr Main")));
  CHECK(logged("the ffprobe monitor is idle: no sonarr or radarr runs"));
  engine::ConfigUpdate update;
  jsonx::set(update.updates, {"dumb", "ffprobe_monitor", "enabled"}, false);
  REQUIRE(test::run(context, (*engine)->update_config(update)));
  CHECK(logged("the ffprobe monitor is off"));
  test::run(context, (*engine)->shutdown());
}
