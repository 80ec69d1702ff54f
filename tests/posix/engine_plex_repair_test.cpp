#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <dumb/base/text.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/engine/engine.hpp>

#include "supervisor/proc_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

/// What answers in place of Plex; stands beside the process that is supervised.
struct FakePlex {
  explicit FakePlex(asio::io_context& io) : acceptor(io, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(io, accept(), asio::detached);
  }
  int port() const { return acceptor.local_endpoint().port(); }
  asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(token);
      if (error) co_return;
      asio::co_spawn(acceptor.get_executor(), answer(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> answer(asio::ip::tcp::socket socket) {
    std::string request;
    auto buffer = asio::dynamic_buffer(request);
    auto [error, size] = co_await asio::async_read_until(socket, buffer, "\r\n\r\n", token);
    if (error) co_return;
    requests.push_back(request);
    const std::string target = text::split(request, ' ').at(1);
    const auto found = bodies.find(target);
    const std::string body = found == bodies.end() ? "" : found->second;
    std::string reply = found == bodies.end() ? "HTTP/1.1 401 Unauthorized\r\n" : "HTTP/1.1 200 OK\r\n";
    reply += "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    co_await asio::async_write(socket, asio::buffer(reply), token);
  }
  std::size_t asked(std::string_view target) const {
    std::size_t count = 0;
    for (const std::string& request : requests)
      count += request.starts_with("GET " + std::string(target) + " ");
    return count;
  }

  asio::ip::tcp::acceptor acceptor;
  std::map<std::string, std::string> bodies{{"/status/sessions", R"({"MediaContainer":{"size":0}})"},
                                            {"/livetv/dvrs", R"({"MediaContainer":{"size":0}})"}};
  std::vector<std::string> requests;
};

/// An engine whose Plex is a program of the tests and whose repair is a script. A minute lasts 10 ms.
struct Scratch {
  test::TempDir dir;
  asio::io_context context;
  FakePlex plex{context};
  std::unique_ptr<engine::Engine> engine;
  json::object repair{{"enabled", true},
                      {"interval_minutes", 5},
                      {"idle_check_minutes", 1},
                      {"max_backoff_minutes", 4},
                      {"env", json::object{{"GREETING", "hello"}}}};
  json::array steps;

  void script(const std::string& text) {
    const auto file = dir / "data/dbrepair/DBRepair.sh";
    test::write_text(file, "#!/bin/sh\ncd " + dir.path().native() + "\n" + text);
    std::filesystem::permissions(file, std::filesystem::perms(0755));
  }
  void open() {
    std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
    json::object service = catalog::Catalog::embedded().find("plex")->raw;
    service["command_from"] = "config";
    service["steps"] = json::object{{"configure", steps}, {"post_start", json::array()}};
    test::write_text(dir / "catalog/plex.json", jsonx::print(service));
    json::object file;
    file["puid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::geteuid());
    file["pgid"] = ::geteuid() == 0 ? 1000 : static_cast<int>(::getegid());
    jsonx::set(file, {"dumb", "api_service", "port"}, test::free_port());
    jsonx::set(file, {"dumb", "frontend", "enabled"}, false);
    json::object block;
    block["enabled"] = true;
    block["process_name"] = "Plex";
    block["port"] = plex.port();
    block["command"] = json::array{test::test_child()};
    block["dbrepair"] = repair;
    file["plex"] = block;
    test::write_text(dir / "config/dumb_config.json", jsonx::print(file));
    std::filesystem::create_directories(dir / "plex");
    engine::Options options;
    options.root = Root(dir.path());
    options.catalog_directory = "/catalog";
    options.environment = {{"PATH", "/usr/bin:/bin"}};
    options.log_to_standard_output = false;
    options.immediate_exit_watch = 500ms;
    options.repair_minute = 10ms;
    auto opened = engine::Engine::open(context, std::move(options));
    REQUIRE(opened);
    engine = std::move(*opened);
  }
  void boot() {
    open();
    test::run(context, engine->boot());
    REQUIRE(engine->status("Plex")->status == "running");
  }
  bool until(const std::function<bool()>& condition) { return test::run_until(context, condition); }
  pid_t pid() const { return static_cast<pid_t>(engine->status("Plex")->pid.value_or(0)); }
  std::string state(std::string_view name) const { return engine->status(name)->status; }
  bool exists(const std::string& name) const { return std::filesystem::exists(dir / name); }
  void touch(const std::string& name) const { test::write_text(dir / name, "x"); }
  std::string main_log() {
    engine->log().write(Level::info, "-");
    engine::LogQuery query;
    query.process_name = "DUMB API";
    const auto chunk = test::run(context, engine->logs(query));
    return chunk ? chunk->chunk : std::string();
  }
  bool logged(std::string_view part) {
    return until([&] { return main_log().find(part) != std::string::npos; });
  }
  std::string repair_log() const { return test::read_text(dir / "log/plex_dbrepair.log"); }
  /// So that what a test looks at does not change under it.
  void no_more_repairs() {
    engine::ConfigUpdate update;
    jsonx::set(update.updates, {"plex", "dbrepair", "enabled"}, false);
    update.persist = true;
    REQUIRE(test::run(context, engine->update_config(update)));
  }
  void end() { test::run(context, engine->shutdown()); }
};

bool is_gone(pid_t pid) {
  const auto stat = supervisor::read_stat(pid);
  return !stat || stat->state == 'Z';
}

const std::string wait_for_go = "touch begun\nwhile [ ! -e go ]; do sleep 0.02; done\n";

}  // namespace

TEST_CASE("Plex is stopped for the repair of its database and started again though it fails",
          "[engine][SVC-195][LIF-82][LIF-133]") {
  Scratch s;
  jsonx::set(s.repair, {"required_args"}, json::array{"--now"});
  s.script("echo \"$GREETING from $PWD: $*\"\n" + wait_for_go + "echo broken >&2\nexit 3\n");
  test::write_text(s.dir / "plex/Plex Media Server/Preferences.xml",
                   "<Preferences PlexOnlineToken=\"sesame-sesame\"/>");
  s.boot();
  const pid_t before = s.pid();
  CHECK(s.state("Plex DBRepair") == "idle");
  REQUIRE(s.until([&] { return s.exists("begun"); }));
  CHECK(is_gone(before));
  CHECK(s.state("Plex") == "stopped");
  CHECK(s.state("Plex DBRepair") == "running");
  CHECK(s.state("dbrepair") == "running");
  const auto health = test::run(s.context, s.engine->status_with_health("Plex DBRepair"));
  CHECK(health->status == "running");
  CHECK(health->healthy);
  CHECK(health->started_at);
  s.no_more_repairs();
  s.touch("go");
  REQUIRE(s.until([&] { return s.state("Plex") == "running"; }));
  CHECK(s.pid() != before);
  CHECK(s.state("Plex DBRepair") == "stopped");  // switched off above
  const std::string log = s.repair_log();
  CHECK_THAT(log, ContainsSubstring("] DUMB starts " + (s.dir / "data/dbrepair/DBRepair.sh").native()));
  CHECK_THAT(log, ContainsSubstring("\nhello from " + s.dir.path().native() + ": --sqlite "));
  CHECK_THAT(log, ContainsSubstring("/Databases auto --now\nbroken\n["));
  CHECK_THAT(log, ContainsSubstring("] DUMB: the repair ended with exit code 3\n"));
  CHECK(s.logged("Plex DBRepair ended with exit code 3"));
  REQUIRE(s.plex.asked("/status/sessions") == 1);
  CHECK(s.plex.asked("/livetv/dvrs") == 1);
  for (const std::string& request : s.plex.requests) {
    CHECK_THAT(request, ContainsSubstring("Accept: application/json\r\n"));
    CHECK_THAT(request, ContainsSubstring("X-Plex-Token: sesame-sesame\r\n"));
  }
  s.end();
}

TEST_CASE("a repair waits for the end of sessions and recordings", "[engine][SVC-195][LIF-133]") {
  Scratch s;
  s.script("touch ran\n");
  const std::string none = s.plex.bodies["/status/sessions"];
  const std::string one = R"({"MediaContainer":{"size":1}})";
  s.plex.bodies["/status/sessions"] = one;
  s.boot();
  const pid_t before = s.pid();
  REQUIRE(s.until([&] { return s.plex.asked("/status/sessions") >= 3; }));
  CHECK(s.logged("Plex DBRepair waits: Plex is in use"));
  CHECK_FALSE(s.exists("ran"));
  s.plex.bodies["/livetv/dvrs"] = R"({"MediaContainer":{"size":1,"Dvr":[{"key":"/livetv/dvrs/7"}]}})";
  s.plex.bodies["/livetv/dvrs/7/schedule"] = one;
  s.plex.bodies["/status/sessions"] = none;
  REQUIRE(s.until([&] { return s.plex.asked("/livetv/dvrs/7/schedule") >= 2; }));
  CHECK_FALSE(s.exists("ran"));
  CHECK(s.pid() == before);
  s.plex.bodies["/livetv/dvrs/7/schedule"] = none;
  REQUIRE(s.until([&] { return s.exists("ran"); }));
  s.end();
}

TEST_CASE("a repair is skipped when Plex does not tell, and Plex runs on", "[engine][SVC-195]") {
  Scratch s;
  s.script("touch ran\n");
  s.plex.bodies["/status/sessions"] = R"(<MediaContainer size="0"/>)";
  s.boot();
  const pid_t before = s.pid();
  CHECK(s.logged("Plex DBRepair is skipped: cannot tell whether Plex is in use"));
  s.plex.bodies.clear();
  const std::size_t asked = s.plex.requests.size();
  REQUIRE(s.until([&] { return s.plex.requests.size() > asked + 2; }));
  CHECK_FALSE(s.exists("ran"));
  CHECK(s.pid() == before);
  s.end();
}

TEST_CASE("without the repair's program there is a warning and Plex runs on", "[engine][SVC-195]") {
  Scratch s;
  s.boot();
  const pid_t before = s.pid();
  CHECK(s.logged("Plex DBRepair: /data/dbrepair/DBRepair.sh is not an executable file"));
  CHECK(s.pid() == before);
  CHECK(s.state("Plex") == "running");
  s.end();
}

TEST_CASE("a Plex that was stopped is repaired and stays stopped", "[engine][SVC-195]") {
  Scratch s;
  jsonx::set(s.repair, {"interval_minutes"}, 50);
  s.script("touch begun\n");
  s.boot();
  REQUIRE(test::run(s.context, s.engine->stop("Plex")));
  std::filesystem::remove(s.dir / "begun");
  REQUIRE(s.until([&] { return s.exists("begun"); }));
  s.no_more_repairs();
  REQUIRE(s.until([&] { return s.state("Plex DBRepair") != "running"; }));
  CHECK(s.state("Plex") == "stopped");
  s.end();
}

TEST_CASE("a start of Plex waits for the repair under way, a stop keeps it stopped", "[engine][SVC-195]") {
  Scratch s;
  s.script(wait_for_go);
  s.boot();
  REQUIRE(s.until([&] { return s.exists("begun"); }));
  s.no_more_repairs();
  bool started = false;
  asio::co_spawn(
      s.context, s.engine->start("Plex"),
      [&](std::exception_ptr, Result<engine::OperationReply> reply) { started = reply.has_value(); });
  REQUIRE(s.until([&] { return s.engine->status("Plex")->state == "setting_up"; }));
  CHECK(s.state("Plex DBRepair") == "running");
  CHECK_FALSE(started);
  SECTION("the start goes on afterwards") {
    s.touch("go");
    REQUIRE(s.until([&] { return started; }));
    CHECK(s.state("Plex") == "running");
  }
  SECTION("a stop is the last word") {
    REQUIRE(test::run(s.context, s.engine->stop("Plex")));
    s.touch("go");
    REQUIRE(s.until([&] { return s.state("Plex DBRepair") != "running"; }));
    CHECK_FALSE(started);
    CHECK(s.engine->status("Plex")->state == "stopped");
  }
  s.end();
}

TEST_CASE("a shutdown ends a repair at once and leaves Plex stopped", "[engine][SVC-195][LIF-136]") {
  Scratch s;
  s.script("echo $$ > pid\n" + wait_for_go);
  s.boot();
  REQUIRE(s.until([&] { return s.exists("begun"); }));
  const pid_t script = std::stoi(test::read_text(s.dir / "pid"));
  s.end();
  CHECK(is_gone(script));
  CHECK(s.state("Plex") == "stopped");
  CHECK_THAT(s.repair_log(), ContainsSubstring("DUMB: the repair was cancelled\n"));
}

TEST_CASE("a repair before the start of Plex is over when Plex starts, and is visible",
          "[engine][SVC-195][SVC-219][LIF-82]") {
  Scratch s;
  jsonx::set(s.repair, {"interval_minutes"}, 10080);
  jsonx::set(s.repair, {"run_before_start"}, true);
  for (const json::value& step : catalog::Catalog::embedded().find("plex")->configure) {
    if (jsonx::string_at(step.as_object(), "model") == "plex-dbrepair") s.steps.push_back(step);
  }
  REQUIRE(s.steps.size() == 1);
  s.script("echo x >> runs\n" + wait_for_go + "exit 1\n");
  s.open();
  bool booted = false;
  asio::co_spawn(s.context, s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  REQUIRE(s.until([&] { return s.exists("begun"); }));
  CHECK(s.state("Plex") == "stopped");
  CHECK(s.state("Plex DBRepair") == "running");
  SECTION("a stop ends it, and Plex does not start") {
    REQUIRE(test::run(s.context, s.engine->stop("Plex")));
    REQUIRE(s.until([&] { return booted; }));
    CHECK(s.engine->status("Plex")->state == "stopped");
    CHECK_THAT(s.repair_log(), ContainsSubstring("DUMB: the repair was cancelled\n"));
    s.end();
    return;
  }
  s.touch("go");
  REQUIRE(s.until([&] { return booted; }));
  CHECK(s.state("Plex") == "running");
  CHECK(s.state("Plex DBRepair") == "idle");
  CHECK(test::read_text(s.dir / "runs") == "x\n");
  s.end();
}
