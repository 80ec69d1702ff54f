#include <fmt/format.h>
#include <boost/json.hpp>
#include <csignal>
#include <dumb/base/json.hpp>

#include "cli_stack.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

class Stack : public CliStack {
 public:
  Stack() : CliStack(config()) {}
  bool comes_up(const std::string& name) const {
    return eventually([&] { return run({"status", name}).out.find("running for") != std::string::npos; });
  }

 private:
  static std::string config() {
    return fmt::format(
        R"({{"dumb":{{"frontend":{{"enabled":false}}}},)"
        R"("talker":{{"process_name":"Tall Talker","enabled":true,"command":["{0}","--text","hello","--text","again"],)"
        R"("log_file":"/log/talker.log","env":{{"API_TOKEN":"geheim-geheim"}}}},)"
        R"("sleeper":{{"process_name":"Sleeper","enabled":false,"command":["{0}"]}},)"
        R"("crasher":{{"process_name":"Crasher","enabled":false,"command":["{0}","--error","no way","--exit","7"]}}}})",
        test_child());
  }
};

}  // namespace

TEST_CASE("the command line drives a running server", "[cli][API-20][API-33][API-36][API-39][API-42]") {
  const Stack stack;
  REQUIRE(stack.comes_up("talltalker"));
  const Ended listed = stack.run({"ps", "--all"});
  CHECK(listed.status == 0);
  CHECK_THAT(listed.out, ContainsSubstring("Tall Talker"));
  CHECK_THAT(listed.out, ContainsSubstring("disabled"));
  CHECK(listed.out.find('\x1b') == std::string::npos);
  CHECK(listed.err.empty());
  const Ended started = stack.run({"start", "Sleeper", "nobody"});
  CHECK(started.status == 4);
  CHECK_THAT(started.out, ContainsSubstring("Sleeper: started\n"));
  CHECK_THAT(started.err, ContainsSubstring("nobody"));
  CHECK(stack.run({"restart", "sleeper"}).out.find("Sleeper: restarted\n") != std::string::npos);
  CHECK(stack.run({"stop", "sleeper", "Tall Talker"}).status == 0);
  CHECK_THAT(stack.run({"status", "sleeper"}).out, ContainsSubstring("stopped"));
}

TEST_CASE("a service that fails to start is told with its reason and exit code 1", "[cli][API-31]") {
  const Stack stack;
  REQUIRE(
      stack.comes_up("Tall Talker"));  // the boot is over, which refuses starts while it prepares the machine
  const Ended failed = stack.run({"start", "Crasher"});
  CHECK(failed.status == 1);
  CHECK_THAT(failed.err, ContainsSubstring("Crasher"));
  CHECK_THAT(failed.err, ContainsSubstring("7"));
  const Ended json = stack.run({"start", "--json", "Crasher"});
  CHECK(json.status == 1);
  CHECK(jsonx::parse(json.out).value().at(0).at("ok") == false);
}

TEST_CASE("every listing has a JSON form", "[cli]") {
  const Stack stack;
  REQUIRE(stack.comes_up("Tall Talker"));
  CHECK(jsonx::parse(stack.run({"ps", "--json"}).out).value().is_array());
  CHECK(jsonx::parse(stack.run({"status", "--json", "Tall Talker"}).out).value().at("state") == "running");
  CHECK(jsonx::parse(stack.run({"capabilities", "--json"}).out).value().is_object());
  CHECK(jsonx::parse(stack.run({"version", "--json"}).out).value().at("server").is_string());
  CHECK(jsonx::parse(stack.run({"config", "show", "--json"}).out).value().is_object());
}

TEST_CASE("logs are printed and followed until the reader or the user has enough",
          "[cli][LIF-109][LIF-111]") {
  Stack stack;
  REQUIRE(stack.comes_up("Tall Talker"));
  REQUIRE(eventually([&] {
    return stack.run({"logs", "Tall Talker"}).out.find("again") != std::string::npos;
  }));
  CHECK_THAT(stack.run({"logs", "dumb"}).out, ContainsSubstring("Tall Talker subprocess: hello"));
  CHECK(stack.run({"logs", "-n", "1", "Tall Talker"}).out.find("hello") == std::string::npos);
  CHECK(stack.run({"logs", "nobody"}).status == 4);
  const auto follower = stack.begin({"logs", "-f", "-n", "0", "dumb"});
  const Ended restarted = stack.run({"restart", "Tall Talker"});
  CHECK(restarted.status == 0);
  CHECK(follower->prints("Tall Talker subprocess: hello"));
  follower->signal(SIGINT);
  CHECK(follower->wait() == -SIGINT);
  CHECK(follower->errors().empty());
}

TEST_CASE("settings are read, changed and saved through the server",
          "[cli][CFG-71][CFG-72][CFG-85][CFG-87][CFG-105]") {
  const Stack stack;
  const auto file = [&] { return test::read_text(stack.root() / "config/dumb_config.json"); };
  const Ended shown = stack.run({"config", "show", "Tall Talker"});
  CHECK(shown.status == 0);
  CHECK(shown.out.find("geheim") == std::string::npos);
  CHECK(stack.run({"config", "get", "talker.env.API_TOKEN"}).out == "geheim-geheim\n");
  const std::string before = file();
  CHECK(stack.run({"config", "set", "sleeper.log_level", "DEBUG", "--no-save"}).status == 0);
  CHECK(stack.run({"config", "get", "sleeper.log_level"}).out == "DEBUG\n");
  CHECK(file() == before);
  const Ended set = stack.run({"config", "set", "/dumb/ui/sidebar/compact_mode", "yes"});
  CHECK(set.out == "dumb.ui.sidebar.compact_mode: false -> true\n");
  CHECK(set.err.empty());
  CHECK_THAT(file(), ContainsSubstring("compact_mode"));
  const Ended bad = stack.run({"config", "set", "zilean.port", "99999"});
  CHECK(bad.status == 1);
  CHECK_THAT(bad.err, ContainsSubstring("port"));
  CHECK(stack.run({"config", "get", "no.such.thing"}).status == 4);
  CHECK(stack.run({"config", "validate", (stack.root() / "config/dumb_config.json").native()}).status == 0);
}

TEST_CASE("the health check works beside the server and without it", "[cli][LIF-120]") {
  Stack stack;
  REQUIRE(stack.comes_up("Tall Talker"));
  const std::vector<std::string> words{"healthcheck", "--root", stack.root().path().native()};
  CHECK(eventually([&] { return stack.run(words).status == 0; }));
  stack.server().signal(SIGTERM);
  REQUIRE(stack.server().wait() == 0);
  const Ended after = stack.run(words);
  CHECK(after.status == 1);
  CHECK(after.err == "the server is shutting down\n");
}

TEST_CASE("without a server there is exit code 3", "[cli]") {
  const std::vector<std::string> environment{"PATH=/usr/bin:/bin"};
  Program program({DUMB_CLI, "--url", fmt::format("http://127.0.0.1:{}", free_port()), "ps"}, environment);
  CHECK(program.wait() == 3);
  CHECK_THAT(program.errors(), ContainsSubstring("no server at http://127.0.0.1:"));
  CHECK_THAT(program.errors(), ContainsSubstring("--url"));
}
