#include <sys/stat.h>
#include <unistd.h>
#include <dumb/config/manager.hpp>

#include "support/catch.hpp"
#include "support/config_bench.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using config::Manager;
using test::ConfigBench;
using test::object;
using Persist = Manager::Persist;

namespace {

const json::value& at(const config::SnapshotPtr& snapshot, const JsonPath& path) {
  const json::value* found = jsonx::find(snapshot->effective(), path);
  REQUIRE(found != nullptr);
  return *found;
}

}  // namespace

TEST_CASE("a missing file is created from the defaults, readable by its owner alone", "[config][CFG-2]") {
  ConfigBench bench(test::small_model());
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(bench.text() == jsonx::print(json::value(test::small_model().defaults)));
  struct stat info {};
  REQUIRE(::stat(bench.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600);
  if (::geteuid() == 0) CHECK(info.st_uid == 1000);
  CHECK((*manager)->snapshot()->find("Zilean") != nullptr);
}

TEST_CASE("ids from the environment own a created file", "[config][CFG-2][CFG-43]") {
  ConfigBench bench(test::small_model());
  bench.environment = {{"PUID", "1234"}, {"PGID", "1235"}};
  REQUIRE(bench.open());
  struct stat info {};
  REQUIRE(::stat(bench.file().c_str(), &info) == 0);
  CHECK(info.st_uid == (::geteuid() == 0 ? 1234 : ::geteuid()));
  CHECK_THAT(bench.text(), ContainsSubstring("\"puid\": 1000"));
}

TEST_CASE("a missing directory is made beneath the root only", "[config][CFG-2]") {
  ConfigBench bench(test::small_model());
  const test::TempDir elsewhere;
  auto options = bench.options();
  options.file = elsewhere / "missing/dumb_config.json";
  const auto manager = Manager::open(std::move(options));
  REQUIRE_FALSE(manager);
  CHECK(manager.error().code() == boost::system::errc::no_such_file_or_directory);
  CHECK_FALSE(std::filesystem::exists(elsewhere / "missing"));
}

TEST_CASE("a reader creates nothing", "[config][CFG-64]") {
  ConfigBench bench(test::small_model());
  auto options = bench.options();
  options.create = false;
  const auto manager = Manager::open(std::move(options));
  REQUIRE_FALSE(manager);
  CHECK(manager.error().code() == boost::system::errc::no_such_file_or_directory);
  CHECK(std::filesystem::is_empty(bench.dir().path()));
}

TEST_CASE("loading writes nothing", "[config][CFG-32][CFG-39]") {
  const std::string text = R"({"decypharr":{"use_embedded_rclone":true},"pulsarr":{"x":1},"tz":null})";
  ConfigBench bench(test::small_model(), text);
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(bench.text() == text);
  CHECK(at((*manager)->snapshot(), {"decypharr", "mount_type"}) == "rclone");
  CHECK(at((*manager)->snapshot(), {"tz"}) == "");
  CHECK(at((*manager)->snapshot(), {"pulsarr", "x"}) == 1);
  CHECK(bench.log.contains("INFO configuration members not known here, kept: /pulsarr"));
  CHECK(std::distance(std::filesystem::directory_iterator(bench.file().parent_path()), {}) == 1);
}

TEST_CASE("a syntax error names file, line and column, and a good backup", "[config][CFG-33]") {
  ConfigBench bench(test::small_model(), "{\n  \"puid\": 1000,\n  oops\n}");
  const auto broken = bench.open();
  REQUIRE_FALSE(broken);
  CHECK(broken.error().is(Errc::bad_json));
  CHECK_THAT(broken.error().to_string(),
             ContainsSubstring(bench.file().native()) && ContainsSubstring("line 3, column 3"));
  CHECK(broken.error().to_string().find(".bak") == std::string::npos);
  test::write_text(bench.backup(), "{}");
  CHECK_THAT(bench.open().error().to_string(), ContainsSubstring(".bak is valid"));
  CHECK_THAT(bench.text(), ContainsSubstring("oops"));
}

TEST_CASE("an empty file and a list are errors", "[config][CFG-33]") {
  ConfigBench bench(test::small_model(), "");
  CHECK(bench.open().error().is(Errc::bad_json));
  bench.write("[]");
  CHECK(bench.open().error().is(Errc::invalid_config));
}

TEST_CASE("an invalid file is refused with every place", "[config][CFG-32][CFG-50]") {
  ConfigBench bench(test::small_model(), R"({"puid": 0, "zilean": {"port": 70000, "enabled": "yes"}})");
  const auto manager = bench.open();
  REQUIRE_FALSE(manager);
  CHECK(manager.error().is(Errc::invalid_config));
  CHECK(manager.error().problems().size() == 3);
  CHECK_THAT(manager.error().to_string(),
             ContainsSubstring(bench.file().native()) && ContainsSubstring("/zilean/port: must be between"));
}

TEST_CASE("the env file adds variables that are not there and sets members", "[config][CFG-42][CFG-44]") {
  ConfigBench bench(test::small_model(), "{}");
  bench.environment = {{"HOME", "/root"}, {"NZBDAV_BACKEND_PORT", "7001"}};
  test::write_text(bench.dir() / "config/.env",
                   "ZILEAN_PORT=7000\nHOME=/else\nbad line\nNZBDAV_BACKEND_PORT=1\n");
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 7000);
  CHECK(at((*manager)->snapshot(), {"nzbdav", "backend_port"}) == 7001);
  CHECK((*manager)->environment().at("HOME") == "/root");
  CHECK((*manager)->environment().at("ZILEAN_PORT") == "7000");
  CHECK(bench.log.contains("WARNING"));
  CHECK(bench.log.contains("line 3"));
  CHECK(jsonx::find((*manager)->snapshot()->base(), {"zilean", "port"})->as_int64() == 8182);
}

TEST_CASE("what a service manager tells this process is not handed on", "[config][LIF-51]") {
  ConfigBench bench(test::small_model(), "{}");
  bench.environment = {{"PATH", "/bin"},          {"NOTIFY_SOCKET", "/run/systemd/notify"},
                       {"WATCHDOG_USEC", "1000"}, {"WATCHDOG_PID", "1"},
                       {"LISTEN_FDS", "2"},       {"LISTEN_PID", "1"},
                       {"LISTEN_FDNAMES", "a:b"}, {"LISTEN_PORT", "80"}};
  const auto manager = bench.open();
  REQUIRE(manager);
  const config::Environment expected{{"PATH", "/bin"}, {"LISTEN_PORT", "80"}};
  CHECK((*manager)->environment() == expected);
}

TEST_CASE("secret files win and their values are known to the redactor",
          "[config][CFG-44][CFG-46][CFG-105]") {
  ConfigBench bench(test::small_model(), R"({"nzbdav": {"webdav_password": "from the file"}})");
  test::write_text(bench.dir() / "secrets/ZURG_INSTANCES_REALDEBRID_API_KEY", "topsecretvalue\n");
  bench.environment = {{"ZURG_INSTANCES_REALDEBRID_API_KEY", "other"}, {"DUMB_GITHUB_TOKEN", "tokentoken"}};
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(at((*manager)->snapshot(), {"zurg", "instances", "RealDebrid", "api_key"}) == "topsecretvalue");
  CHECK((*manager)->secret_values() ==
        std::vector<std::string>{"from the file", "tokentoken", "topsecretvalue"});
  CHECK((*manager)->secret_variables() ==
        std::vector<std::string>{"DUMB_GITHUB_TOKEN", "ZURG_INSTANCES_REALDEBRID_API_KEY"});
  CHECK_FALSE(bench.log.contains("topsecret"));
  CHECK(bench.text().find("topsecret") == std::string::npos);
}

TEST_CASE("an unreadable secret is named and counts for nothing", "[config][CFG-44]") {
  ConfigBench bench(test::small_model(), "{}");
  std::filesystem::create_directories(bench.dir() / "secrets");
  REQUIRE(::mkfifo((bench.dir() / "secrets/ZILEAN_PORT").c_str(), 0600) == 0);
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 8182);
  CHECK(bench.log.contains("WARNING secret file ZILEAN_PORT cannot be read"));
}

TEST_CASE("a reload takes the new file, keeps what is generated and drops unsaved edits",
          "[config][CFG-34][CFG-35]") {
  ConfigBench bench(test::small_model(), R"({"zilean": {"port": 1}})");
  auto manager = bench.open();
  REQUIRE(manager);
  std::vector<std::vector<JsonPath>> told;
  (*manager)->on_change([&](const std::vector<JsonPath>& paths) { told.push_back(paths); });
  (*manager)->set_generated({"zilean"}, object(R"({"command": ["made"]})"));
  REQUIRE(test::update(**manager, "Zilean", object(R"({"log_level": "DEBUG"})"), Persist::no));
  CHECK(told == std::vector<std::vector<JsonPath>>{{{"zilean", "log_level"}}});
  const auto before = (*manager)->snapshot();
  bench.write(R"({"zilean": {"port": 2}})");
  REQUIRE((*manager)->reload());
  CHECK(told.size() == 2);
  CHECK(told.back().empty());
  const auto after = (*manager)->snapshot();
  CHECK(after->generation() > before->generation());
  CHECK(at(after, {"zilean", "port"}) == 2);
  CHECK(at(after, {"zilean", "log_level"}) == "INFO");
  CHECK(at(after, {"zilean", "command", "0"}) == "made");
  CHECK(at(before, {"zilean", "port"}) == 1);  // who holds the old one sees no change
}

TEST_CASE("a failed reload leaves the old snapshot and is logged", "[config][CFG-34][CFG-10]") {
  ConfigBench bench(test::small_model(), R"({"zilean": {"port": 1}})");
  auto manager = bench.open();
  REQUIRE(manager);
  const auto before = (*manager)->snapshot();
  for (const char* bad : {"{", R"({"zilean": {"port": "x"}})", R"({"nzbdav": {}, "infinidysk": {}})"}) {
    bench.write(bad);
    CHECK_FALSE((*manager)->reload());
    CHECK((*manager)->snapshot() == before);
  }
  std::filesystem::remove(bench.file());
  CHECK_FALSE((*manager)->reload());
  CHECK((*manager)->snapshot() == before);
  CHECK(bench.log.contains("ERROR configuration not reloaded"));
}

TEST_CASE("a partial update is validated with the whole block, normalised and saved",
          "[config][CFG-82][CFG-90]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  auto change =
      (*manager)->plan_block_update("zilean", object(R"({"port": 8190, "log_level": "warn"})"), Persist::yes);
  REQUIRE(change);
  CHECK(change->process_name == "Zilean");
  CHECK(bench.text() == "{}");
  REQUIRE((*manager)->write(*change));
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 8182);  // until committed
  (*manager)->commit(std::move(*change));
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 8190);
  CHECK(jsonx::parse(bench.text()).value() ==
        json::parse(R"({"zilean": {"port": 8190, "log_level": "WARNING"}})"));
}

TEST_CASE("a refused update changes neither memory nor disk", "[config][CFG-56][CFG-84]") {
  const std::string text = R"({"zilean": {"port": 1}})";
  ConfigBench bench(test::small_model(), text);
  auto manager = bench.open();
  REQUIRE(manager);
  const auto before = (*manager)->snapshot();
  const auto plan = [&](std::string_view name, std::string_view updates) {
    return (*manager)->plan_block_update(name, object(updates), Persist::yes).error();
  };
  CHECK(plan("Nobody", "{}").is(Errc::not_found));
  const auto unknown = plan("Zilean", R"({"port": 2, "prot": 1, "colour": 2})");
  CHECK(unknown.is(Errc::invalid_argument));
  CHECK_THAT(unknown.message(), ContainsSubstring("/zilean/prot") && ContainsSubstring("/zilean/colour"));
  const auto invalid = plan("Zilean", R"({"port": 2, "log_level": "loud"})");
  CHECK(invalid.is(Errc::invalid_config));
  CHECK(invalid.problems().at(0).where == "/zilean/log_level");
  CHECK(plan("Zilean", R"({"command": "", "enabled": true})").problems().at(0).where == "/zilean/command");
  CHECK((*manager)->snapshot() == before);
  CHECK(bench.text() == text);
}

TEST_CASE("an empty update changes nothing", "[config][CFG-85][CFG-87]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  const auto before = (*manager)->snapshot();
  REQUIRE(test::update(**manager, "Zilean", {}));
  CHECK((*manager)->snapshot() == before);
  CHECK((*manager)->plan_global_update({}).error().is(Errc::invalid_argument));
}

TEST_CASE("a rename is saved by path, a taken or empty name is refused", "[config][CFG-86]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  const auto taken =
      (*manager)->plan_block_update("Zilean", object(R"({"process_name": "nzb DAV"})"), Persist::yes);
  CHECK(taken.error().is(Errc::conflict));
  CHECK((*manager)
            ->plan_block_update("Zilean", object(R"({"process_name": " "})"), Persist::yes)
            .error()
            .is(Errc::invalid_config));
  auto change =
      (*manager)->plan_block_update("Zilean", object(R"({"process_name": " Indexer "})"), Persist::yes);
  REQUIRE(change);
  CHECK(change->process_name == "Indexer");
  REQUIRE((*manager)->write(*change));
  (*manager)->commit(std::move(*change));
  CHECK((*manager)->snapshot()->find("Zilean") == nullptr);
  CHECK((*manager)->snapshot()->find("Indexer")->path == JsonPath{"zilean"});
  REQUIRE((*manager)->reload());
  CHECK((*manager)->snapshot()->find("Indexer") != nullptr);
}

TEST_CASE("updates in old names are translated before they are checked", "[config][CFG-41]") {
  ConfigBench bench(test::small_model(), R"({"decypharr": {"mount_type": "dfs"}})");
  auto manager = bench.open();
  REQUIRE(manager);
  REQUIRE(test::update(**manager, "Decypharr", object(R"({"use_embedded_rclone": false})")));
  CHECK(at((*manager)->snapshot(), {"decypharr", "mount_type"}) == "external_rclone");
  CHECK(bench.text().find("use_embedded") == std::string::npos);
}

TEST_CASE("a global update is refused for keys nobody has", "[config][CFG-87]") {
  ConfigBench bench(test::small_model(), R"({"pulsarr": {"x": 1}})");
  auto manager = bench.open();
  REQUIRE(manager);
  const auto unknown = (*manager)->plan_global_update(object(R"({"tz": "UTC", "nothing": 1})"));
  CHECK(unknown.error().is(Errc::invalid_argument));
  CHECK_THAT(unknown.error().message(), ContainsSubstring("/nothing"));
  CHECK((*manager)->plan_global_update(object(R"({"puid": "x"})")).error().is(Errc::invalid_config));
  auto change = (*manager)->plan_global_update(
      object(R"({"pulsarr": {"y": 2}, "tz": "UTC", "infinidysk": {"backend_port": 5}})"));
  REQUIRE(change);
  REQUIRE((*manager)->write(*change));
  (*manager)->commit(std::move(*change));
  CHECK(jsonx::parse(bench.text()).value() ==
        json::parse(R"({"pulsarr": {"x": 1, "y": 2}, "tz": "UTC", "nzbdav": {"backend_port": 5}})"));
}

TEST_CASE("a save of overridden members warns with the variable's name", "[config][CFG-46]") {
  ConfigBench bench(test::small_model(), "{}");
  bench.environment = {{"ZILEAN_PORT", "9000"}};
  auto manager = bench.open();
  REQUIRE(manager);
  REQUIRE(test::update(**manager, "Zilean", object(R"({"log_level": "DEBUG"})")));
  CHECK(bench.text().find("9000") == std::string::npos);
  CHECK_FALSE(bench.log.contains("ZILEAN_PORT"));
  REQUIRE(test::update(**manager, "Zilean", object(R"({"port": 8500})")));
  CHECK(bench.log.contains("ZILEAN_PORT"));
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 8500);
  REQUIRE((*manager)->reload());
  CHECK(at((*manager)->snapshot(), {"zilean", "port"}) == 9000);
}

TEST_CASE("what is generated between plan and commit survives, and never reaches the disk",
          "[config][CFG-9][CFG-10]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  auto change = (*manager)->plan_block_update("Zilean", object(R"({"port": 5})"), Persist::yes);
  REQUIRE(change);
  REQUIRE((*manager)->write(*change));
  REQUIRE(test::update(**manager, "NzbDAV", object(R"({"backend_port": 6})")));
  (*manager)->set_generated({"nzbdav"}, object(R"({"command": ["made"]})"));
  (*manager)->commit(std::move(*change));
  const auto snapshot = (*manager)->snapshot();
  CHECK(at(snapshot, {"zilean", "port"}) == 5);
  CHECK(at(snapshot, {"nzbdav", "backend_port"}) == 6);
  CHECK(at(snapshot, {"nzbdav", "command", "0"}) == "made");
  CHECK(bench.text().find("made") == std::string::npos);
  (*manager)->set_generated({"nzbdav"}, {});
  CHECK(at((*manager)->snapshot(), {"nzbdav", "command"}).as_array().empty());
}

TEST_CASE("setting the same generated members again is no new generation", "[config][CFG-10]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  (*manager)->set_generated({"nzbdav"}, object(R"({"command": ["made"]})"));
  const auto one = (*manager)->snapshot();
  (*manager)->set_generated({"nzbdav"}, object(R"({"command": ["made"]})"));
  (*manager)->set_generated({"zilean"}, {});
  CHECK((*manager)->snapshot() == one);
  (*manager)->set_generated({"nzbdav"}, object(R"({"command": ["other"]})"));
  CHECK((*manager)->snapshot()->generation() == one->generation() + 1);
}

TEST_CASE("exactly the given paths are set and removed", "[config][CFG-61]") {
  ConfigBench bench(
      test::small_model(),
      R"({"sonarr": {"instances": {"A": {"process_name": "SA"}, "B": {"process_name": "SB"}}}})");
  auto manager = bench.open();
  REQUIRE(manager);
  auto change = (*manager)->plan_edits(
      {{{"sonarr", "instances", "A"}, std::nullopt, {}}, {{"zilean", "enabled"}, json::value(true), {}}});
  REQUIRE(change);
  REQUIRE((*manager)->write(*change));
  (*manager)->commit(std::move(*change));
  CHECK((*manager)->snapshot()->find("SA") == nullptr);
  CHECK((*manager)->snapshot()->find("SB") != nullptr);
  CHECK(jsonx::parse(bench.text()).value() ==
        json::parse(
            R"({"sonarr": {"instances": {"B": {"process_name": "SB"}}}, "zilean": {"enabled": true}})"));
}
