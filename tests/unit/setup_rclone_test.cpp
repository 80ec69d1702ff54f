#include "setup/rclone.hpp"

#include <algorithm>

#include "setup/obscure.hpp"
#include "support/setup_fixture.hpp"

using namespace dumb;
using namespace dumb::setup;
using test::document_with;
using test::ScopeFixture;

namespace {

using Changes = std::vector<std::pair<std::string, json::value>>;
constexpr const char* block = "/rclone/instances/RealDebrid/";

ScopeFixture remote_of(Changes changes) {
  Changes all{{"/rclone/instances/RealDebrid/zurg_enabled", false}};
  for (auto& [name, value] : changes) all.emplace_back(name.starts_with('/') ? name : block + name, value);
  return ScopeFixture(document_with(all), "rclone w/ RealDebrid");
}

std::string entry(const Remote& remote, const std::string& name) {
  for (const auto& [key, value] : remote.entries) {
    if (key == name) return value;
  }
  return "(none)";
}

std::vector<std::string> tail(const std::vector<std::string>& words, std::size_t from) {
  return {words.begin() + static_cast<std::ptrdiff_t>(std::min(from, words.size())), words.end()};
}

MountCommand mount() {
  MountCommand mount;
  mount.mount_name = "rd";
  mount.mount_point = "/mnt/debrid/rd";
  mount.config_file = "/config/rclone.config";
  mount.cache_dir = "/cache";
  mount.log_level = "INFO";
  mount.uid = 1000;
  mount.gid = 1001;
  return mount;
}

const std::vector<std::string> required{
    "rclone",          "mount",      "rd:",           "/mnt/debrid/rd",    "--config=/config/rclone.config",
    "--uid=1000",      "--gid=1001", "--allow-other", "--allow-non-empty", "--cache-dir=/cache",
    "--log-level=INFO"};

}  // namespace

TEST_CASE("obscuring gives the published check value and reveals it", "[setup][SVC-132]") {
  ObscureIv iv{};
  for (unsigned char i = 0; i < 16; ++i) iv[i] = i;
  CHECK(*obscure("eeeee", iv) == "AAECAwQFBgcICQoLDA0OD2T6AkBi");
  CHECK(reveal("AAECAwQFBgcICQoLDA0OD2T6AkBi") == "eeeee");
  CHECK(reveal(*obscure("pä$$ wörd ✓", iv)) == "pä$$ wörd ✓");
  CHECK(reveal(*obscure("", iv)) == "");
  CHECK_FALSE(reveal("short"));
  CHECK_FALSE(reveal("not base64 at all!"));
}

TEST_CASE("each direct provider has its own remote", "[setup][SVC-130]") {
  SECTION("Real-Debrid") {
    auto fixture = remote_of({{"key_type", "Real Debrid"}, {"username", "u"}, {"password", "p"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(remote->entries == Entries{{"type", "webdav"},
                                     {"url", "https://dav.real-debrid.com/"},
                                     {"vendor", "other"},
                                     {"user", "u"}});
    CHECK(remote->password == "p");
  }
  SECTION("AllDebrid") {
    auto fixture = remote_of({{"key_type", "all-debrid"}, {"api_key", "k"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "url") == "https://webdav.debrid.it/");
    CHECK(entry(*remote, "user") == "k");
    CHECK(remote->password == "eeeee");
  }
  SECTION("Premiumize") {
    auto fixture = remote_of({{"key_type", "Premiumize"}, {"api_key", "k"}, {"customer_id", "c"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "url") == "davs://webdav.premiumize.me");
    CHECK(entry(*remote, "user") == "c");
    CHECK(remote->password == "k");
    CHECK(remote->url == "https://webdav.premiumize.me");
  }
  SECTION("TorBox over WebDAV and FTP") {
    auto fixture = remote_of({{"key_type", "TorBox"}, {"username", "u"}, {"password", "p"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "vendor") == "rclone");
    CHECK(entry(*remote, "pacer_min_sleep") == "15s");
    auto ftp = remote_of({{"key_type", "torbox_ftp"}, {"username", "u"}, {"password", "p"}});
    const auto other = rclone_remote(*ftp.scope);
    REQUIRE(other);
    CHECK(other->entries == Entries{{"type", "ftp"}, {"host", "ftp.torbox.app"}, {"user", "u"}});
    CHECK(other->url.empty());
    CHECK(remote_wait(*other).empty());
  }
  SECTION("anything else is refused") {
    auto fixture = remote_of({{"key_type", "SomeCloud"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE_FALSE(remote);
    CHECK(remote.error().code() == make_error_code(Failure::unsupported_provider));
  }
  SECTION("without credentials the missing member is named") {
    auto fixture = remote_of({{"key_type", "TorBox"}, {"username", "u"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE_FALSE(remote);
    CHECK(remote.error().code() == make_error_code(Failure::missing_field));
    CHECK_THAT(remote.error().message(), ContainsSubstring("password"));
  }
}

TEST_CASE("zurg's remote follows the instance with that configuration file", "[setup][SVC-130][SVC-136]") {
  const std::string zurg = "/zurg/instances/RealDebrid/";
  SECTION("port and credentials of the instance") {
    auto fixture = remote_of({{"zurg_enabled", true},
                              {zurg + "port", 9091},
                              {zurg + "user", "me"},
                              {zurg + "password", "secret"},
                              {"zurg_config_file", "/zurg//RD/config.yml"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "url") == "http://localhost:9091/dav/");
    CHECK(entry(*remote, "user") == "me");
    CHECK(entry(*remote, "pacer_min_sleep") == "0");
    const json::array wait = remote_wait(*remote);
    CHECK(jsonx::print_compact(wait) ==
          R"([{"url":"http://localhost:9091/dav/","auth":{"user":"me","password":"secret"}}])");
  }
  SECTION("a user without password is no login") {
    auto fixture = remote_of({{"zurg_enabled", true}, {zurg + "user", "me"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "user") == "(none)");
    CHECK(remote->password.empty());
    CHECK(jsonx::print_compact(remote_wait(*remote)) == R"([{"url":"http://localhost:9090/dav/"}])");
  }
  SECTION("the port of the file when no instance has it") {
    auto fixture = remote_of({{"zurg_enabled", true}, {"zurg_config_file", "/else/config.yml"}});
    fixture.facts.files["/else/config.yml"] = "zurg: v1\nport: 7777 # mine\n";
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "url") == "http://localhost:7777/dav/");
  }
  SECTION("neither is a missing field") {
    auto fixture = remote_of({{"zurg_enabled", true}, {"zurg_config_file", "/else/config.yml"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE_FALSE(remote);
    CHECK(remote.error().code() == make_error_code(Failure::missing_field));
  }
}

TEST_CASE("decypharr's remote carries the provider in its path", "[setup][SVC-130]") {
  auto fixture =
      remote_of({{"decypharr_enabled", true}, {"key_type", "Debrid Link"}, {"/decypharr/port", 8282}});
  const auto remote = rclone_remote(*fixture.scope);
  REQUIRE(remote);
  CHECK(entry(*remote, "url") == "http://localhost:8282/webdav/debridlink");
  auto unknown = remote_of({{"decypharr_enabled", true}, {"key_type", "Premiumize"}});
  CHECK(rclone_remote(*unknown.scope).error().code() == make_error_code(Failure::unsupported_provider));
  auto both = remote_of({{"decypharr_enabled", true}, {"zurg_enabled", true}});
  CHECK(rclone_remote(*both.scope).error().code() == make_error_code(Failure::conflict));
}

TEST_CASE("nzbdav's remote uses its WebDAV login, unless only a hash is known", "[setup][SVC-130][SVC-131]") {
  SECTION("configured") {
    auto fixture = remote_of(
        {{"key_type", "nzbdav"}, {"/nzbdav/webdav_password", "pw"}, {"/nzbdav/backend_port", 8081}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "url") == "http://127.0.0.1:8081/");
    CHECK(entry(*remote, "user") == "admin");
    CHECK(remote->password == "pw");
    CHECK(remote->nzbdav);
  }
  SECTION("from the environment, chosen by core service") {
    auto fixture =
        remote_of({{"core_service", "NzbDAV"}, {"/nzbdav/env", json::object{{"WEBDAV_USER", "bob"}}}});
    fixture.context.environment["WEBDAV_PASSWORD"] = "from-env";
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(entry(*remote, "user") == "bob");
    CHECK(remote->password == "from-env");
  }
  SECTION("a hash") {
    auto fixture =
        remote_of({{"key_type", "nzbdav"}, {"/nzbdav/webdav_password", "$2b$12$abcdefghijklmnopqrstuv"}});
    const auto remote = rclone_remote(*fixture.scope);
    REQUIRE(remote);
    CHECK(remote->password.empty());
    CHECK(remote->warnings.size() == 1);
    CHECK(is_password_hash("AQAAAAEAACcQAAAAE"));
    CHECK(is_password_hash("AQIDBA=="));
    CHECK_FALSE(is_password_hash("hunter2"));
    CHECK_FALSE(is_password_hash(""));
  }
}

TEST_CASE("a pass that reveals to the same password is kept", "[setup][SVC-132]") {
  ObscureIv iv{};
  const std::string old = *obscure("pw", iv);
  Remote remote;
  remote.entries = {{"type", "webdav"}, {"pacer_min_sleep", "0"}};
  remote.password = "pw";
  CHECK(remote_entries(remote, "fresh", Entries{{"pass", old}}) ==
        Entries{{"type", "webdav"}, {"pass", old}, {"pacer_min_sleep", "0"}});
  remote.password = "other";
  CHECK(remote_entries(remote, "fresh", Entries{{"pass", old}})[1].second == "fresh");
  CHECK(remote_entries(remote, "fresh", std::nullopt)[1].second == "fresh");
  remote.password = "";
  CHECK(remote_entries(remote, "", Entries{{"pass", old}}).size() == 2);
}

TEST_CASE("mount members must be set and the name must fit", "[setup][SVC-129]") {
  json::object good{
      {"mount_dir", "/mnt"}, {"mount_name", "RD 1.a+b@c-d"}, {"config_file", "/c"}, {"cache_dir", "/d"}};
  CHECK(check_rclone(good));
  for (const char* name : {"mount_dir", "mount_name", "config_file", "cache_dir"}) {
    json::object bad = good;
    bad[name] = "  ";
    const auto checked = check_rclone(bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code() == make_error_code(Failure::missing_field));
    CHECK_THAT(checked.error().message(), ContainsSubstring(name));
  }
  for (const char* name : {"-x", " x", "a/b", "a:b", "ä", ".."}) {
    good["mount_name"] = name;
    CHECK(check_rclone(good).error().code() == make_error_code(Failure::bad_value));
  }
}

TEST_CASE("without a user command the mount has the required flags and the defaults", "[setup][SVC-134]") {
  auto words = required;
  words.insert(words.end(), {"--poll-interval=0", "--dir-cache-time=10s"});
  CHECK(rclone_mount_command({}, mount()) == words);
}

TEST_CASE("user flags stay in order, required ones are replaced", "[setup][SVC-134]") {
  const auto words = rclone_mount_command({"rclone",
                                           "mount",
                                           "old:",
                                           "/old/place",
                                           "--config",
                                           "/x",
                                           "--uid=0",
                                           "--allow-other",
                                           "--log-level",
                                           "DEBUG",
                                           "--log-file=/log/x",
                                           "--dir-cache-time",
                                           "1h",
                                           "-o",
                                           "ro",
                                           "--exclude=a",
                                           "--exclude=b",
                                           "-v",
                                           "--read-only",
                                           "--vfs-cache-mode",
                                           "full",
                                           "--cache-dir",
                                           "/elsewhere"},
                                          mount());
  auto expected = required;
  expected.insert(expected.end(), {"--poll-interval=0", "--dir-cache-time", "1h", "-o", "ro", "--exclude=a",
                                   "--exclude=b", "--read-only", "--vfs-cache-mode", "full"});
  CHECK(words == expected);
  // What was written once is stable when it comes back as the user's command.
  CHECK(rclone_mount_command(words, mount()).size() == words.size());
}

TEST_CASE("log levels are spelled as rclone knows them", "[setup][SVC-134]") {
  MountCommand one = mount();
  const auto level = [&](const char* name) {
    one.log_level = name;
    return rclone_mount_command({}, one)[10];
  };
  CHECK(level("debug") == "--log-level=DEBUG");
  CHECK(level("WARNING") == "--log-level=NOTICE");
  CHECK(level("Critical") == "--log-level=ERROR");
  CHECK(level("ERROR") == "--log-level=ERROR");
}

TEST_CASE("nzbdav mounts get their own defaults", "[setup][SVC-134]") {
  MountCommand one = mount();
  one.nzbdav = true;
  CHECK(tail(rclone_mount_command({"--vfs-cache-mode=writes", "-l"}, one), required.size()) ==
        std::vector<std::string>{"--poll-interval=0", "--dir-cache-time=1s", "--buffer-size=1024M",
                                 "--vfs-cache-max-size=5G", "--vfs-cache-max-age=180m", "--use-cookies",
                                 "--vfs-cache-mode=writes", "-l"});
}

TEST_CASE("decypharr's remote control listens on loopback on a port of its own", "[setup][SVC-135]") {
  const Changes changes{
      {"decypharr_enabled", true},
      {"/rclone/instances/Other",
       json::object{{"process_name", "other"}, {"command", "rclone mount o: /o --rc-addr=:5572"}}}};
  auto fixture = remote_of(changes);
  add_rclone_models(*fixture.scope);
  fixture.facts.listening.insert(5573);
  const auto command = fixture.scope->expand("{command|rclone-mount}");
  REQUIRE(command);
  const std::string text = jsonx::print_compact(*command);
  CHECK_THAT(text, ContainsSubstring(R"("--rc","--rc-addr","127.0.0.1:5574","--rc-no-auth")"));
  SECTION("a valid one of the user's command is kept, on loopback") {
    auto given = changes;
    given.emplace_back("command",
                       json::array{"rclone", "mount", "--rc", "--rc-addr", ":5600", "--rc-no-auth"});
    auto second = remote_of(given);
    add_rclone_models(*second.scope);
    const auto kept = second.scope->expand("{command|rclone-mount}");
    REQUIRE(kept);
    const std::string words = jsonx::print_compact(*kept);
    CHECK_THAT(words, ContainsSubstring(R"("--rc","--rc-addr","127.0.0.1:5600","--rc-no-auth")"));
    CHECK_THAT(words, !ContainsSubstring(R"(":5600")"));
  }
}

TEST_CASE("ids are the service user's, and allow-other needs root or fuse.conf",
          "[setup][SVC-134][SVC-128]") {
  auto fixture = remote_of({{"key_type", "AllDebrid"}, {"api_key", "k"}});
  add_rclone_models(*fixture.scope);
  const auto words = [&] { return jsonx::print_compact(*fixture.scope->expand("{command|rclone-mount}")); };
  CHECK_THAT(words(), ContainsSubstring("\"--uid=1000\",\"--gid=1001\",\"--allow-other\""));
  fixture.facts.root = false;
  CHECK_THAT(words(), !ContainsSubstring("--allow-other"));
  fixture.facts.files["/etc/fuse.conf"] = "# comment\nuser_allow_other\n";
  CHECK_THAT(words(), ContainsSubstring("--allow-other"));
  CHECK_THAT(words(), ContainsSubstring(R"("rclone","mount","rclone_RD:","/mnt/debrid/rclone_RD")"));
}
