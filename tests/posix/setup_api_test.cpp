#include <dumb/supervisor/helper.hpp>
#include <filesystem>

#include "dumb/base/text.hpp"
#include "setup/xml.hpp"
#include "support/release_server.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using setup::Failure;
using test::ReleaseServer;
using test::Said;
using test::Seen;
using test::SetupStack;
namespace fs = std::filesystem;

namespace {

bool fails(const Result<setup::Outcome>& outcome, Failure code) {
  if (!outcome) UNSCOPED_INFO(outcome.error().to_string());
  return !outcome && outcome.error().code() == setup::make_error_code(code);
}

/// Plex is there already, and plex.tv is `server`.
void place_plex(SetupStack& stack, const ReleaseServer& server) {
  test::write_text(stack.root / "usr/lib/plexmediaserver/Plex Media Server", "#!/bin/sh\n");
  for (const auto& [name, value] : server.endpoints()) stack.environment[name] = value;
  stack.set("/plex/enabled", true);
  stack.set("/plex/plex_claim", "claim-SECRETCLAIM");
}

}  // namespace

TEST_CASE("an http step sends what it is told and keeps what it is answered", "[setup][SVC-217]") {
  ReleaseServer server;
  server.set_fault([](const Seen& seen, int earlier, Said& said) {
    if (seen.target == "/later" && earlier == 0) said.status = 503;
    if (seen.target == "/answer") said.body = R"({"deep": {"id": 7}})";
    return true;
  });
  SetupStack stack;
  stack.set("/unused", json::value(json::string(server.url())));
  stack.add_service(R"([
    {"do": "http", "url": "{unused}/answer", "headers": {"X-Api-Key": "{password}"},
     "capture": {"var.id": "/deep/id"}},
    {"do": "http", "method": "post", "url": "{unused}/thing/{var.id}[?x={nothing}]", "json": {"port": "{port}"},
     "expect": [200]},
    {"do": "http", "url": "{unused}/later", "retries": 1}])");
  const auto done = stack.configure("PageMill");
  if (!done) FAIL(done.error().to_string());
  const auto seen = server.requests();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].headers.at("x-api-key") == "hunter2secret");
  CHECK(seen[1].method == "POST");
  CHECK(seen[1].target == "/thing/7");
  CHECK(seen[1].body == R"({"port":4411})");
}

TEST_CASE("an http step fails with the status and without what is secret in the address", "[setup][SVC-33]") {
  ReleaseServer server;
  SetupStack stack;
  stack.set("/unused", json::value(json::string(server.url())));
  stack.add_service(R"([{"do": "http", "url": "{unused}/gone?token={password}"}])");
  const auto done = stack.configure("PageMill");
  REQUIRE(fails(done, Failure::api_failed));
  CHECK_THAT(done.error().message(), ContainsSubstring("/gone answered 404"));
  CHECK(done.error().to_string().find("hunter2secret") == std::string::npos);
}

TEST_CASE("a claim is exchanged once and then forgotten", "[setup][SVC-28][SVC-191]") {
  ReleaseServer server;
  server.set_fault([](const Seen& seen, int, Said& said) {
    if (!seen.target.starts_with("/api/claim/exchange")) return false;
    said.body =
        "<?xml "
        "version=\"1.0\"?>\n<response><authentication-token>TOK&amp;EN</authentication-token></response>";
    return true;
  });
  SetupStack stack;
  place_plex(stack, server);
  const auto done = stack.configure("Plex Media Server");
  if (!done) FAIL(done.error().to_string());
  const fs::path file = stack.root / "plex/Plex Media Server/Preferences.xml";
  const std::string text = test::read_text(file);
  const auto at = [&](const char* name) {
    const auto found = setup::xml::value(text, std::string("/Preferences/@") + name);
    REQUIRE(found);
    return found->value_or("(none)");
  };
  CHECK(at("PlexOnlineToken") == "TOK&EN");
  CHECK(at("FriendlyName") == "DUMB");
  CHECK(at("MachineIdentifier").size() == 36);
  CHECK(at("ProcessedMachineIdentifier").size() == 40);
  CHECK(stack.mode(file) == 0600);
  CHECK(jsonx::string_at(done->persisted, "plex_claim", "unset").empty());
  REQUIRE(server.requests().size() == 1);
  const Seen seen = server.requests().front();
  CHECK(seen.method == "POST");
  CHECK(seen.target == "/api/claim/exchange?token=claim-SECRETCLAIM");
  CHECK(seen.headers.at("x-plex-client-identifier") == at("ProcessedMachineIdentifier"));
  CHECK(seen.headers.at("x-plex-version") == "1.1");
  CHECK(stack.log.text().find("SECRETCLAIM") == std::string::npos);
  // The token is there: nothing is asked again, even with the claim still configured.
  const auto before = stack.stamps();
  REQUIRE(stack.configure("Plex Media Server"));
  CHECK(server.requests().size() == 1);
  CHECK(stack.stamps() == before);
}

TEST_CASE("a refused claim keeps the identifiers for the next one", "[setup][SVC-191]") {
  ReleaseServer server;
  SetupStack stack;
  place_plex(stack, server);
  const auto refused = stack.configure("Plex Media Server");
  REQUIRE(fails(refused, Failure::api_failed));
  CHECK(refused.error().to_string().find("SECRETCLAIM") == std::string::npos);
  const fs::path file = stack.root / "plex/Plex Media Server/Preferences.xml";
  const std::string text = test::read_text(file);
  CHECK(text.find("PlexOnlineToken") == std::string::npos);
  REQUIRE(fails(stack.configure("Plex Media Server"), Failure::api_failed));
  CHECK(test::read_text(file) == text);
}

TEST_CASE("Riven is sent what differs, and is saved", "[setup][SVC-180][SVC-181]") {
  ReleaseServer server;
  std::string settings = R"({"debug": true, "database": {"host": "old"}})";
  server.set_fault([&](const Seen& seen, int, Said& said) {
    if (seen.target == "/api/v1/settings/get/all") said.body = settings;
    if (seen.target != "/" && seen.headers.count("x-api-key") == 0) said.status = 401;
    return true;
  });
  SetupStack stack;
  stack.set("/riven_backend/enabled", true);
  stack.set("/riven_backend/port", server.port());
  stack.set("/postgres/password", "pgSECRET");
  test::write_text(stack.root / "riven/backend/data/settings.json", R"({"api_key": "RIVENKEY"})");
  const auto done = stack.post_start("Riven Backend");
  if (!done) FAIL(done.error().to_string());
  std::vector<std::string> sent;
  for (const Seen& seen : server.requests()) {
    if (seen.method == "POST") sent.push_back(seen.target + " " + seen.body);
  }
  REQUIRE(sent.size() == 2);
  CHECK(sent[0] == R"(/api/v1/settings/set [{"key":"debug","value":false},{"key":"database.host",)"
                   R"("value":"postgresql+psycopg2://DUMB:pgSECRET@127.0.0.1:5432/riven"}])");
  CHECK(sent[1] == "/api/v1/settings/save ");
  CHECK(jsonx::print_compact(*jsonx::parse(stack.text("config/server.json"))) ==
        R"({"backendUrl":"http://127.0.0.1:)" + std::to_string(server.port()) + R"(","apiKey":"RIVENKEY"})");
  CHECK(stack.mode(stack.root / "config/server.json") == 0600);
  settings =
      R"({"debug": false, "database": {"host": "postgresql+psycopg2://DUMB:pgSECRET@127.0.0.1:5432/riven"}})";
  const auto before = stack.stamps();
  REQUIRE(stack.post_start("Riven Backend"));
  CHECK(server.count("/settings/set") == 1);
  CHECK(stack.stamps() == before);
}

TEST_CASE("settings Riven does not have are a warning", "[setup][SVC-181]") {
  ReleaseServer server;
  server.set_fault([](const Seen& seen, int, Said& said) {
    said.status = seen.target == "/" ? 200 : 404;
    return true;
  });
  SetupStack stack;
  stack.set("/riven_backend/enabled", true);
  stack.set("/riven_backend/port", server.port());
  stack.set("/riven_backend/env/BACKEND_API_KEY", "RIVENKEY");
  REQUIRE(stack.post_start("Riven Backend"));
  CHECK_THAT(stack.log.text(), ContainsSubstring("answered 404"));
  CHECK(stack.log.text().find("RIVENKEY") == std::string::npos);
}
