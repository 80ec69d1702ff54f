// The level of a service's own file follows the configuration while the service runs.
#include "engine_scratch.hpp"

using namespace dumb;
using test::Scratch;

namespace {

/// Says something of every level each time it is told so.
json::object talker(const std::filesystem::path& directory) {
  json::object block;
  block["enabled"] = true;
  const std::string file = (directory / "say-").native();
  block["command"] = json::array{
      "/bin/sh", "-c",
      "for n in 1 2 3; do until test -e " + file +
          "$n; do sleep 0.02; done; echo DEBUG quiet $n; echo ERROR loud $n; done; exec sleep 600"};
  return block;
}

}  // namespace

TEST_CASE("a changed log_level acts on the file of a running service at once", "[engine][LIF-103][CFG-34]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", talker(s.dir.path()));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  const auto pid = s.engine->status("Svc")->pid;
  const auto say = [&](const char* number) {
    test::write_text(s.dir / (std::string("say-") + number), "");
    const std::string last = std::string("loud ") + number;
    REQUIRE(test::run_until(s.context, [&] {
      return std::filesystem::exists(s.dir / "log/svc.log") &&
             s.log("svc.log").find(last) != std::string::npos;
    }));
  };
  say("1");
  CHECK_THAT(s.log("svc.log"), !ContainsSubstring("quiet"));
  engine::ConfigUpdate update;
  update.process_name = "Svc";
  update.updates["log_level"] = "DEBUG";
  REQUIRE(s.run(s.engine->update_config(update)));
  say("2");
  CHECK_THAT(s.log("svc.log"), ContainsSubstring("quiet 2") && !ContainsSubstring("quiet 1"));
  file["svc"].as_object()["log_level"] = "ERROR";
  test::write_text(s.dir / "config/dumb_config.json", jsonx::print(file));
  REQUIRE(s.engine->reload());
  say("3");
  CHECK_THAT(s.log("svc.log"), !ContainsSubstring("quiet 3"));
  CHECK(s.engine->status("Svc")->pid == pid);
  s.run(s.engine->shutdown());
}
