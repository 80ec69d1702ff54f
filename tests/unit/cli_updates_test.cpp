#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;

namespace {

constexpr std::string_view list = R"({"processes": [
  {"name": "A", "process_name": "Zurg", "enabled": true, "config": {}, "version": "v0.9.0", "config_key": "zurg"},
  {"name": "B", "process_name": "Postgres", "enabled": true, "config": {}, "version": "16", "config_key": "postgres"},
  {"name": "C", "process_name": "Seerr", "enabled": false, "config": {}, "version": null, "config_key": "seerr"}]})";

void serve(CliProgram& program) {
  program.answer("GET /process/processes", std::string(list));
  program.answer(
      "GET /process?process_name=Zurg",
      R"({"process_name": "Zurg", "version": "v0.9.0", "supports_manual_update": true, "update_status":
      {"status": "update_available", "available_version": "v0.10.0", "checked_at": 5, "next_check_at": 1770850000}})");
  program.answer("GET /process?process_name=Postgres", R"({"process_name": "Postgres", "version": "16"})");
  program.answer("GET /process?process_name=Seerr",
                 R"({"process_name": "Seerr", "supports_manual_update": true})");
}

std::vector<std::string> posted(const CliProgram& program) {
  std::vector<std::string> out;
  for (const http::Request& request : program.requests) {
    if (request.method == "POST") out.push_back(request.url.target + " " + request.body);
  }
  return out;
}

}  // namespace

TEST_CASE("update list shows what can be updated and when it is looked at next", "[cli][API-49][API-50]") {
  CliProgram program;
  serve(program);
  CHECK(program.run({"update", "list"}) == 0);
  CHECK(program.out ==
        "NAME  VERSION  STATUS            AVAILABLE  CHECKED  NEXT CHECK\n"
        "Zurg  v0.9.0   update available  v0.10.0    @5       @1770850000\n");
  CHECK(program.run({"update", "list", "--all"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("Seerr  -        not checked"));
  CHECK(program.run({"update", "list", "--json"}) == 0);
  CHECK(jsonx::parse(program.out)->at_pointer("/Zurg/available_version") == json::value("v0.10.0"));
}

TEST_CASE("update check asks for the named services, or for all that can be updated",
          "[cli][API-51][API-52]") {
  CliProgram program;
  serve(program);
  program.answer(
      "POST /process/update-check",
      R"({"status": "blocked", "reason": "pinned_version", "current_version": "v1", "available_version": "v2"})");
  CHECK(program.run({"update", "check"}) == 0);
  CHECK(program.out == "Zurg: blocked: v1 -> v2 (held by pinned_version)\n");
  CHECK(program.run({"update", "check", "Zurg", "--force"}) == 0);
  CHECK(posted(program) ==
        std::vector<std::string>{R"(/process/update-check {"process_name":"Zurg"})",
                                 R"(/process/update-check {"process_name":"Zurg","force":true})"});
}

TEST_CASE("update install tells what became of each service", "[cli][API-54]") {
  CliProgram program;
  program.answer("POST /process/update-install", R"({"status": "updated", "message": "v2 is installed"})");
  CHECK(program.run({"update", "install", "Zurg", "--override", "--channel", "nightly"}) == 0);
  CHECK(program.out == "Zurg: updated: v2 is installed\n");
  CHECK(posted(program).back() ==
        R"(/process/update-install {"process_name":"Zurg","allow_override":true,"target":"nightly"})");
  program.answers.clear();
  program.answer("POST /process/update-install", R"({"status": "error", "message": "checksum_mismatch"})");
  program.answer("POST /process/update-install", R"({"detail": "no such process"})", 404);
  CHECK(program.run({"update", "install", "Zurg", "None"}) == 4);
  CHECK(program.out == "Zurg: error: checksum_mismatch\n");
  CHECK_THAT(program.err, ContainsSubstring("None: no such process"));
  program.answers.clear();
  program.answer("POST /process/update-install",
                 R"({"status": "blocked", "reason": "branch", "message": "held"})");
  CHECK(program.run({"update", "install", "Zurg"}) == 1);
  CHECK(program.run({"update", "install", "Zurg", "--channel", "beta"}) == 2);
}

TEST_CASE("update schedule takes up the settings and tells the next check", "[cli][API-57]") {
  CliProgram program;
  program.answer("POST /process/auto-update/reschedule", R"({"status": "ok", "message": "m"})");
  program.answer(
      "GET /process/update-status?process_name=Zurg",
      R"({"process_name": "Zurg", "update_status": {"status": "scheduled", "next_check_at": 77}})");
  CHECK(program.run({"update", "schedule", "Zurg"}) == 0);
  CHECK(program.out == "Zurg is checked next at @77\n");
  program.answers["GET /process/update-status?process_name=Zurg"].clear();
  program.answer(
      "GET /process/update-status?process_name=Zurg",
      R"({"process_name": "Zurg", "update_status": {"status": "disabled", "next_check_at": null}})");
  CHECK(program.run({"update", "schedule", "Zurg"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("is not updated by itself"));
}
