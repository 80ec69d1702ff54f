#include <fmt/format.h>

#include <boost/json.hpp>
#include <csignal>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;
using engine::Event;

namespace {

std::vector<Event> events_in(const std::string& output) {
  std::vector<Event> events;
  for (const std::string& line : text::split(output.substr(0, output.rfind('\n')), '\n')) {
    const auto value = jsonx::parse(line);
    REQUIRE(value);
    const auto event = codec::from_json<Event>(*value);
    REQUIRE(event);
    events.push_back(*event);
  }
  return events;
}

}  // namespace

TEST_CASE("events are followed over a server that is killed and one that is stopped",
          "[server][cli][LIF-152][LIF-153][LIF-157][LIF-158]") {
  const TempDir root;
  std::filesystem::permissions(root.path(), std::filesystem::perms(0755));
  // It ends at once, so that nothing outlives the server.
  write_text(
      root / "config/dumb_config.json",
      fmt::format(R"({{"dumb":{{"frontend":{{"enabled":false}}}},)"
                  R"("crasher":{{"process_name":"Crasher","enabled":true,"command":["{}","--exit","7"]}}}})",
                  test_child()));
  const std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HOME=" + root.path().native()};
  const int port = free_port();
  const auto serve = [&] {
    return std::make_unique<Program>(
        std::vector<std::string>{DUMB_SERVER, "--root", root.path().native(), "--port", std::to_string(port)},
        environment);
  };
  auto server = serve();
  REQUIRE(server->prints("listening on"));
  Program follower({DUMB_CLI, "--url", fmt::format("http://127.0.0.1:{}", port), "events", "-f", "--json"},
                   environment);
  const auto told_times = [&](std::string_view what) {
    const std::string output = follower.output();
    std::size_t times = 0;
    for (auto at = output.find(what); at != std::string::npos; at = output.find(what, at + 1)) ++times;
    return times;
  };
  constexpr std::string_view crashed = R"("exit":"exit code 7")";
  REQUIRE(eventually([&] { return told_times(crashed) == 1; }));
  server->signal(SIGKILL);
  CHECK(server->wait() == -SIGKILL);
  server = serve();
  REQUIRE(eventually([&] { return told_times(crashed) == 2; }));
  server->signal(SIGTERM);
  CHECK(server->wait() == 0);
  server = serve();
  REQUIRE(eventually([&] { return told_times(crashed) == 3; }));
  // Told by this server if the one before was gone too soon.
  CHECK(told_times("shut down in") == 1);
  follower.signal(SIGTERM);
  follower.wait();
  server->signal(SIGTERM);
  CHECK(server->wait() == 0);

  const std::vector<Event> events = events_in(follower.output());
  std::vector<std::string> beginnings;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i > 0) CHECK(events[i].seq > events[i - 1].seq);
    if (events[i].previous || !events[i].process_name.empty()) continue;
    CHECK(events[i].cause == "boot");
    CHECK(events[i].pid);
    beginnings.push_back(events[i].reason.value_or(""));
    // Only the run that was killed leaves a gap.
    if (i > 0) CHECK((events[i].seq == events[i - 1].seq + 1) == (beginnings.size() == 3));
  }
  REQUIRE(beginnings.size() == 3);
  CHECK_THAT(beginnings[0], !ContainsSubstring("did not end by a shutdown"));
  CHECK_THAT(beginnings[1], ContainsSubstring("did not end by a shutdown"));
  CHECK_THAT(beginnings[2], !ContainsSubstring("did not end by a shutdown"));
}
