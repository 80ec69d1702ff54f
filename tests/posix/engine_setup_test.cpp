// Setups of many services at once share their places.
#include <boost/asio/co_spawn.hpp>
#include <dumb/base/text.hpp>
#include <set>
#include <thread>

#include "engine_scratch.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Scratch;

namespace {

/// Services whose setup writes its name and waits for the file "go".
struct Setups {
  Scratch s;
  const std::size_t places = std::max(4U, std::thread::hardware_concurrency());
  std::vector<std::string> names;

  Setups() {
    const std::filesystem::path shared = s.dir / "shared";
    std::filesystem::create_directories(shared);
    std::filesystem::permissions(shared, std::filesystem::perms(0777));
    json::object service = catalog::Catalog::embedded().find("sonarr")->raw;
    const std::string script =
        "cd " + shared.native() +
        "; echo \"begin $1\" >> log; while [ ! -e go ]; do sleep 0.02; done; echo \"end $1\" >> log";
    json::object run;
    run["do"] = "run";
    run["argv"] = json::array{"/bin/sh", "-c", json::string(script), "setup", "{process_name}"};
    service["steps"] = json::object{{"configure", json::array{run}}, {"post_start", json::array()}};
    service["command_from"] = "config";
    service["install"] = json::object{{"method", "builtin"}};
    test::write_text(s.dir / "catalog/sonarr.json", jsonx::print(service));
    s.overlaid = true;
    auto file = Scratch::document();
    for (std::size_t i = 0; i < places + 4; ++i) {
      names.push_back("Sonarr " + std::to_string(i));
      json::object block = Scratch::custom({});
      block["process_name"] = names.back();
      block["port"] = test::free_port();
      block["config_dir"] = "/shared";
      jsonx::set(file, {"sonarr", "instances", "I" + std::to_string(i)}, block);
    }
    REQUIRE(s.open(file));
  }
  std::vector<std::string> log() const {
    const auto path = s.dir / "shared/log";
    if (!std::filesystem::exists(path)) return {};
    std::vector<std::string> lines = text::split(test::read_text(path), '\n');
    lines.pop_back();
    return lines;
  }
  void go() const {
    test::write_text(s.dir / "shared/go", "");
    std::filesystem::permissions(s.dir / "shared/go", std::filesystem::perms(0644));
  }
};

}  // namespace

TEST_CASE("no more setups run at once than there are places, and a queued one is called off at once",
          "[engine][LIF-37][LIF-4]") {
  Setups t;
  bool booted = false;
  asio::co_spawn(t.s.context, t.s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  REQUIRE(test::run_until(t.s.context, [&] { return t.log().size() == t.places; }));
  std::set<std::string> begun;
  for (const std::string& line : t.log()) begun.insert(line.substr(6));
  std::string queued;
  for (const std::string& name : t.names) {
    CHECK(t.s.state(name) == "setting_up");
    if (!begun.contains(name)) queued = name;
  }
  REQUIRE_FALSE(queued.empty());
  REQUIRE(t.s.run(t.s.engine->stop(queued)));  // while every place is still taken
  CHECK(t.s.state(queued) == "stopped");
  CHECK(t.log().size() == t.places);
  t.go();
  REQUIRE(test::run_until(t.s.context, [&] { return booted; }));
  std::size_t open = 0;
  std::size_t most = 0;
  for (const std::string& line : t.log()) {
    line.starts_with("begin") ? ++open : --open;
    most = std::max(most, open);
  }
  CHECK(open == 0);
  CHECK(most == t.places);
  CHECK(t.log().size() == 2 * (t.names.size() - 1));
  for (const std::string& name : t.names) {
    CHECK(t.s.state(name) == (name == queued ? "stopped" : "running"));
  }
  REQUIRE(t.s.run(t.s.engine->start(queued)));  // the place it never had is not missed
  CHECK(t.s.state(queued) == "running");
  t.s.run(t.s.engine->shutdown());
}

TEST_CASE("a shutdown while setups are queued ends them all", "[engine][LIF-37][LIF-136]") {
  Setups t;
  bool booted = false;
  asio::co_spawn(t.s.context, t.s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  REQUIRE(test::run_until(t.s.context, [&] { return t.log().size() == t.places; }));
  t.s.run(t.s.engine->shutdown());
  CHECK(booted);
  CHECK(t.log().size() == t.places);
  for (const std::string& name : t.names) CHECK(t.s.state(name) == "stopped");
}
