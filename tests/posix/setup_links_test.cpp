#include <filesystem>

#include "setup/arr.hpp"
#include "setup/rclone.hpp"
#include "setup/sqlite_posix.hpp"
#include "support/archives.hpp"
#include "support/fake_arr.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using setup::Failure;
using test::FakeArr;
using test::SetupStack;
namespace fs = std::filesystem;
namespace asio = boost::asio;

namespace {

/// What a post-start leaves over, done as the engine does it.
Result<bool> reconcile(SetupStack& stack, const std::string& name, const char* steps) {
  asio::io_context control;
  std::optional<Result<bool>> out;
  asio::co_spawn(control, setup::reconcile(stack.context(name), jsonx::parse(steps)->as_array()),
                 [&](std::exception_ptr error, Result<bool> done) {
                   if (error) std::rethrow_exception(error);
                   out = std::move(done);
                 });
  control.run();
  return *out;
}

/// An Arr instance that runs: its configuration is on disk and its interface is `arr`.
void place_arr(SetupStack& stack, FakeArr& arr, const std::string& key, const std::string& core_service) {
  const std::string at = "/" + key + "/instances/Default/";
  stack.set(at + "enabled", true);
  stack.set(at + "port", arr.port());
  stack.set(at + "core_service", json::value(json::string(core_service)));
  const std::string name =
      stack.document.at(key).at("instances").at("Default").at("process_name").as_string().c_str();
  stack.running.insert(name);
  test::write_text(stack.root / key / "default/config.xml", "<Config><ApiKey>ARRKEY</ApiKey></Config>");
}

std::string field(const json::object& entity, const std::string& name) {
  const json::value* found = setup::arr::field(entity, name);
  return found == nullptr ? "(none)" : jsonx::scalar_text(*found);
}

constexpr const char* link_any = R"([{"do": "arr-link", "consumer": "any"}])";
constexpr const char* sync_all = R"([{"do": "prowlarr-sync"}])";

}  // namespace

TEST_CASE("Sonarr is linked to Decypharr once",
          "[setup][SVC-161][SVC-164][SVC-165][SVC-166][SVC-167][SVC-168]") {
  FakeArr sonarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "decypharr");
  stack.set("/decypharr/enabled", true);
  stack.running.insert("Decypharr");
  const auto linked = reconcile(stack, "Decypharr", link_any);
  REQUIRE(linked);
  INFO(stack.log.text());
  CHECK(*linked);
  const fs::path folder = stack.root / "mnt/debrid/decypharr_symlinks/sonarr-default";
  CHECK(stack.mode(folder) == 0777);
  if (SetupStack::is_root()) CHECK(stack.owner(folder) == 1000);
  REQUIRE(sonarr.list("/rootfolder").size() == 1);
  CHECK(sonarr.list("/rootfolder")[0].at("path").as_string() == folder.native());
  const json::object media = sonarr.object("/config/mediamanagement");
  CHECK(media.at("setPermissionsLinux").as_bool());
  CHECK(media.at("chmodFolder").as_string() == "777");
  CHECK(media.at("recycleBin").as_string() == "mine");
  CHECK_FALSE(media.contains("chmodFile"));
  REQUIRE(sonarr.list("/downloadclient").size() == 1);
  const json::object client = sonarr.list("/downloadclient")[0].as_object();
  CHECK(client.at("name").as_string() == "decypharr");
  CHECK(client.at("enable").as_bool());
  CHECK(client.at("removeCompletedDownloads").as_bool());
  CHECK(field(client, "host") == "127.0.0.1");
  CHECK(field(client, "port") == "8282");
  CHECK(field(client, "username") == "http://127.0.0.1:" + std::to_string(sonarr.port()));
  CHECK(field(client, "password") == "ARRKEY");
  CHECK(field(client, "tvCategory") == "sonarr:Default");
  const auto writes = sonarr.writes();
  CHECK(*reconcile(stack, "Sonarr", link_any));
  CHECK(sonarr.writes() == writes);
  CHECK(stack.log.text().find("ARRKEY") == std::string::npos);
}

TEST_CASE("a client somebody changed is put right, the rest of it is kept", "[setup][SVC-168]") {
  FakeArr sonarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "decypharr");
  stack.set("/decypharr/enabled", true);
  stack.running.insert("Decypharr");
  REQUIRE(*reconcile(stack, "Decypharr", link_any));
  json::array clients = sonarr.list("/downloadclient");
  clients[0].as_object()["priority"] = 9;
  clients[0].as_object()["tags"] = json::array{3};
  for (json::value& each : clients[0].at("fields").as_array()) {
    if (each.at("name") == "password") each.as_object()["value"] = "********";
  }
  sonarr.put("/downloadclient", clients);
  const auto writes = sonarr.writes();
  REQUIRE(*reconcile(stack, "Decypharr", link_any));
  CHECK(sonarr.writes() == writes);  // a hidden secret is no difference
  for (json::value& each : clients[0].at("fields").as_array()) {
    if (each.at("name") == "port") each.as_object()["value"] = 1;
  }
  sonarr.put("/downloadclient", clients);
  REQUIRE(*reconcile(stack, "Decypharr", link_any));
  const json::object client = sonarr.list("/downloadclient")[0].as_object();
  CHECK(field(client, "port") == "8282");
  CHECK(field(client, "password") == "ARRKEY");
  CHECK(client.at("priority").as_int64() == 9);
  CHECK(client.at("tags").as_array().size() == 1);
}

TEST_CASE("Lidarr's root folder needs profiles, and a usenet client Decypharr's token",
          "[setup][SVC-167][SVC-168]") {
  FakeArr lidarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, lidarr, "lidarr", "decypharr");
  stack.set("/decypharr/enabled", true);
  stack.running.insert("Decypharr");
  test::write_text(stack.root / "decypharr/config.json", R"({"usenet": {"providers": [{"host": "news"}]}})");
  REQUIRE(*reconcile(stack, "Decypharr", link_any));
  const json::value folder = lidarr.list("/rootfolder").at(0);
  CHECK(folder.at("name").as_string() == "lidarr-default");
  CHECK(folder.at("defaultQualityProfileId").as_int64() == 4);
  CHECK(folder.at("defaultMetadataProfileId").as_int64() == 5);
  CHECK(lidarr.list("/downloadclient").size() == 1);
  CHECK_THAT(stack.log.text(), ContainsSubstring("no API token yet"));
  test::write_text(stack.root / "decypharr/auth.json", R"({"api_token": "TOKEN"})");
  REQUIRE(*reconcile(stack, "Decypharr", link_any));
  REQUIRE(lidarr.list("/downloadclient").size() == 2);
  CHECK(field(lidarr.list("/downloadclient")[1].as_object(), "apiKey") == "TOKEN");
}

TEST_CASE("a category NzbDAV does not know yet is left out", "[setup][SVC-163][SVC-168][SVC-173]") {
  FakeArr sonarr("ARRKEY");
  sonarr.refuse("/downloadclient", "sonarr-default", "Category does not exist");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "nzbdav");
  stack.set("/nzbdav/enabled", true);
  stack.set("/nzbdav/env/FRONTEND_BACKEND_API_KEY", "FRONT");
  stack.running.insert("NzbDAV");
  INFO(stack.log.text());
  REQUIRE(*reconcile(stack, "NzbDAV", R"([{"do": "arr-link", "consumer": "nzbdav"}])"));
  const json::object client = sonarr.list("/downloadclient").at(0).as_object();
  CHECK(field(client, "tvCategory").empty());
  CHECK(field(client, "apiKey") == "FRONT");
  CHECK(field(client, "port") == "8080");
  CHECK(fs::exists(stack.root / "mnt/debrid/nzbdav-symlinks/sonarr-default"));
}

TEST_CASE("a pair that cannot be linked is a warning and told to be repeated", "[setup][SVC-161][SVC-34]") {
  FakeArr sonarr("OTHER");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "decypharr");
  stack.set("/decypharr/enabled", true);
  CHECK(*reconcile(stack, "Sonarr", link_any));  // Decypharr does not run: there is no pair
  CHECK(sonarr.writes().empty());
  stack.running.insert("Decypharr");
  const auto linked =
      reconcile(stack, "Sonarr", R"([{"do": "arr-link", "consumer": "any", "only": "Sonarr"}])");
  REQUIRE(linked);
  CHECK_FALSE(*linked);
  CHECK_THAT(stack.log.text(), ContainsSubstring("Sonarr could not be linked to decypharr"));
  CHECK_THAT(stack.log.text(), ContainsSubstring("answered 401"));
  CHECK(stack.log.text().find("ARRKEY") == std::string::npos);
  CHECK(*reconcile(stack, "Sonarr", R"([{"do": "arr-link", "consumer": "any", "only": "Radarr"}])"));
}

TEST_CASE("Prowlarr learns of the Arr instances, tags and indexers", "[setup][SVC-204][SVC-205][SVC-206]") {
  FakeArr sonarr("ARRKEY");
  FakeArr prowlarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "decypharr");
  place_arr(stack, prowlarr, "prowlarr", "");
  stack.set("/decypharr/enabled", true);
  INFO(stack.log.text());
  REQUIRE(*reconcile(stack, "Prowlarr", sync_all));
  REQUIRE(prowlarr.list("/tag").size() == 1);
  const std::int64_t tag = prowlarr.list("/tag")[0].at("id").as_int64();
  CHECK(prowlarr.list("/tag")[0].at("label").as_string() == "decypharr");
  REQUIRE(prowlarr.list("/applications").size() == 1);
  json::object app = prowlarr.list("/applications")[0].as_object();
  CHECK(app.at("name").as_string() == "Sonarr (Default)");
  CHECK(app.at("syncLevel").as_string() == "fullSync");
  CHECK(app.at("tags").at(0).as_int64() == tag);
  CHECK(field(app, "baseUrl") == "http://127.0.0.1:" + std::to_string(sonarr.port()));
  CHECK(field(app, "prowlarrUrl") == "http://127.0.0.1:" + std::to_string(prowlarr.port()));
  REQUIRE(prowlarr.list("/indexer").size() == 2);
  CHECK(field(prowlarr.list("/indexer")[0].as_object(), "baseUrl") ==
        "https://zileanfortheweebs.midnightignite.me");
  CHECK(prowlarr.list("/indexer")[1].at("appProfileId").as_int64() == 6);
  auto writes = prowlarr.writes();
  REQUIRE(*reconcile(stack, "Prowlarr", sync_all));
  CHECK(prowlarr.writes() == writes);
  // What the user chose stays: tags and the address of an indexer, known by another name or not.
  app["name"] = "Sonarr";
  app["tags"] = json::array{1, tag};
  prowlarr.put("/applications", json::array{app});
  json::array indexers = prowlarr.list("/indexer");
  indexers[0].at("fields").at(1).as_object()["value"] = "https://mine";
  prowlarr.put("/indexer", indexers);
  stack.set("/zilean/enabled", true);
  REQUIRE(*reconcile(stack, "Prowlarr", sync_all));
  REQUIRE(prowlarr.list("/applications").size() == 1);
  CHECK(prowlarr.list("/applications")[0].at("name").as_string() == "Sonarr (Default)");
  CHECK(prowlarr.list("/applications")[0].at("tags").as_array().size() == 2);
  CHECK(field(prowlarr.list("/indexer")[0].as_object(), "baseUrl") == "https://mine");
  indexers[0].at("fields").at(1).as_object()["value"] = "http://127.0.0.1:1";
  prowlarr.put("/indexer", indexers);
  REQUIRE(*reconcile(stack, "Prowlarr", sync_all));
  CHECK(field(prowlarr.list("/indexer")[0].as_object(), "baseUrl") == "http://127.0.0.1:8182");
}

TEST_CASE("definitions of indexers are added, and linked to what runs here", "[setup][SVC-185][SVC-203]") {
  test::ReleaseServer server;
  const std::string zip = test::make_zip({{"Prowlarr-Indexers-main/Custom/zilean.yml",
                                           "id: zilean\nlinks:\n  - https://a\n  - https://b\ncaps: 1\n"},
                                          {"Prowlarr-Indexers-main/Custom/stremthru.yml", "links:\n  - x\n"},
                                          {"Prowlarr-Indexers-main/README.md", "x"}});
  const std::string target = "/dreulavelle/Prowlarr-Indexers/archive/refs/heads/main.zip";
  server.set_file(target, {200, {}, zip, std::string::npos, 0, true});
  SetupStack stack;
  for (const auto& [name, value] : server.endpoints()) stack.environment[name] = value;
  stack.add_service(R"([{"do": "prowlarr-indexers"}])");
  stack.set("/prowlarr/instances/Default/enabled", true);
  stack.set("/zilean/enabled", true);
  const fs::path directory = stack.root / "prowlarr/default/Definitions/Custom";
  const auto done = stack.configure("PageMill");
  if (!done) FAIL(done.error().to_string());
  CHECK(test::read_text(directory / "zilean.yml") ==
        "id: zilean\nlinks:\n  - http://127.0.0.1:8182\n  - "
        "https://zileanfortheweebs.midnightignite.me\ncaps: 1\n");
  CHECK(test::read_text(directory / "stremthru.yml") ==
        "links:\n  - https://stremthru.13377001.xyz/v0/torznab\n  - http://stremthru:8080\n");
  CHECK_FALSE(fs::exists(directory / "README.md"));
  const auto before = stack.stamps();
  REQUIRE(stack.configure("PageMill"));
  CHECK(server.count(target) == 1);
  CHECK(stack.stamps() == before);
  // Without a server what is there follows the port all the same.
  fs::remove(directory / ".fetched");
  server.set_file(target, {404, {}, ""});
  stack.set("/zilean/port", 9999);
  CHECK_FALSE(stack.configure("PageMill"));
  CHECK_THAT(test::read_text(directory / "zilean.yml"), ContainsSubstring("http://127.0.0.1:9999"));
}

TEST_CASE("NzbDAV's database learns of its Arr instances in one transaction", "[setup][SVC-173][SVC-174]") {
  FakeArr sonarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "nzbdav");
  stack.set("/nzbdav/enabled", true);
  stack.add_service("[]",
                    R"j([{"do": "sql", "engine": "sqlite", "file": "{config_dir}/own.db", "statements": [
     "CREATE TABLE IF NOT EXISTS t (a TEXT)", {"sql": "INSERT INTO t VALUES (?1)", "params": ["{port}'; --"]}]
}])j");
  const fs::path file = stack.root / "nzbdav/db.sqlite";
  fs::create_directories(file.parent_path());
  using setup::SqliteDatabase;
  {
    auto database = SqliteDatabase::open(file, SqliteDatabase::Mode::create);
    REQUIRE(database);
    REQUIRE(database->run("CREATE TABLE ConfigItems (ConfigName TEXT PRIMARY KEY, ConfigValue TEXT)"));
    REQUIRE(
        database->run("INSERT INTO ConfigItems VALUES ('api.categories', 'Mine'), ('api.key', 'STORED')"));
  }
  const auto item = [&](const char* name) {
    auto database = SqliteDatabase::open(file, SqliteDatabase::Mode::read);
    const auto rows = database->run("SELECT ConfigValue FROM ConfigItems WHERE ConfigName = ?1", {name});
    return rows && !rows->empty() ? rows->front().front() : std::string("(none)");
  };
  const setup::Context context = stack.context("NzbDAV");
  setup::Run run(context);
  const json::object step = jsonx::parse(R"({"do": "sql", "engine": "sqlite", "model": "nzbdav-config",
    "file": "{config_dir}/db.sqlite"})")
                                ->as_object();
  const auto first = setup::step_sqlite(run, step);
  if (!first) FAIL(first.error().to_string());
  CHECK(*first == setup::Effect::changed);
  CHECK(item("api.categories") == "mine,movies,music,sonarr-default,tv,whisparr");
  CHECK(item("rclone.mount-dir") == (stack.root / "mnt/debrid/nzbdav").native());
  const json::object apps = jsonx::parse(item("arr.instances"))->as_object();
  CHECK(json::serialize(apps.at("SonarrInstances")) ==
        R"([{"ApiKey":"ARRKEY","Category":"sonarr-default","Host":"http://127.0.0.1:)" +
            std::to_string(sonarr.port()) + R"(","Instance":"Default"}])");
  CHECK(*setup::step_sqlite(run, step) == setup::Effect::none);
  CHECK(setup::nzbdav_api_key(run.scope) == "STORED");
  fs::remove(file);
  CHECK(*setup::step_sqlite(run, step) == setup::Effect::none);
  CHECK_THAT(stack.log.text(), ContainsSubstring("is not there yet"));
  REQUIRE_FALSE(stack.post_start("PageMill"));  // there is no file to change
  {
    fs::create_directories(stack.root / "pagemill");
    REQUIRE(SqliteDatabase::open(stack.root / "pagemill/own.db", SqliteDatabase::Mode::create)
                ->run("CREATE TABLE t (a TEXT)"));
  }
  const auto stated = stack.post_start("PageMill");
  if (!stated) FAIL(stated.error().to_string());
  auto own = SqliteDatabase::open(stack.root / "pagemill/own.db", SqliteDatabase::Mode::read);
  CHECK(own->run("SELECT a FROM t")->front().front() == "4411'; --");
}

TEST_CASE("Huntarr's applications follow the instances that use it", "[setup][SVC-209][SVC-210]") {
  FakeArr sonarr("ARRKEY");
  SetupStack stack;
  place_arr(stack, sonarr, "sonarr", "");
  stack.set("/sonarr/instances/Default/use_huntarr", true);
  stack.set("/huntarr/instances/Default/enabled", true);
  test::write_text(
      stack.root / "huntarr/default/src/primary/default_configs/sonarr.json",
      R"({"mode": "seasons", "instances": [{"name": "Default", "api_url": "", "enabled": false, "x": 1}]})");
  const setup::Context context = stack.context("Huntarr");
  setup::Run run(context);
  const json::object step =
      jsonx::parse(R"({"do": "sql", "engine": "sqlite", "file": "{config_file}", "model": "huntarr-apps"})")
          ->as_object();
  const auto done = setup::step_sqlite(run, step);
  if (!done) FAIL(done.error().to_string());
  const fs::path file = stack.root / "huntarr/default/config/huntarr.db";
  CHECK(stack.mode(file) == 0664);
  auto database = setup::SqliteDatabase::open(file, setup::SqliteDatabase::Mode::read);
  const auto rows = database->run("SELECT id, app_type, config_data, updated_at FROM app_configs");
  REQUIRE(rows);
  REQUIRE(rows->size() == 1);
  CHECK((*rows)[0][1] == "sonarr");
  CHECK((*rows)[0][2] == R"({"mode":"seasons","instances":[{"name":"Sonarr","api_url":"http://127.0.0.1:)" +
                             std::to_string(sonarr.port()) +
                             R"(","enabled":true,"x":1,"api_key":"ARRKEY"}]})");
  const auto before = test::read_text(file);
  CHECK(*setup::step_sqlite(run, step) == setup::Effect::none);
  CHECK(test::read_text(file) == before);
}

TEST_CASE("credentials of NzbDAV's remote come from its database when the configuration has none",
          "[setup][SVC-131]") {
  SetupStack stack;
  const std::string at = "/rclone/instances/RealDebrid/";
  stack.set(at + "enabled", true);
  stack.set(at + "zurg_enabled", false);
  stack.set(at + "key_type", "nzbdav");
  const auto remote = [&] {
    const setup::Context context = stack.context("rclone w/ RealDebrid");
    setup::Run run(context);
    const auto found = setup::rclone_remote(run.scope);
    if (!found) FAIL(found.error().to_string());
    return *found;
  };
  CHECK(remote().user == "admin");
  CHECK(remote().password.empty());
  {
    fs::create_directories(stack.root / "nzbdav");
    auto database =
        setup::SqliteDatabase::open(stack.root / "nzbdav/db.sqlite", setup::SqliteDatabase::Mode::create);
    REQUIRE(database);
    REQUIRE(database->run("CREATE TABLE ConfigItems (ConfigName TEXT PRIMARY KEY, ConfigValue TEXT)"));
    REQUIRE(
        database->run("INSERT INTO ConfigItems VALUES ('webdav.user', 'reader'), ('webdav.pass', 'plain')"));
  }
  CHECK(remote().user == "reader");
  CHECK(remote().password == "plain");
  stack.set("/nzbdav/webdav_password", "configured");
  stack.set("/nzbdav/env/WEBDAV_USER", "named");
  CHECK(remote().user == "named");
  CHECK(remote().password == "configured");
}
