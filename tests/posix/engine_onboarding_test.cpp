// Onboarding of stub services whose programs are in place: saves, order, failures, restarts, secrets.
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <dumb/base/text.hpp>

#include "engine_scratch.hpp"
#include "support/listener.hpp"
#include "support/onboarding_bench.hpp"
#include "support/onboarding_stub.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Names;
using test::OnboardingBench;
using test::Scratch;

namespace {

struct Onboarding {
  Scratch s;
  std::filesystem::path shared = s.dir / "shared";

  Onboarding() {
    std::filesystem::create_directories(shared);
    std::filesystem::permissions(shared, std::filesystem::perms(0777));
  }
  void stub(const std::string& key, const std::vector<std::string>& arguments = {},
            const std::string& configure = "[]") {
    test::write_text(s.dir / ("catalog/" + key + ".json"),
                     jsonx::print(test::stub_service(key, arguments, configure)));
    s.overlaid = true;
  }
  void stubs(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) stub(key);
  }
  /// zurg's program for one core; `segment` as ONB-24 spells it.
  void zurg(const std::string& segment) {
    const json::object service = test::stub_service("zurg");
    test::write_text(s.dir / "catalog/zurg.json", jsonx::print(service));
    s.overlaid = true;
    const auto port = static_cast<int>(service.at("defaults").at("port").as_int64());
    test::place_zurg(s.dir.path(), segment, port);
  }
  void open() { REQUIRE(s.open(Scratch::document())); }
  /// A configure list with one shell command that runs in the shared directory.
  std::string script(const std::string& command) const {
    json::object run;
    run["do"] = "run";
    run["argv"] = json::array{"/bin/sh", "-c", json::string("cd " + shared.native() + "; " + command)};
    return jsonx::print_compact(json::array{run});
  }
  onboarding::Reply onboard(std::string_view request) {
    auto reply = s.run(s.engine->onboard(OnboardingBench::request(request)));
    REQUIRE(reply);
    return std::move(*reply);
  }
  std::shared_ptr<std::optional<Result<onboarding::Reply>>> begin(std::string_view request) {
    auto out = std::make_shared<std::optional<Result<onboarding::Reply>>>();
    asio::co_spawn(s.context, s.engine->onboard(OnboardingBench::request(request)),
                   [out](std::exception_ptr, Result<onboarding::Reply> reply) { *out = std::move(reply); });
    return out;
  }
  bool in_state(const std::string& name, const std::string& state) {
    return test::run_until(s.context, [&] { return s.state(name) == state; });
  }
  std::int64_t pid(const std::string& name) { return s.engine->status(name)->pid.value_or(0); }
  ino_t config_inode() const {
    struct stat info {};
    REQUIRE(::stat((s.dir / "config/dumb_config.json").c_str(), &info) == 0);
    return info.st_ino;
  }
  void end() { s.run(s.engine->shutdown()); }
};

/// For what ends at once, on a machine that is busy.
constexpr auto patient = 2s;

constexpr std::string_view riven =
    R"({"core_services": {"name": "riven_backend", "debrid_service": "RealDebrid",
  "debrid_key": "abc123def456", "service_options": {}}, "optional_services": ["zilean", "pgadmin", "riven_frontend"]})";

std::string shown(const onboarding::ErrorEntry& entry) {
  std::string out = entry.service + " " + std::string(codec::enum_name(entry.stage)) + " " +
                    entry.process_name.value_or("-") + " |";
  for (const std::string& name : entry.not_started) out += " " + name + ",";
  return out;
}

Names shown(const onboarding::Reply& reply) {
  Names out;
  for (const auto& entry : reply.errors) out.push_back(shown(entry));
  return out;
}

}  // namespace

TEST_CASE("a key becomes a running Riven: one save before the first hook, then everything in order",
          "[engine][onboarding][ONB-30][ONB-54][ONB-55][ONB-59][ONB-64][ONB-97]") {
  Onboarding t;
  t.stub("postgres", {}, t.script("stat -c %i ../config/dumb_config.json > first-hook"));
  t.stubs({"zilean", "pgadmin", "riven_frontend", "rclone", "riven_backend"});
  t.zurg("Riven");
  std::filesystem::create_directories(t.s.dir / "mnt/debrid/riven/__all__");  // what the mount would bring
  t.open();
  const onboarding::Reply reply = t.onboard(riven);
  CHECK(shown(reply) == Names{});
  CHECK(reply.results == std::vector<onboarding::ResultEntry>{{"riven_backend", "started"}});
  const Names order{"PostgreSQL",      "Zilean",        "pgAdmin4",      "Zurg w/ Riven",
                    "Rclone w/ Riven", "Riven Backend", "Riven Frontend"};
  double last = 0;
  std::map<std::string, std::int64_t> pids;
  for (const std::string& name : order) {
    INFO(name);
    const auto status = t.s.engine->status(name);
    REQUIRE(status);
    CHECK(status->state == "running");
    CHECK(status->started_at.value_or(0) >= last);
    last = status->started_at.value_or(0);
    pids[name] = t.pid(name);
  }
  CHECK(text::trim(test::read_text(t.shared / "first-hook")) == std::to_string(t.config_inode()));
  const std::string bytes = t.s.file_text();
  CHECK(bytes.find("abc123def456") != std::string::npos);
  // The same again: not a byte, not a process.
  const ino_t inode = t.config_inode();
  const onboarding::Reply again = t.onboard(riven);
  CHECK(again.results == reply.results);
  CHECK(again.errors.empty());
  CHECK(t.s.file_text() == bytes);
  CHECK(t.config_inode() == inode);
  for (const std::string& name : order) CHECK(t.pid(name) == pids[name]);
  t.end();
}

TEST_CASE("what fails is told by stage, the rest goes on, and a retry does the rest",
          "[engine][onboarding][ONB-8][ONB-34][ONB-58][ONB-59][ONB-95]") {
  Onboarding t;
  t.s.immediate_exit_watch = patient;
  t.stub("zilean", {"--need", (t.shared / "zilean-may").native(), "--exit", "1"});
  t.stub("postgres");
  t.stub("emby", {}, t.script("test -e emby-may"));
  t.stub("jellyfin");
  t.open();
  constexpr std::string_view request =
      R"({"core_services": [{"name": "emby"}, {"name": "jellyfin"}], "optional_services": ["zilean"]})";
  const onboarding::Reply reply = t.onboard(request);
  CHECK(shown(reply) == Names{"emby setup Emby Media Server |", "zilean launch Zilean |"});
  CHECK(reply.results == std::vector<onboarding::ResultEntry>{{"jellyfin", "started"}});
  const json::value stored = *jsonx::parse(t.s.file_text());
  CHECK(stored.at("emby").at("enabled") == true);
  CHECK(stored.at("zilean").at("enabled") == true);
  const auto pid = t.pid("PostgreSQL");
  test::write_text(t.shared / "emby-may", "");
  const onboarding::Reply retry = t.onboard(request);
  CHECK(shown(retry) == Names{"zilean launch Zilean |"});
  CHECK(t.s.state("Emby Media Server") == "running");
  CHECK(t.pid("PostgreSQL") == pid);
  t.end();
}

TEST_CASE("a wait that is never met is an error of its stage", "[engine][onboarding][ONB-8][ONB-102]") {
  Onboarding t;
  t.stub("emby");
  t.s.api_wait_limit = 300ms;
  t.open();
  const onboarding::Reply reply = t.onboard(
      R"({"core_services": {"name": "emby", "service_options": {"emby": {"wait_for_dir": "/never"}}}})");
  CHECK(shown(reply) == Names{"emby wait Emby Media Server |"});
  t.end();
}

TEST_CASE("only one call runs at a time", "[engine][onboarding][ONB-5][ONB-98]") {
  Onboarding t;
  t.stub("emby", {}, t.script("while [ ! -e go ]; do sleep 0.02; done"));
  t.stub("jellyfin");
  t.open();
  const auto first = t.begin(R"({"core_services": {"name": "emby"}})");
  REQUIRE(t.in_state("Emby Media Server", "setting_up"));
  const std::string bytes = t.s.file_text();
  const auto second =
      t.s.run(t.s.engine->onboard(OnboardingBench::request(R"({"core_services": {"name": "jellyfin"}})")));
  REQUIRE_FALSE(second);
  CHECK(second.error().is(Errc::conflict));
  CHECK(t.s.file_text() == bytes);
  test::write_text(t.shared / "go", "");
  REQUIRE(test::run_until(t.s.context, [&] { return first->has_value(); }));
  CHECK((**first)->errors.empty());
  CHECK(t.onboard(R"({"core_services": {"name": "jellyfin"}})").errors.empty());
  t.end();
}

TEST_CASE("a running service is restarted when its configuration matters to it",
          "[engine][onboarding][ONB-56][ONB-40]") {
  Onboarding t;
  t.stubs({"plex_debrid", "rclone"});
  t.zurg("Plex_Debrid");
  t.open();
  const auto request = [](std::string_view key, std::string_view options) {
    return R"({"core_services": {"name": "plex_debrid", "debrid_key": ")" + std::string(key) +
           R"(", "service_options": )" + std::string(options) + "}}";
  };
  REQUIRE(t.onboard(request("first-key-of-all", "{}")).errors.empty());
  const auto zurg = t.pid("Zurg w/ Plex Debrid");
  const auto core = t.pid("Plex Debrid");
  REQUIRE(t.onboard(request("first-key-of-all", R"({"zurg": {"auto_update_interval": 12}})")).errors.empty());
  CHECK(t.pid("Zurg w/ Plex Debrid") == zurg);
  REQUIRE(t.onboard(request("second-key-of-all", "{}")).errors.empty());
  CHECK(t.pid("Zurg w/ Plex Debrid") != zurg);
  CHECK(t.s.state("Zurg w/ Plex Debrid") == "running");
  CHECK(t.pid("Plex Debrid") == core);
  t.end();
}

TEST_CASE("a process that another operation is busy with is waited for, but not for ever",
          "[engine][onboarding][ONB-5]") {
  Onboarding t;
  t.stub("emby", {}, t.script("while [ ! -e go ]; do sleep 0.02; done"));
  t.s.onboarding_patience = 200ms;
  t.open();
  auto started = std::make_shared<bool>(false);
  asio::co_spawn(t.s.context, t.s.engine->start("Emby Media Server"),
                 [started](std::exception_ptr, Result<engine::OperationReply>) { *started = true; });
  REQUIRE(t.in_state("Emby Media Server", "setting_up"));
  const onboarding::Reply reply = t.onboard(R"({"core_services": {"name": "emby"}})");
  CHECK(shown(reply) == Names{"emby launch Emby Media Server |"});
  test::write_text(t.shared / "go", "");
  REQUIRE(test::run_until(t.s.context, [&] { return *started; }));
  CHECK(t.onboard(R"({"core_services": {"name": "emby"}})").errors.empty());
  t.end();
}

TEST_CASE("a port that is lost before the service binds it is moved, saved and told",
          "[engine][onboarding][ONB-52][ONB-53]") {
  Onboarding t;
  t.s.immediate_exit_watch = patient;
  t.stub("emby", {"--listen", "{port}"}, t.script("while [ ! -e go ]; do sleep 0.02; done"));
  t.open();
  test::Listener thief;
  const int wanted = thief.port;
  thief.fd.reset();
  const auto call = t.begin(R"({"core_services": {"name": "emby", "service_options": {"emby": {"port": )" +
                            std::to_string(wanted) + "}}}}");
  REQUIRE(t.in_state("Emby Media Server", "setting_up"));
  const UniqueFd taken = test::hold_port(wanted);
  test::write_text(t.shared / "go", "");
  REQUIRE(test::run_until(t.s.context, [&] { return call->has_value(); }));
  const onboarding::Reply reply = ***call;
  CHECK(shown(reply) == Names{});
  REQUIRE(reply.port_changes.size() == 1);
  CHECK(reply.port_changes[0].from == wanted);
  CHECK(reply.port_changes[0].to > wanted);
  CHECK(jsonx::parse(t.s.file_text())->at("emby").at("port") == reply.port_changes[0].to);
  t.end();
}

TEST_CASE("a shutdown during the call ends it with the rest as errors", "[engine][onboarding][ONB-63]") {
  Onboarding t;
  t.stub("emby", {}, t.script("while [ ! -e go ]; do sleep 0.02; done"));
  t.stub("jellyfin");
  t.open();
  const auto call = t.begin(R"({"core_services": [{"name": "emby"}, {"name": "jellyfin"}]})");
  REQUIRE(t.in_state("Emby Media Server", "setting_up"));
  t.end();
  REQUIRE(test::run_until(t.s.context, [&] { return call->has_value(); }));
  REQUIRE(**call);
  CHECK((**call)->results.empty());
  CHECK((**call)->errors.size() == 2);
  CHECK((**call)->errors.back().not_started == Names{"Jellyfin Media Server"});
}

TEST_CASE("a key is in no log, event or answer, not even where a service prints it",
          "[engine][onboarding][ONB-62][ONB-101]") {
  Onboarding t;
  constexpr std::string_view key = "kEyOfNobodysBusiness42";
  t.s.immediate_exit_watch = patient;
  t.stubs({"plex_debrid", "rclone"});
  json::object zurg = test::stub_service("zurg");
  zurg["logging"] = json::object{{"captured_to_log_file", true}};
  zurg["defaults"].as_object()["log_file"] = "/log/zurg.log";
  zurg["schema"] = json::object();
  test::write_text(t.s.dir / "catalog/zurg.json", jsonx::print(zurg));
  std::filesystem::create_directories(t.s.dir / "zurg/RD/Plex_Debrid");
  const auto program = t.s.dir / "zurg/RD/Plex_Debrid/zurg";
  test::write_text(program, "#!/bin/sh\necho \"token is " + std::string(key) + "\" >&2\nexit 3\n");
  std::filesystem::permissions(program, std::filesystem::perms(0755));
  t.open();
  const onboarding::Reply reply =
      t.onboard(R"({"core_services": {"name": "plex_debrid", "debrid_key": ")" + std::string(key) +
                R"(", "service_options": {"zurg": {"password": "AnotherSecret77"}}}})");
  CHECK(shown(reply) ==
        Names{"plex_debrid launch Zurg w/ Plex Debrid | Rclone w/ Plex Debrid, Plex Debrid,"});
  t.end();
  std::string seen = jsonx::print_compact(codec::encode(reply));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(t.s.dir.path())) {
    const std::string path = entry.path().native();
    const bool own = path.find("/config/dumb_config") != std::string::npos || entry.path() == program;
    if (entry.is_regular_file() && !own) seen += test::read_text(entry.path());
  }
  CHECK(seen.find("token is") != std::string::npos);  // what was printed was looked at
  CHECK(seen.find(key.substr(0, 6)) == std::string::npos);
  CHECK(seen.find("AnotherSecret77") == std::string::npos);
  CHECK(test::read_text(t.s.dir / "config/dumb_config.json").find(key) != std::string::npos);
}

TEST_CASE("the plan of a call changes nothing", "[engine][onboarding][ONB-8a][ONB-30]") {
  Onboarding t;
  t.stubs({"postgres", "zilean", "pgadmin", "riven_frontend", "rclone", "zurg", "riven_backend"});
  t.open();
  const std::string bytes = t.s.file_text();
  const auto plan = t.s.run(t.s.engine->onboarding_plan(OnboardingBench::request(riven)));
  REQUIRE(plan);
  Names steps;
  for (const auto& step : plan->steps) steps.push_back(step.action + " " + step.process_name);
  CHECK(steps == Names{"start PostgreSQL", "start Zilean", "start pgAdmin4", "start Zurg w/ Riven",
                       "start Rclone w/ Riven", "start Riven Backend", "start Riven Frontend"});
  Names changes = plan->changes;
  // A port that somebody else takes meanwhile is moved, and told as such.
  std::erase_if(changes, [](const std::string& pointer) { return pointer.ends_with("/port"); });
  CHECK(changes == Names{"/postgres/enabled", "/pgadmin/enabled", "/rclone/instances/RealDebrid",
                         "/rclone/instances/Riven", "/riven_backend/enabled", "/riven_frontend/enabled",
                         "/zilean/enabled", "/zurg/instances/RealDebrid", "/zurg/instances/Riven"});
  CHECK(plan->changes.size() - changes.size() <= plan->port_changes.size());
  CHECK(plan->errors.empty());
  CHECK(t.s.file_text() == bytes);
  CHECK(t.s.state("PostgreSQL") == "stopped");
  t.end();
}
