#include "support/setup_fixture.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::setup;
using test::document_with;
using test::ScopeFixture;

namespace {

bool met(ScopeFixture& fixture, std::string_view condition) {
  const auto result = holds(*jsonx::parse(condition), *fixture.scope);
  INFO(condition);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("path conditions look beneath the root, host paths at the host", "[setup][SVC-9][SVC-218]") {
  ScopeFixture fixture(document_with({}), "PostgreSQL", "/srv/stack");
  fixture.facts.files["/srv/stack/postgres_data/PG_VERSION"] = "15\n";
  fixture.facts.files["/etc/fuse.conf"] = "";
  fixture.facts.files["/usr/lib/jellyfin"] = "";
  fixture.facts.programs.insert("/srv/stack/postgres_data/tool");
  CHECK(met(fixture, R"({"exists": "{config_dir}/PG_VERSION"})"));
  CHECK_FALSE(met(fixture, R"({"missing": "{config_dir}/PG_VERSION"})"));
  CHECK(met(fixture, R"({"missing": "/data/x"})"));
  CHECK(met(fixture, R"({"exists": "/etc/fuse.conf"})"));
  CHECK(met(fixture, R"({"exists": "/usr/lib/jellyfin"})"));
  CHECK(met(fixture, R"({"executable": "{config_dir}/tool"})"));
  CHECK_FALSE(met(fixture, R"({"executable": "{config_dir}/PG_VERSION"})"));
}

TEST_CASE("field conditions compare values with their types", "[setup][SVC-218]") {
  ScopeFixture fixture(document_with({{"/postgres/initdb_args", "  "}, {"/postgres/log_level", "debug"}}),
                       "PostgreSQL");
  CHECK(met(fixture, R"({"field": "user", "is": "set"})"));
  CHECK(met(fixture, R"({"field": "initdb_args", "is": "blank"})"));
  CHECK(met(fixture, R"({"field": "never_heard_of", "is": "blank"})"));
  CHECK(met(fixture, R"({"field": "port", "is": 5432})"));
  CHECK_FALSE(met(fixture, R"({"field": "port", "is": "5432"})"));
  CHECK(met(fixture, R"({"field": "enabled", "is": false})"));
  CHECK(met(fixture, R"({"field": "log_level", "in": ["info", "debug"]})"));
  CHECK(met(fixture, R"({"field": "log_level", "is_not": "{user}"})"));
}

TEST_CASE("conditions on services, tools, variables and Python", "[setup][SVC-218]") {
  ScopeFixture fixture(document_with({{"/zurg/instances/RealDebrid/enabled", true}}), "PostgreSQL");
  fixture.facts.running.insert("Zurg w/ RealDebrid");
  fixture.facts.programs = {"pgagent", "python3.9", "python3.11"};
  fixture.context.environment["SET"] = "x";
  fixture.context.environment["BLANK"] = " ";
  CHECK(met(fixture, R"({"service_enabled": "zurg"})"));
  CHECK(met(fixture, R"({"service_running": "zurg"})"));
  CHECK_FALSE(met(fixture, R"({"service_enabled": "rclone"})"));
  CHECK(met(fixture, R"({"tool": "pgagent"})"));
  CHECK_FALSE(met(fixture, R"({"tool": "dotnet"})"));
  CHECK(met(fixture, R"({"env_missing": "BLANK"})"));
  CHECK_FALSE(met(fixture, R"({"env_missing": "SET"})"));
  CHECK(met(fixture, R"({"python_at_least": "3.11"})"));
  CHECK_FALSE(met(fixture, R"({"python_at_least": "3.12"})"));
}

TEST_CASE("conditions combine, and every member of one must hold", "[setup][SVC-218]") {
  ScopeFixture fixture(document_with({}), "PostgreSQL");
  CHECK(met(fixture, R"({"not": {"tool": "x"}})"));
  CHECK(met(fixture, R"({"all": [{"missing": "/a"}, {"missing": "/b"}]})"));
  CHECK_FALSE(met(fixture, R"({"all": [{"missing": "/a"}, {"exists": "/b"}]})"));
  CHECK(met(fixture, R"({"any": [{"exists": "/a"}, {"missing": "/b"}]})"));
  CHECK_FALSE(met(fixture, R"({"any": [{"exists": "/a"}, {"exists": "/b"}]})"));
  CHECK_FALSE(met(fixture, R"({"missing": "/a", "exists": "/b"})"));
  const auto unknown = holds(*jsonx::parse(R"({"moon_phase": "full"})"), *fixture.scope);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code() == make_error_code(Failure::bad_value));
}

TEST_CASE("PostgreSQL counts as not ready only when nothing answers and nobody owns the socket",
          "[setup][SVC-114][SVC-218][LIF-126]") {
  ScopeFixture fixture(document_with({}), "PostgreSQL", "/srv");
  CHECK(met(fixture, R"({"pg_not_ready": true})"));
  CHECK_FALSE(met(fixture, R"({"pg_not_ready": false})"));
  SECTION("a listener") {
    fixture.facts.listening.insert(5432);
    CHECK_FALSE(met(fixture, R"({"pg_not_ready": true})"));
  }
  SECTION("a live owner of the socket") {
    fixture.facts.sockets.insert("/srv/var/run/postgresql");
    CHECK_FALSE(met(fixture, R"({"pg_not_ready": true})"));
  }
  fixture.facts.stale.insert("/srv/postgres_data/postmaster.pid");
  CHECK(met(fixture, R"({"pid_file_stale": "{config_dir}/postmaster.pid"})"));
}

TEST_CASE("versions and attributes are read from files", "[setup][SVC-218]") {
  ScopeFixture fixture(document_with({}), "DUMB Frontend");
  const std::string directory = jsonx::string_at(fixture.scope->own(), "config_dir");
  fixture.facts.files["/p.xml"] =
      "<?xml version=\"1.0\"?>\n<Preferences A=\"\" PlexOnlineToken=\"abc\" NotA=''/>";
  CHECK_FALSE(met(fixture, R"({"xml_attr_blank": ["/p.xml", "PlexOnlineToken"]})"));
  CHECK(met(fixture, R"({"xml_attr_blank": ["/p.xml", "A"]})"));
  CHECK(met(fixture, R"({"xml_attr_blank": ["/p.xml", "Absent"]})"));
  CHECK(met(fixture, R"({"xml_attr_blank": ["/missing.xml", "A"]})"));
}

TEST_CASE("placeholders find own members, other services, globals and the machine", "[setup][SVC-9]") {
  ScopeFixture fixture(document_with({{"/puid", 1234}, {"/zurg/instances/RealDebrid/port", 9111}}),
                       "rclone w/ RealDebrid");
  auto& scope = *fixture.scope;
  CHECK(*scope.text("{mount_dir}/{mount_name}") == "/mnt/debrid/rclone_RD");
  CHECK(*scope.text("{zurg.port}") == "9111");
  CHECK(*scope.text("{postgres_user} {postgres.port}") == "DUMB 5432");
  CHECK(*scope.text("{puid}:{instance}:{slug}:{process_name}") ==
        "1234:RealDebrid:realdebrid:rclone w/ RealDebrid");
  CHECK(*scope.text("{arch} {deb_arch} {arr_arch}") == "amd64 amd64 x64");
  CHECK(*scope.text("{random.hex16}") == "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
  CHECK(*scope.text("{endpoint.servarr:radarr}") == "https://radarr.servarr.com");
  fixture.context.environment["DUMB_ENDPOINT_GITHUB_API"] = "http://127.0.0.1:1";
  CHECK(*scope.text("{endpoint.github_api}") == "http://127.0.0.1:1");
  scope.assign("var.x", json::value("v"));
  scope.assign("env.NAME", json::value("e"));
  scope.set_each(json::value("el"));
  CHECK(*scope.text("{var.x}{each}{env.NAME}") == "vele");
}

TEST_CASE("a path with a blank placeholder is refused instead of naming another place", "[setup][SVC-9]") {
  ScopeFixture fixture(document_with({{"/postgres/config_dir", ""}}), "PostgreSQL");
  const auto path = fixture.scope->path("{config_dir}/postmaster.pid");
  REQUIRE_FALSE(path);
  CHECK(path.error().code() == make_error_code(Failure::missing_field));
  CHECK_THAT(path.error().message(), ContainsSubstring("config_dir"));
}

TEST_CASE("members a run generates start from the user's values, not from the last run's",
          "[setup][SVC-217]") {
  const json::object base = document_with({{"/rclone/instances/RealDebrid/command", json::array{"--links"}}});
  json::object effective = base;
  jsonx::set(effective, {"rclone", "instances", "RealDebrid", "command"},
             json::array{"rclone", "mount", "generated"});
  jsonx::set(effective, {"rclone", "instances", "RealDebrid", "wait_for_url"}, json::array{"generated"});
  Context context;
  test::FakeFacts facts;
  context.catalog = &catalog::Catalog::embedded();
  context.config = std::make_shared<const config::Snapshot>(effective, base, 1);
  context.block = *context.config->find("rclone w/ RealDebrid");
  const Scope scope(context, *context.catalog->find("rclone"), facts);
  CHECK(scope.own().at("command") == json::array{"--links"});
  CHECK_FALSE(scope.own().contains("wait_for_url"));
  CHECK(scope.own().contains("mount_name"));
}

TEST_CASE("failures have the names of the specification", "[setup][SVC-33]") {
  CHECK(make_error_code(Failure::database_failed).message() == "database_failed");
  CHECK(make_error_code(Failure::missing_field).message() == "missing_field");
  CHECK(make_error_code(Failure::cancelled).message() == "cancelled");
}
