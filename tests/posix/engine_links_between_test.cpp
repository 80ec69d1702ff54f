// Services that run are linked to each other beside their starts.
#include <boost/json.hpp>

#include "engine_scratch.hpp"
#include "support/fake_arr.hpp"

using namespace dumb;
using test::FakeArr;
using test::Scratch;

namespace {

/// Sonarr and Decypharr, both as children that need no setup.
void place(Scratch& s) {
  constexpr const char* link = R"([{"do": "arr-link", "consumer": "any"}])";
  for (const char* key : {"sonarr", "decypharr"}) {
    json::object service = catalog::Catalog::embedded().find(key)->raw;
    service["steps"] = json::object{{"configure", json::array()}, {"post_start", *jsonx::parse(link)}};
    service["command_from"] = "config";
    service["install"] = json::object{{"method", "builtin"}};
    service["health"] = *jsonx::parse(R"({"port_fields": [], "env_ports": []})");
    test::write_text(s.dir / (std::string("catalog/") + key + ".json"), jsonx::print(service));
  }
  s.overlaid = true;
  json::object file = Scratch::document();
  Scratch::child_of(file, "decypharr", {})["enabled"] = false;
  json::object sonarr = catalog::Catalog::embedded().find("sonarr")->defaults;
  for (auto& [name, value] : Scratch::custom({})) sonarr[name] = value;
  sonarr["port"] = test::free_port();
  sonarr["core_service"] = "decypharr";
  sonarr["config_dir"] = "/";
  sonarr["config_file"] = "/sonarr/config.xml";
  sonarr["log_file"] = "/log/sonarr.log";
  jsonx::set(file, {"sonarr", "instances", "Default"}, sonarr);
  test::write_text(s.dir / "sonarr/config.xml", "<Config><ApiKey>ARRKEY</ApiKey></Config>");
  REQUIRE(s.open(file));
}

/// Sonarr runs and Decypharr is started beside it. Sonarr's port is that of `arr` only now: before its start
/// it would have been found taken.
void start(Scratch& s, const FakeArr& arr) {
  s.run(s.engine->boot());
  engine::ConfigUpdate move;
  move.process_name = "Sonarr";
  move.updates["port"] = arr.port();
  REQUIRE(s.run(s.engine->update_config(move)));
  REQUIRE(s.run(s.engine->start("Decypharr")));
  CHECK(s.state("Sonarr") == "running");
  CHECK(s.state("Decypharr") == "running");
}

}  // namespace

TEST_CASE("instances are linked whichever starts last, and nobody waits for it",
          "[engine][SVC-19][SVC-161]") {
  const auto arr = std::make_unique<FakeArr>("ARRKEY");
  Scratch s;
  place(s);
  start(s, *arr);
  REQUIRE(test::run_until(s.context, [&] { return arr->list("/downloadclient").size() == 1; }));
  CHECK(arr->list("/rootfolder").size() == 1);
  CHECK(s.main_log().find("ARRKEY") == std::string::npos);
  s.run(s.engine->shutdown());
}

TEST_CASE("a link that cannot be made is a warning, and ends with the stop of its service",
          "[engine][SVC-19][SVC-161][SVC-21]") {
  const auto arr = std::make_unique<FakeArr>("OTHER");
  Scratch s;
  place(s);
  start(s, *arr);
  REQUIRE(test::run_until(s.context, [&] {
    return s.main_log().find("Sonarr could not be linked to decypharr") != std::string::npos;
  }));
  CHECK(s.state("Sonarr") == "running");
  REQUIRE(s.run(s.engine->stop("Sonarr")));
  CHECK(s.state("Sonarr") == "stopped");
  s.run(s.engine->shutdown());  // would wait for what is left of the linking
}
