#include <dumb/setup/install.hpp>
#include <filesystem>
#include <random>

#include "support/archives.hpp"
#include "support/async.hpp"
#include "support/release_server.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using setup::Failure;
using test::ReleaseServer, test::Said, test::Seen, test::SetupStack;
namespace fs = std::filesystem;

namespace {

const std::string zurg_name = "Zurg w/ RealDebrid";
const std::string zurg_repository = "debridmediamanager/zurg-testing";

ReleaseServer::Release zurg_release(const std::string& tag,
                                    const std::string& published = "2026-02-01T00:00:00Z") {
  ReleaseServer::Release out;
  out.tag = tag;
  out.published = published;
  out.files.push_back({"zurg-" + tag + "-linux-amd64.zip",
                       test::make_zip({{"zurg", "#!/bin/sh\necho " + tag + "\n", 0755}})});
  out.files.push_back({"zurg-" + tag + "-linux-arm64.zip",
                       test::make_zip({{"zurg", "#!/bin/sh\necho " + tag + "\n", 0755}})});
  return out;
}

/// A root with one service and a release server.
struct Install {
  ReleaseServer server;
  SetupStack stack;
  boost::asio::io_context control;
  std::string name = zurg_name;

  Install() {
    stack.set("/zurg/instances/RealDebrid/enabled", true);
    stack.set("/zurg/instances/RealDebrid/api_key", "key-of-the-test");
    for (const auto& [variable, value] : server.endpoints()) stack.environment[variable] = value;
  }
  setup::InstallOptions options(const std::string& asked = {}) {
    setup::InstallOptions out = setup::install_options(stack.context(name));
    out.pause = 1ms;
    out.asked = asked;
    out.refused_too = asked == "latest";
    return out;
  }
  Result<setup::Prepared> install(const std::string& asked = {}) {
    return test::run(control, setup::install(options(asked)));
  }
  Result<setup::Prepared> prepare(const std::string& asked = {}) {
    return test::run(control, setup::prepare_install(options(asked)));
  }
  Result<void> activate(const setup::Prepared& what) {
    return test::run(control, setup::activate_install(options(), what));
  }
  Result<void> commit() { return test::run(control, setup::commit_install(options())); }
  Result<std::string> roll_back() { return test::run(control, setup::roll_back_install(options())); }
  Result<bool> recover() { return test::run(control, setup::recover_install(options())); }
  Result<setup::UpdateCheck> check() { return test::run(control, setup::check_update(options())); }
  fs::path at(const std::string& path) const { return stack.root / path; }
  std::string text(const std::string& path) const { return stack.text(path); }
  std::string version() const {
    return json::parse(text("zurg/RD/.dumb/state.json")).at("version").as_string().c_str();
  }
  std::size_t trees() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(at("zurg/RD/.dumb/releases"))) ++count;
    return count;
  }
};

template <class T>
bool fails(const Result<T>& result, Failure code) {
  if (!result) UNSCOPED_INFO(result.error().to_string());
  return !result && result.error().code() == setup::make_error_code(code);
}

/// A member of an `ar` archive, which a Debian package is.
std::string ar_member(std::string name, const std::string& bytes) {
  std::string size = std::to_string(bytes.size());
  name.resize(16, ' ');
  size.resize(10, ' ');
  return name + "0           0     0     100644  " + size + "`\n" + bytes +
         (bytes.size() % 2 == 0 ? "" : "\n");
}

std::string make_deb(const std::vector<test::ArchiveEntry>& entries) {
  return "!<arch>\n" + ar_member("debian-binary", "2.0\n") +
         ar_member("control.tar.gz", test::make_tar_gz({{"./control", "Package: x\n"}})) +
         ar_member("data.tar.gz", test::make_tar_gz(entries));
}

}  // namespace

TEST_CASE("a service that is missing is installed before it is configured, and never again",
          "[setup][SVC-13][SVC-36][SVC-40][SVC-45][SVC-68][SVC-69][LIF-28]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v0.9.0"));
  const auto outcome = zurg.stack.configure(zurg_name);
  REQUIRE(outcome);
  CHECK(fs::read_symlink(zurg.at("zurg/RD/zurg")) == ".dumb/current/zurg");
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v0.9.0\n");
  CHECK(zurg.stack.mode(zurg.at("zurg/RD/zurg")) == 0755);
  CHECK(zurg.version() == "v0.9.0");
  CHECK(outcome->persisted.at("release_version").as_string() == "v0.9.0");
  CHECK(fs::is_regular_file(fs::symlink_status(zurg.at("zurg/RD/config.yml"))));
  CHECK(fs::read_symlink(zurg.at("zurg/RD/.dumb/current/config.yml")) == "../../../config.yml");
  if (SetupStack::is_root()) CHECK(zurg.stack.owner(fs::canonical(zurg.at("zurg/RD/zurg"))) == 1000);

  const std::size_t requests = zurg.server.requests().size();
  const auto before = zurg.stack.stamps();
  REQUIRE(zurg.stack.configure(zurg_name));
  CHECK(zurg.server.requests().size() == requests);
  CHECK(zurg.stack.stamps() == before);
}

TEST_CASE("an update is complete before anything changes, and there is a way back",
          "[setup][SVC-37][SVC-42][SVC-73][SVC-74][SVC-75][SVC-78][SVC-89]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v0.9.0"));
  REQUIRE(zurg.stack.configure(zurg_name));
  test::write_text(zurg.at("zurg/RD/data/library"), "precious");
  CHECK_FALSE(zurg.check()->newer);
  zurg.server.add(zurg_repository, zurg_release("v0.10.0", "2026-03-01T00:00:00Z"));
  const auto before = zurg.stack.stamps();
  const auto check = zurg.check();
  REQUIRE(check);
  CHECK(check->newer);
  CHECK(check->current == "v0.9.0");
  CHECK(check->available == "v0.10.0");
  for (const auto& [path, stamp] : before) {
    if (path.find("/zurg/") != std::string::npos) CHECK(zurg.stack.stamps().at(path) == stamp);
  }

  const auto prepared = zurg.prepare("latest");
  REQUIRE(prepared);
  CHECK(prepared->changed);
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v0.9.0\n");
  REQUIRE(zurg.activate(*prepared));
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v0.10.0\n");
  CHECK(zurg.version() == "v0.10.0");
  CHECK(zurg.roll_back().value() == "v0.9.0");
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v0.9.0\n");
  CHECK(zurg.version() == "v0.9.0");

  // What was taken back comes again only when somebody asks for it.
  setup::InstallOptions at_start = zurg.options("latest");
  at_start.refused_too = false;
  CHECK_FALSE(test::run(zurg.control, setup::prepare_install(at_start))->changed);

  const auto again = zurg.install("latest");
  REQUIRE(again);
  CHECK(again->changed);
  REQUIRE(zurg.commit());
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v0.10.0\n");
  CHECK(zurg.text("zurg/RD/data/library") == "precious");
  CHECK(zurg.trees() == 2);
  zurg.server.add(zurg_repository, zurg_release("v0.11.0", "2026-04-01T00:00:00Z"));
  REQUIRE(zurg.install("latest"));
  REQUIRE(zurg.commit());
  CHECK(zurg.trees() == 2);
  CHECK_FALSE(zurg.install("latest")->changed);
}

TEST_CASE("a tree that was complete when the program was killed is used without another download",
          "[setup][SVC-69][SVC-76][SVC-77]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  REQUIRE(zurg.stack.configure(zurg_name));
  zurg.server.add(zurg_repository, zurg_release("v1.1.0", "2026-03-01T00:00:00Z"));
  const auto prepared = zurg.prepare("latest");
  REQUIRE(prepared);
  const int downloads = zurg.server.count("/releases/assets/");
  CHECK_FALSE(zurg.recover().value());
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v1.0.0\n");
  const auto again = zurg.install("latest");
  REQUIRE(again);
  CHECK(again->tree == prepared->tree);
  CHECK(zurg.server.count("/releases/assets/") == downloads);
  // In use, but not proven: whoever starts next has to watch it.
  CHECK(zurg.recover().value());
  REQUIRE(zurg.commit());
  CHECK_FALSE(zurg.recover().value());
  // Killed while it was built: nothing of it stays.
  const fs::path state = zurg.at("zurg/RD/.dumb/state.json");
  json::object text = json::parse(test::read_text(state)).as_object();
  text["pending"] = json::object{{"id", "v9-half"}, {"stage", "building"}, {"started_at", 1}};
  test::write_text(state, json::serialize(text));
  test::write_text(zurg.at("zurg/RD/.dumb/releases/v9-half/zurg"), "half");
  CHECK_FALSE(zurg.recover().value());
  CHECK_FALSE(fs::exists(zurg.at("zurg/RD/.dumb/releases/v9-half")));
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v1.1.0\n");
}

TEST_CASE("a file that is not what was published is fetched once more and then refused",
          "[setup][SVC-60][SVC-78]") {
  Install zurg;
  auto release = zurg_release("v1.0.0");
  for (auto& file : release.files) file.wrong_digest = true;
  zurg.server.add(zurg_repository, release);
  const auto outcome = zurg.stack.configure(zurg_name);
  REQUIRE(fails(outcome, Failure::checksum_mismatch));
  CHECK(outcome.error().where() == zurg_name + " download");
  CHECK(zurg.server.count("/releases/assets/") == 2);
  CHECK_FALSE(fs::exists(fs::symlink_status(zurg.at("zurg/RD/zurg"))));
  CHECK(fs::is_empty(zurg.at("config/.cache/dumb/objects")));
}

TEST_CASE("faults of the server end in the next attempt or in a plain error",
          "[setup][SVC-33][SVC-55][SVC-56][SVC-226]") {
  struct Case {
    Said said;
    int times;
    std::optional<Failure> code;
  };
  Said cut{200, {}, test::make_zip({{"zurg", "x"}}), 40, 0, true};
  const std::vector<Case> cases{
      {{500, {}, ""}, 2, {}},
      {{500, {}, ""}, 99, Failure::download_failed},
      {{404, {}, ""}, 99, Failure::release_not_found},
      {{401, {}, ""}, 99, Failure::download_failed},
      {{403, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "9999999999"}}, ""},
       99,
       Failure::rate_limited},
      {{429, {{"Retry-After", "0"}}, ""}, 1, {}},
      {{200, {}, "<html>not json</html>"}, 99, Failure::release_not_found},
      {{200, {}, R"({"tag_name": "v1", "assets": []})"}, 99, Failure::no_matching_asset},
  };
  for (const Case& fault : cases) {
    Install zurg;
    zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
    zurg.server.set_fault([&](const Seen& seen, int earlier, Said& said) {
      if (seen.target.find("/releases") == std::string::npos || earlier >= fault.times) return false;
      if (fault.said.status == 200 && seen.target.find("/assets/") != std::string::npos) return false;
      said = fault.said;
      return true;
    });
    INFO(fault.said.status << " " << fault.said.body);
    const auto done = zurg.install();
    if (fault.code) {
      CHECK(fails(done, *fault.code));
      CHECK_FALSE(fs::exists(fs::symlink_status(zurg.at("zurg/RD/zurg"))));
      zurg.server.set_fault({});
    }
    // The next call completes.
    const auto next = zurg.install();
    REQUIRE(next);
    CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v1.0.0\n");
  }
}

TEST_CASE("a broken download goes on where it ended", "[setup][SVC-57]") {
  Install zurg;
  auto release = zurg_release("v1.0.0");
  std::string noise;
  std::mt19937 random(7);
  for (unsigned i = 0; i < 3'000'000; ++i) noise += static_cast<char>(random());
  for (auto& file : release.files) file.bytes = test::make_zip({{"zurg", noise, 0755}});
  zurg.server.add(zurg_repository, release);
  zurg.server.set_fault([&](const Seen& seen, int earlier, Said& said) {
    if (seen.target.find("/assets/") == std::string::npos || earlier > 0) return false;
    said = {200, {}, release.files[0].bytes, 1'200'000, 0, true};
    return true;
  });
  REQUIRE(zurg.install());
  bool resumed = false;
  for (const Seen& seen : zurg.server.requests()) resumed = resumed || seen.headers.count("range") == 1;
  CHECK(resumed);
  CHECK(zurg.text("zurg/RD/zurg") == noise);
}

TEST_CASE("an archive that would write elsewhere leaves the running version alone",
          "[setup][SVC-63][SVC-78]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  REQUIRE(zurg.install());
  REQUIRE(zurg.commit());
  auto evil = zurg_release("v2.0.0", "2026-03-01T00:00:00Z");
  for (auto& file : evil.files) file.bytes = test::make_zip({{"zurg", "x"}, {"../../evil", "x"}});
  zurg.server.add(zurg_repository, evil);
  CHECK(fails(zurg.install("latest"), Failure::archive_unsafe));
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v1.0.0\n");
  CHECK(zurg.trees() == 1);
  CHECK_FALSE(fs::exists(zurg.at("zurg/evil")));
}

TEST_CASE("a directory made by hand becomes the version to go back to", "[setup][SVC-70][SVC-72][SVC-230]") {
  Install zurg;
  test::write_text(zurg.at("zurg/RD/zurg"), "by hand");
  fs::permissions(zurg.at("zurg/RD/zurg"), fs::perms::all);
  test::write_text(zurg.at("zurg/RD/version.txt"), "latest");
  test::write_text(zurg.at("zurg/RD/config.yml"), "zurg: v1\nport: 9090\n");
  test::write_text(zurg.at("zurg/RD/data/library"), "precious");
  test::write_text(zurg.at("zurg/RD/info.db"), "rows");
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  // Present and of unknown version: a start leaves it as it is.
  REQUIRE(zurg.stack.configure(zurg_name));
  CHECK(zurg.server.requests().empty());
  CHECK_FALSE(fs::exists(zurg.at("zurg/RD/.dumb")));

  REQUIRE(zurg.install("latest"));
  CHECK(zurg.text("zurg/RD/zurg") == "#!/bin/sh\necho v1.0.0\n");
  for (const char* kept : {"config.yml", "data", "info.db"})
    CHECK_FALSE(fs::is_symlink(zurg.at(std::string("zurg/RD/") + kept)));
  CHECK(zurg.text("zurg/RD/data/library") == "precious");
  REQUIRE(zurg.roll_back());
  CHECK(zurg.text("zurg/RD/zurg") == "by hand");
  CHECK(zurg.text("zurg/RD/info.db") == "rows");
}

TEST_CASE("the token goes to the release server alone and into no log", "[setup][SVC-52][SVC-53]") {
  Install zurg;
  zurg.stack.set("/dumb/github_token", "ghp_verysecret");
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  const std::string elsewhere = "http://localhost:" + std::to_string(zurg.server.port()) + "/elsewhere";
  const auto release = zurg_release("v1.0.0");
  zurg.server.set_file("/elsewhere", {200, {}, release.files[0].bytes, std::string::npos, 0, true});
  zurg.server.set_fault([&](const Seen& seen, int, Said& said) {
    if (seen.target.find("/assets/") == std::string::npos) return false;
    said = {302, {{"Location", elsewhere}}, ""};
    return true;
  });
  REQUIRE(zurg.install());
  for (const Seen& seen : zurg.server.requests()) {
    const bool away = seen.target == "/elsewhere";
    CHECK(seen.headers.count("authorization") == (away ? 0U : 1U));
    CHECK_THAT(seen.headers.at("user-agent"), ContainsSubstring("dumb/"));
    if (seen.target.find("/assets/") != std::string::npos)
      CHECK(seen.headers.at("accept") == "application/octet-stream");
    if (seen.target.ends_with("/latest")) {
      CHECK(seen.headers.at("accept") == "application/vnd.github+json");
      CHECK(seen.headers.at("x-github-api-version") == "2022-11-28");
    }
  }
  CHECK(zurg.stack.log.text().find("ghp_verysecret") == std::string::npos);
}

TEST_CASE("an unchanged answer comes from the cache", "[setup][SVC-53]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  std::string body;
  zurg.server.set_fault([&](const Seen& seen, int, Said& said) {
    if (!seen.target.ends_with("/latest")) return false;
    const auto condition = seen.headers.find("if-none-match");
    if (condition != seen.headers.end() && condition->second == "\"one\"") {
      said = {304, {}, ""};
    } else {
      said = {
          200,
          {{"ETag", "\"one\""}},
          R"({"tag_name": "v7.0.0", "assets": [{"id": 1, "name": "zurg-v7.0.0-linux-amd64.zip", "state": "uploaded"},
        {"id": 2, "name": "zurg-v7.0.0-linux-arm64.zip", "state": "uploaded"}]})"};
    }
    return true;
  });
  CHECK(zurg.check()->available == "v7.0.0");
  CHECK(zurg.check()->available == "v7.0.0");
  const auto requests = zurg.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[1].headers.at("if-none-match") == "\"one\"");
}

TEST_CASE("a failed wish for another version starts the installed one", "[setup][SVC-38]") {
  Install zurg;
  zurg.server.add(zurg_repository, zurg_release("v1.0.0"));
  REQUIRE(zurg.stack.configure(zurg_name));
  zurg.stack.set("/zurg/instances/RealDebrid/release_version_enabled", true);
  zurg.stack.set("/zurg/instances/RealDebrid/release_version", "v8.8.8");
  REQUIRE(zurg.stack.configure(zurg_name));
  CHECK(zurg.server.count("/releases/tags/") == 2);
  CHECK_THAT(zurg.stack.log.text(), ContainsSubstring("the installed version is started"));
  CHECK(zurg.version() == "v1.0.0");
}

TEST_CASE("an Arr comes from its vendor's feed, which names the version", "[setup][SVC-47][SVC-228]") {
  Install sonarr;
  sonarr.name = "Sonarr";
  sonarr.stack.set("/sonarr/instances/Default/enabled", true);
  const std::string archive =
      test::make_tar_gz({{"Sonarr/Sonarr", "#!/bin/sh\n", 0755}, {"Sonarr/ffprobe", "x"}});
  sonarr.server.set_fault([&](const Seen& seen, int, Said& said) {
    if (!seen.target.starts_with("/v1/download/main/latest?version=4&os=linux&arch=")) return false;
    said = {
        200,     {{"Content-Disposition", "attachment; filename=Sonarr.main.4.0.9.2244.linux-x64.tar.gz"}},
        archive, std::string::npos,
        0,       true};
    return true;
  });
  const auto done = sonarr.install();
  REQUIRE(done);
  CHECK(done->version == "4.0.9.2244");
  CHECK(sonarr.text("opt/sonarr/Sonarr/Sonarr") == "#!/bin/sh\n");
  CHECK(sonarr.stack.mode(sonarr.at("opt/sonarr/Sonarr/ffprobe")) == 0755);
  REQUIRE(sonarr.commit());
  CHECK_FALSE(sonarr.install()->changed);
  CHECK_FALSE(sonarr.check()->newer);
}

TEST_CASE("a source release is built in its tree, and a build that fails leaves the old one",
          "[setup][SVC-46][SVC-62][SVC-73][SVC-81][SVC-85]") {
  Install tautulli;
  tautulli.name = "Tautulli";
  tautulli.stack.set("/tautulli/enabled", true);
  // Stands in for the interpreter: makes a venv whose programs note what they were asked.
  const fs::path tools = tautulli.stack.directory / "tools";
  test::write_text(tools / "python3.11",
                   "#!/bin/sh\nmkdir -p venv/bin\nprintf '#!/bin/sh\\necho \"$HOME\" \"$@\" >> built\\n' > "
                   "venv/bin/python\n"
                   "chmod 755 venv/bin/python\ncp venv/bin/python venv/bin/pip\n[ ! -e broken ] || { echo no "
                   "luck; exit 4; }\n");
  fs::permissions(tools / "python3.11", fs::perms(0755));
  tautulli.stack.environment["PATH"] = tools.native() + ":/usr/bin:/bin";
  const auto source = [](const std::string& version, bool broken) {
    std::vector<test::ArchiveEntry> entries{{"Tautulli-Tautulli-abc1234/Tautulli.py", version},
                                            {"Tautulli-Tautulli-abc1234/requirements.txt", ""}};
    if (broken) entries.push_back({"Tautulli-Tautulli-abc1234/broken", "x"});
    return test::make_zip(entries);
  };
  tautulli.server.add("Tautulli/Tautulli", {.tag = "v2.14.0", .source = source("one", false)});
  REQUIRE(tautulli.install());
  REQUIRE(tautulli.commit());
  CHECK(tautulli.text("tautulli/Tautulli.py") == "one");
  const std::string built = tautulli.text("tautulli/built");
  CHECK_THAT(built, ContainsSubstring("install -r requirements.txt") && ContainsSubstring("-c pass"));
  CHECK_THAT(built, ContainsSubstring("/tautulli/.dumb/releases/v2.14.0-"));
  CHECK(tautulli.text("tautulli/version.txt") == "v2.14.0\n");

  tautulli.server.add("Tautulli/Tautulli",
                      {.tag = "v2.15.0", .source = source("two", true), .published = "2026-03-01T00:00:00Z"});
  const auto failed = tautulli.install("latest");
  REQUIRE(fails(failed, Failure::build_failed));
  CHECK_THAT(failed.error().message(), ContainsSubstring("no luck"));
  CHECK(tautulli.text("tautulli/Tautulli.py") == "one");
  CHECK_FALSE(fs::exists(tautulli.at("tautulli/broken")));
}

TEST_CASE("of Emby's package its own part becomes a tree, nothing is put beside it",
          "[setup][SVC-45][SVC-61][SVC-79][SVC-198]") {
  Install emby;
  emby.name = "Emby Media Server";
  emby.stack.set("/emby/enabled", true);
  ReleaseServer::Release release;
  release.tag = "4.9.1.2";
  const std::string package = make_deb({{"./opt/emby-server/system/EmbyServer", "#!/bin/sh\n", 0755},
                                        {"./opt/emby-server/bin/emby-ffmpeg", "own", 0755},
                                        {"./etc/emby-server.conf", "x"},
                                        {"./usr/lib/systemd/system/emby.service", "x"}});
  for (const char* arch : {"amd64", "arm64"})
    release.files.push_back({std::string("emby-server-deb_4.9.1.2_") + arch + ".deb", package});
  emby.server.add("MediaBrowser/Emby.Releases", release);
  const auto done = emby.stack.configure(emby.name);
  if (!done) FAIL(done.error().to_string());
  CHECK(emby.text("opt/emby-server/system/EmbyServer") == "#!/bin/sh\n");
  CHECK(emby.stack.mode(emby.at("opt/emby-server/system/EmbyServer")) == 0755);
  CHECK(emby.text("emby/version.txt") == "4.9.1.2\n");
  CHECK_FALSE(fs::exists(emby.at("etc")));
  CHECK_FALSE(fs::exists(emby.at("usr")));
  CHECK(jsonx::scalar_text(done->generated.at("command").at(0)) == "/opt/emby-server/system/EmbyServer");
  const auto before = emby.stack.stamps();
  REQUIRE(emby.stack.configure(emby.name));
  CHECK(emby.stack.stamps() == before);
}
