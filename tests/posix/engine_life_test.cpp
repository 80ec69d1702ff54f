// Boot, waits, stopping and shutdown of whole stacks.
#include <unistd.h>

#include <csignal>

#include "engine_scratch.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Scratch;

namespace {

bool is_gone(pid_t pid) {
  const auto stat = supervisor::read_stat(pid);
  return !stat || stat->state == 'Z';
}

pid_t pid_of(Scratch& s, std::string_view name) {
  return static_cast<pid_t>(s.engine->status(name)->pid.value_or(-1));
}

/// Begins an operation that is looked at before it ends.
template <class T>
std::shared_ptr<std::optional<T>> begin(Scratch& s, asio::awaitable<T> task) {
  auto result = std::make_shared<std::optional<T>>();
  asio::co_spawn(s.context, std::move(task),
                 [result](std::exception_ptr, T value) { result->emplace(std::move(value)); });
  return result;
}

std::shared_ptr<bool> begin_shutdown(Scratch& s) {
  auto over = std::make_shared<bool>(false);
  asio::co_spawn(s.context, s.engine->shutdown(), [over](std::exception_ptr) { *over = true; });
  return over;
}

std::string last_line(const std::string& text, std::string_view with) {
  const std::size_t at = text.rfind(with);
  if (at == std::string::npos) return {};
  return text.substr(at, text.find('\n', at) - at);
}

const json::array& list_at(const json::object& block, std::string_view name) {
  return block.at(name).as_array();
}

}  // namespace

TEST_CASE("services that cannot be set up or started leave the stack running", "[engine][LIF-8]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("phalanx_db",
            R"([{"do": "require", "check": {"exists": "/no/such/file"}, "code": "not_installed"}])");
  Scratch::child_of(file, "phalanx_db", {})["process_name"] = "Unready";
  s.add(file, "bad", "Bad", Scratch::custom({"--exit", "7"}));
  s.add(file, "dependent", "Dependent", Scratch::custom({}));
  file["dependent"].as_object()["depends_on"] = json::array{"Bad", "Unready"};
  s.add(file, "good", "Good", Scratch::custom({}));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  CHECK(s.state("Bad") == "failed");
  CHECK_THAT(*s.engine->status("Bad")->state_reason, ContainsSubstring("exit code 7"));
  CHECK(s.state("Unready") == "failed");
  CHECK(s.state("Dependent") == "running");
  CHECK(s.state("Good") == "running");
  CHECK_FALSE(s.engine->shutting_down());
  const std::string log = s.main_log();
  CHECK_THAT(log,
             ContainsSubstring("ERROR - Bad failed to start: ended right after its start with exit code 7"));
  CHECK_THAT(log, ContainsSubstring("ERROR - Unready failed to start: "));
  CHECK_THAT(test::read_text(s.dir / "config/dumb_config.json"), ContainsSubstring("Bad"));
  s.run(s.engine->shutdown());
}

TEST_CASE("injected waits follow the configuration before each start and are never saved",
          "[engine][LIF-20][LIF-21]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("jellyfin");
  s.overlay("rclone");
  json::object& media = Scratch::child_of(file, "jellyfin", {});
  media["process_name"] = "Media";
  media["wait_for_mounts"] = json::array{"/user/own"};
  for (const char* name : {"One", "Two"}) {
    json::object remote = Scratch::custom({});
    remote["process_name"] = std::string("rclone ") + name;
    remote["enabled"] = std::string_view(name) == "One";
    remote["mount_dir"] = "/mnt/debrid";
    remote["mount_name"] = name;
    remote["config_dir"] = "/";
    remote["zurg_enabled"] = false;
    jsonx::set(file, {"rclone", "instances", name}, std::move(remote));
  }
  REQUIRE(s.open(file));
  const std::string before = s.file_text();
  auto over = std::make_shared<bool>(false);
  asio::co_spawn(s.context, s.engine->boot(), [over](std::exception_ptr) { *over = true; });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Media") == "waiting"; }));
  const auto waits = [&] { return list_at(*s.engine->config_of("Media"), "wait_for_mounts"); };
  CHECK(waits() == json::array{"/user/own", "/mnt/debrid/One"});
  const auto reason = [&] { return s.engine->status("Media")->state_reason.value_or(""); };
  REQUIRE(test::run_until(s.context, [&] { return reason().find("/user/own") != std::string::npos; }));
  CHECK_THAT(reason(), ContainsSubstring("/mnt/debrid/One"));
  CHECK(s.file_text() == before);

  // Another remote appears: the next start waits for its mount too.
  REQUIRE(s.run(s.engine->stop("Media")));
  REQUIRE(test::run_until(s.context, [&] { return *over; }));
  engine::ConfigUpdate update;
  update.process_name = "rclone Two";
  update.updates["enabled"] = true;
  REQUIRE(s.run(s.engine->update_config(update)));
  const auto started = begin(s, s.engine->start("Media"));
  REQUIRE(test::run_until(s.context, [&] { return s.state("Media") == "waiting"; }));
  CHECK(waits() == json::array{"/user/own", "/mnt/debrid/One", "/mnt/debrid/Two"});
  // Both have no mount; the reason names one of them and why.
  REQUIRE(test::run_until(s.context, [&] { return reason().find("/mnt/debrid/Two") != std::string::npos; }));
  CHECK_THAT(reason(), ContainsSubstring(", provided by rclone "));
  CHECK(s.file_text() == before);
  s.run(s.engine->shutdown());
  CHECK(started->has_value());
}

TEST_CASE("the health file is written and never believed", "[engine][LIF-61][LIF-60]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.add(file, "off", "Off", Scratch::custom({}));
  file["off"].as_object()["enabled"] = false;
  const auto path = s.dir / "healthcheck/running_processes.json";
  const std::string lie = "{\"Off\": " + std::to_string(::getpid()) + ", \"Svc\": 1}";
  test::write_text(path, lie);
  REQUIRE(s.open(file));
  CHECK(s.engine->status("Off")->status == "stopped");
  CHECK(s.engine->status("Svc")->status == "stopped");
  s.run(s.engine->boot());
  const pid_t pid = pid_of(s, "Svc");
  REQUIRE(test::run_until(s.context, [&] {
    const std::string text = test::read_text(path);
    return text.find(std::to_string(pid)) != std::string::npos && text.find("Off") == std::string::npos;
  }));
  test::write_text(path, lie);
  CHECK(s.engine->status("Off")->status == "stopped");
  CHECK(s.engine->status("Svc")->pid == pid);
  CHECK_FALSE(s.run(s.engine->status_with_health("Off"))->healthy);
  std::filesystem::remove(path);
  CHECK(s.engine->status("Svc")->status == "running");
  CHECK(s.run(s.engine->status_with_health("Svc"))->healthy);
  s.run(s.engine->shutdown());
}

TEST_CASE("pgAgent ends before postgres does, in a stop and in a restart", "[engine][LIF-67][LIF-49]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("postgres");
  s.overlay("pgadmin", "[]",
            R"([{"do": "launch", "process_name": "pgAgent", "argv": [")" + test::test_child() +
                R"(", "--ignore-term"]}])");
  Scratch::child_of(file, "postgres", {});
  Scratch::child_of(file, "pgadmin", {});
  const std::string database = jsonx::string_at(file["postgres"].as_object(), "process_name");
  const std::string admin = jsonx::string_at(file["pgadmin"].as_object(), "process_name");
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  REQUIRE(s.state(database) == "running");
  REQUIRE(s.state("pgAgent") == "running");
  const pid_t first = pid_of(s, database);

  const auto restarted = begin(s, s.engine->restart(database));
  REQUIRE(test::run_until(s.context, [&] { return s.state("pgAgent") == "stopping"; }));
  CHECK(pid_of(s, database) == first);
  CHECK(s.state(database) == "running");
  ::kill(pid_of(s, "pgAgent"), SIGKILL);
  REQUIRE(test::run_until(s.context, [&] { return restarted->has_value(); }));
  REQUIRE(**restarted);
  CHECK(pid_of(s, database) != first);
  CHECK(s.state("pgAgent") == "running");  // pgAdmin is enabled

  const auto stopped = begin(s, s.engine->stop(database));
  REQUIRE(test::run_until(s.context, [&] { return s.state("pgAgent") == "stopping"; }));
  CHECK(s.state(database) == "running");
  ::kill(pid_of(s, "pgAgent"), SIGKILL);
  REQUIRE(test::run_until(s.context, [&] { return stopped->has_value(); }));
  CHECK(**stopped);
  CHECK(s.state(database) == "stopped");
  CHECK(s.state("pgAgent") == "stopped");
  s.run(s.engine->shutdown());
}

TEST_CASE("tiers go by what runs, whatever the configuration says of it by then", "[engine][LIF-74]") {
  for (const bool removed : {false, true}) {
    INFO("block removed: " << removed);
    Scratch s;
    auto file = Scratch::document();
    s.overlay("postgres");
    Scratch::child_of(file, "postgres", {});
    const std::string database = jsonx::string_at(file["postgres"].as_object(), "process_name");
    // A custom service is of an earlier tier than the database; nothing else orders the two.
    s.add(file, "app", "App", Scratch::custom({"--ignore-term"}));
    REQUIRE(s.open(file));
    s.run(s.engine->boot());
    const pid_t pid = pid_of(s, database);
    REQUIRE_FALSE(is_gone(pid));
    if (removed) {
      jsonx::set(file, {"postgres", "process_name"}, "Another");
    }
    jsonx::set(file, {"postgres", "enabled"}, false);
    test::write_text(s.dir / "config/dumb_config.json", jsonx::print(file));
    REQUIRE(s.engine->reload());
    const auto over = begin_shutdown(s);
    REQUIRE(test::run_until(s.context, [&] { return s.state("App") == "stopping"; }));
    CHECK_FALSE(is_gone(pid));
    CHECK(s.state(database) == "running");
    ::kill(pid_of(s, "App"), SIGKILL);
    REQUIRE(test::run_until(s.context, [&] { return *over; }));
    CHECK(is_gone(pid));
  }
}

TEST_CASE("the last line tells how long a shutdown took and what it had to kill", "[engine][LIF-80]") {
  Scratch quiet;
  auto file = Scratch::document();
  quiet.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(quiet.open(file));
  quiet.run(quiet.engine->boot());
  quiet.run(quiet.engine->shutdown());
  const std::string calm = last_line(quiet.main_log(), "shut down in ");
  CHECK_THAT(calm, ContainsSubstring(" s, nothing had to be killed, nothing is left"));

  Scratch s;
  file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.add(file, "deaf", "Deaf", Scratch::custom({"--ignore-term"}));
  jsonx::set(file, {"dumb", "shutdown_timeout"}, 3);
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  const pid_t pid = pid_of(s, "Deaf");
  const auto begun = std::chrono::steady_clock::now();
  s.run(s.engine->shutdown());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  CHECK(is_gone(pid));
  const std::string line = last_line(s.main_log(), "shut down in ");
  CHECK_THAT(line, ContainsSubstring(" s; killed: Deaf, nothing is left") && !ContainsSubstring("Svc"));
  const double told = std::stod(line.substr(std::string_view("shut down in ").size()));
  CHECK(told > 0.9);  // the budget less what is kept for unmounting
  CHECK(told <= took.count());
}

TEST_CASE("a budget ends a stop that has begun before it, and postgres is told to quit first",
          "[engine][LIF-79]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("postgres");
  Scratch::child_of(file, "postgres", {"--ignore-int"});
  const std::string database = jsonx::string_at(file["postgres"].as_object(), "process_name");
  s.add(file, "deaf", "Deaf", Scratch::custom({"--ignore-term"}));
  jsonx::set(file, {"dumb", "shutdown_timeout"}, 9);
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  const auto stopped = begin(s, s.engine->stop("Deaf"));
  REQUIRE(test::run_until(s.context, [&] { return s.state("Deaf") == "stopping"; }));
  const auto begun = std::chrono::steady_clock::now();
  s.run(s.engine->shutdown());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  CHECK(took.count() > 4.9);  // what is reserved for the database
  CHECK(took.count() < 9.0);
  CHECK(stopped->has_value());
  const std::string log = s.main_log();
  CHECK_THAT(log, ContainsSubstring(database + " has not ended in its time and is told to quit"));
  CHECK_THAT(last_line(log, "shut down in "), ContainsSubstring("killed: Deaf, nothing is left"));
}

TEST_CASE("the waits of a start that was asked for end and name what is missing, those of a boot do not",
          "[engine][API-32]") {
  Scratch s;
  s.api_wait_limit = 300ms;
  auto file = Scratch::document();
  const int port = test::free_port();
  const auto add = [&](const char* key, const char* name, json::object waits) {
    s.add(file, key, name, Scratch::custom({}));
    for (auto& [member, value] : waits) file[key].as_object()[member] = value;
    file[key].as_object()["enabled"] = false;
  };
  json::object url;
  url["url"] = "http://127.0.0.1:" + std::to_string(port) + "/ready?token=querysecret1";
  url["auth"] = json::object{{"user", "me"}, {"password", "authsecret12"}};
  add("dir", "Dir", {{"wait_for_dir", "/never/there"}});
  add("mount", "Mount", {{"wait_for_mounts", json::array{"/never/mounted"}}});
  add("url", "Url", {{"wait_for_url", json::array{url}}});
  s.add(file, "booted", "Booted", Scratch::custom({}));
  file["booted"].as_object()["wait_for_dir"] = "/never/either";
  REQUIRE(s.open(file));
  auto over = std::make_shared<bool>(false);
  asio::co_spawn(s.context, s.engine->boot(), [over](std::exception_ptr) { *over = true; });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Booted") == "waiting"; }));
  const auto told = [&](const char* name) {
    const auto started = s.run(s.engine->start(name));
    REQUIRE_FALSE(started);
    CHECK(started.error().is(Errc::timed_out));
    CHECK(s.state(name) == "failed");
    return started.error().message();
  };
  CHECK_THAT(told("Dir"), ContainsSubstring("/never/there") && !ContainsSubstring(s.dir.path().native()));
  CHECK_THAT(told("Mount"), ContainsSubstring("/never/mounted"));
  const std::string missing = told("Url");
  CHECK_THAT(missing, ContainsSubstring("127.0.0.1:" + std::to_string(port) + "/ready"));
  CHECK_THAT(missing, !ContainsSubstring("secret") && !ContainsSubstring("me"));
  CHECK(s.state("Booted") == "waiting");
  // A limit is of its own start only.
  CHECK(s.run(s.engine->stop("Booted")));
  s.run(s.engine->shutdown());
  CHECK(test::run_until(s.context, [&] { return *over; }));
}

TEST_CASE("a child gets the account's home, and no other process's environment", "[engine][SVC-23][LIF-51]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("phalanx_db", R"([{"do": "set", "fields": {"env.FROM_HOOK": "prepared for one"}}])");
  Scratch::child_of(file, "phalanx_db", {"--env", "FROM_HOOK", "--env", "HOME"});
  jsonx::set(file, {"phalanx_db", "process_name"}, "Hooked");
  jsonx::set(file, {"phalanx_db", "log_file"}, "/log/hooked.log");
  s.add(file, "other", "Other",
        Scratch::custom({"--env", "FROM_HOOK", "--env", "HOME", "--env", "NOTIFY_SOCKET"}));
  s.add(file, "own", "Own", Scratch::custom({"--env", "HOME"}));
  file["own"].as_object()["env"] = json::object{{"HOME", "/of/my/own"}};
  s.environment["HOME"] = "/of/the/daemon";
  s.environment["NOTIFY_SOCKET"] = "/of/the/daemon/notify";
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  s.run(s.engine->shutdown());
  const std::string log = s.main_log() + s.log("other.log") + s.log("own.log");
  CHECK_THAT(log, ContainsSubstring("Hooked subprocess: FROM_HOOK=prepared for one"));
  CHECK_THAT(log, ContainsSubstring("Other subprocess: FROM_HOOK is unset"));
  CHECK_THAT(log, ContainsSubstring("Other subprocess: NOTIFY_SOCKET is unset"));
  CHECK_THAT(log, ContainsSubstring("Own subprocess: HOME=/of/my/own"));
  if (::geteuid() == 0) {
    CHECK_THAT(log, !ContainsSubstring("HOME=/of/the/daemon"));
    CHECK_THAT(
        log, ContainsSubstring("Hooked subprocess: HOME=/") && ContainsSubstring("Other subprocess: HOME=/"));
  } else {
    CHECK_THAT(log, ContainsSubstring("Other subprocess: HOME=/of/the/daemon"));
  }
}

TEST_CASE("services run as the service user, rclone as who runs the stack", "[engine][SVC-24][LIF-54]") {
  Scratch s;
  auto file = Scratch::document();
  s.overlay("rclone");
  s.overlay("phalanx_db");
  const int port = test::free_port();
  s.add(file, "provider", "Provider", Scratch::custom({"--listen", std::to_string(port)}));
  test::write_text(s.dir / "provider/config.yml", "zurg: v1\nport: " + std::to_string(port) + "\n");
  json::object remote = Scratch::custom({"--ids"});
  remote["process_name"] = "Remote";
  remote["config_dir"] = "/";
  remote["zurg_config_file"] = "/provider/config.yml";
  jsonx::set(file, {"rclone", "instances", "One"}, std::move(remote));
  Scratch::child_of(file, "phalanx_db", {"--ids"})["process_name"] = "Known";
  s.add(file, "custom", "Custom", Scratch::custom({"--ids"}));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  s.run(s.engine->shutdown());
  const std::string log = s.main_log();
  const std::string self = "uid=" + std::to_string(::getuid()) + " gid=" + std::to_string(::getgid());
  const std::string user = ::geteuid() == 0 ? "uid=1000 gid=1000" : self;
  CHECK_THAT(log, ContainsSubstring("Remote subprocess: " + self));
  CHECK_THAT(log, ContainsSubstring("Known subprocess: " + user));
  CHECK_THAT(log, ContainsSubstring("Custom subprocess: " + user));
  for (const catalog::Service& service : catalog::Catalog::embedded().services()) {
    INFO(service.key);
    const bool itself = service.key == "dumb_api_service";
    CHECK(service.run_as == (service.key == "rclone" ? "root" : itself ? "daemon" : "service"));
  }
}
