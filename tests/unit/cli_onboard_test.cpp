#include <dumb/base/codec.hpp>

#include "cli/src/onboard_text.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;

namespace {

constexpr std::string_view cores = R"({"core_services": [
  {"name": "CLID", "key": "cli_debrid", "dependencies": ["zurg", "rclone"], "description": "A collector\nhttps://x/y",
   "debrid_providers": ["RealDebrid"], "service_options": {"cli_debrid": {"port": 5000}},
   "service_option_descriptions": {"cli_debrid": {"port": "TCP port"}}, "supports_instances": false},
  {"name": "Decypharr", "key": "decypharr", "dependencies": ["rclone"], "description": "D",
   "debrid_providers": ["RealDebrid", "TorBox"], "service_options": {}, "service_option_descriptions": {}},
  {"name": "Sonarr", "key": "sonarr", "dependencies": [], "description": "S", "debrid_providers": [],
   "service_options": {}, "service_option_descriptions": {}, "supports_instances": true}]})";
constexpr std::string_view plan =
    R"({"steps": [{"process_name": "PostgreSQL", "service": "clid", "action": "keep"},
  {"process_name": "CLI Debrid", "service": "clid", "action": "start"}],
  "changes": ["/cli_debrid/enabled", "/zurg/instances/CLID"], "errors": [], "warnings": [],
  "port_changes": [{"process_name": "Zurg w/ CLID", "field": "port", "from": 9090, "to": 9091}]})";
constexpr std::string_view good = R"({"results": [{"service": "clid", "status": "started"}], "errors": []})";

void serve(CliProgram& program, std::string_view reply = good) {
  program.answer("GET /process/core-services", std::string(cores));
  program.answer("POST /process/onboarding-plan", std::string(plan));
  program.answer("POST /process/start-core-service", std::string(reply));
}

std::vector<std::string> posted(const CliProgram& program) {
  std::vector<std::string> out;
  for (const http::Request& request : program.requests) {
    if (request.method == "POST") out.push_back(request.url.target + " " + request.body);
  }
  return out;
}

}  // namespace

TEST_CASE("onboard shows the plan, starts, and tells what became of it", "[cli][onboarding][ONB-6]") {
  CliProgram program;
  serve(program);
  program.system.environment["DUMB_DEBRID_KEY"] = "sesame-open";
  CHECK(program.run({"onboard", "clid", "--option", "zurg.port=9194", "--option", "rclone.log_level=DEBUG",
                     "--with", "zilean"}) == 0);
  const std::string body =
      R"({"core_services":[{"name":"clid","debrid_service":["RealDebrid"],"debrid_key":["sesame-open"],)"
      R"("service_options":{"zurg":{"port":9194},"rclone":{"log_level":"DEBUG"}}}],)"
      R"("optional_services":["zilean"],"optional_service_options":{}})";
  CHECK(posted(program) ==
        std::vector<std::string>{"/process/onboarding-plan " + body, "/process/start-core-service " + body});
  CHECK(program.out ==
        "  1. runs    PostgreSQL  (clid)\n"
        "  2. start   CLI Debrid  (clid)\n"
        "2 changes of the configuration:\n"
        "  /cli_debrid/enabled\n"
        "  /zurg/instances/CLID\n"
        "  port of Zurg w/ CLID is taken: 9090 becomes 9091\n"
        "clid: started\n");
  CHECK(program.err.empty());
  CHECK(program.out.find("sesame") == std::string::npos);
}

TEST_CASE("a dry run of onboard starts nothing", "[cli][onboarding]") {
  CliProgram program;
  serve(program);
  program.input = "key-one\n\n key-two \n";
  CHECK(program.run({"onboard", "decypharr", "--provider", "TorBox", "--provider", "RealDebrid", "--key-file",
                     "-", "--dry-run"}) == 0);
  REQUIRE(posted(program).size() == 1);
  CHECK(posted(program)[0].find(
            R"("debrid_service":["TorBox","RealDebrid"],"debrid_key":["key-one","key-two"])") !=
        std::string::npos);
}

TEST_CASE("services that fail are told on standard error, with status 1", "[cli][onboarding][ONB-8]") {
  CliProgram program;
  serve(program,
        R"({"results": [], "errors": [{"service": "clid", "error": "Zurg w/ CLID: ended", "stage": "launch",
    "process_name": "Zurg w/ CLID", "not_started": ["CLI Debrid"]}], "warnings": [{"service": "clid", "warning": "hm"}]})");
  CHECK(program.run({"onboard", "clid"}) == 1);
  CHECK(program.out.ends_with("warning: clid: hm\n"));
  CHECK(program.err == "dumb-cli: clid: Zurg w/ CLID: ended (stage: launch; not started: CLI Debrid)\n");
  CHECK(program.run({"onboard", "clid", "--json"}) == 1);
  const auto reply = jsonx::parse(program.out);
  REQUIRE(reply);
  CHECK(reply->at("errors").at(0).at("stage") == "launch");
}

TEST_CASE("on a terminal onboard asks for what is missing and before it begins", "[cli][onboarding]") {
  CliProgram program;
  serve(program);
  program.terminal(100);
  program.system.in_is_terminal = true;
  program.lines = {"decypharr, sonarr", "TorBox", "typed-secret", "Main", "y"};
  CHECK(program.run({"onboard"}) == 0);
  CHECK(program.asked ==
        "Services, separated by commas: \n"
        "Debrid provider of Decypharr (RealDebrid, TorBox), blank: RealDebrid: \n"
        "TorBox key for Decypharr, blank: the stored one: (hidden)\n"
        "Name of the Sonarr instance, blank: the default one: \n"
        "Go on? [y/N] \n");
  REQUIRE(posted(program).size() == 2);
  CHECK(posted(program)[1].find(
            R"([{"name":"decypharr","debrid_service":["TorBox"],"debrid_key":["typed-secret"]},)"
            R"({"name":"sonarr","instance_name":"Main"}])") != std::string::npos);
  CHECK(program.out.find("typed-secret") == std::string::npos);
  program.requests.clear();
  program.lines = {"", "n"};
  CHECK(program.run({"onboard", "clid"}) == 0);
  CHECK(posted(program).size() == 1);  // the plan alone
  CHECK(program.run({"onboard", "clid", "--yes"}) == 0);
}

TEST_CASE("onboard takes a whole request from a file", "[cli][onboarding]") {
  CliProgram program;
  serve(program);
  program.input = R"({"core_services": {"name": "clid", "debrid_key": "k"}})";
  CHECK(program.run({"onboard", "--file", "-"}) == 0);
  CHECK(posted(program)[1] ==
        R"(/process/start-core-service {"core_services":[{"name":"clid","debrid_key":["k"]}],)"
        R"("optional_services":[],"optional_service_options":{}})");
  program.input = R"({"core_services": {"nam": "clid"}})";
  CHECK(program.run({"onboard", "--file", "-"}) == 1);
  CHECK(program.err.find("/core_services/name") != std::string::npos);
}

TEST_CASE("a useless command line of onboard is told", "[cli][onboarding]") {
  CliProgram program;
  serve(program);
  CHECK(program.run({"onboard"}) == 2);
  CHECK(program.run({"onboard", "clid", "--option", "port=1"}) == 2);
  CHECK(program.err.find("SERVICE.SETTING=VALUE") != std::string::npos);
  CHECK(program.run({"onboard", "clid", "sonarr", "--instance", "A"}) == 2);
}

TEST_CASE("services are listed and explained", "[cli][onboarding][ONB-86][ONB-93]") {
  CliProgram program;
  serve(program);
  program.answer("GET /process/optional-services",
                 R"({"optional_services": [{"name": "Zilean", "key": "zilean",
    "description": "An index\nhttps://z", "service_options": {"port": 8182},
    "service_option_descriptions": {"port": "TCP port"}}]})");
  program.answer("GET /process/optional-services?core_service=riven", R"({"optional_services": []})");
  CHECK(program.run({"services"}) == 0);
  CHECK(program.out ==
        "KEY         NAME       NEEDS         PROVIDERS\n"
        "cli_debrid  CLID       zurg, rclone  RealDebrid\n"
        "decypharr   Decypharr  rclone        RealDebrid, TorBox\n"
        "sonarr      Sonarr\n");
  CHECK(program.run({"services", "optional"}) == 0);
  CHECK(program.out == "KEY     NAME    WHAT IT IS\nzilean  Zilean  An index\n");
  CHECK(program.run({"services", "optional", "riven"}) == 0);
  CHECK(program.run({"services", "show", "CLID"}) == 0);
  CHECK(program.out ==
        "CLID\nA collector\nhttps://x/y\n\ncli_debrid\n"
        "SETTING  DEFAULT  WHAT IT IS\nport     5000     TCP port\n");
  CHECK(program.run({"services", "show", "zilean"}) == 0);
  CHECK(program.out.find("8182") != std::string::npos);
  CHECK(program.run({"services", "show", "nobody"}) != 0);
}
