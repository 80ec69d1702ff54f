// What services say while no server is there.
#include <signal.h>

#include "ground.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// The keeper over this root; 0 when there is none.
int keeper_of(const fs::path& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = text::to_int(entry.path().filename().native());
    if (!pid) continue;
    std::ifstream in(entry.path() / "comm");
    std::string name;
    std::getline(in, name);
    if (name != "dumb-keeper") continue;
    const fs::path held = fs::read_symlink(entry.path() / "fd/5", error);
    if (!error && held == root / "run/dumb" && alive(static_cast<int>(*pid))) return static_cast<int>(*pid);
  }
  return 0;
}

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// Says `words` on both streams, then ends, when the file `go` appears.
json::object speaker(Ground& ground, std::string_view name, bool own_file = true) {
  return ground.block(name,
                      {"--text", "first", "--wait-for", ground.root() / "notes/go", "--print", "500",
                       "--text", "last words", "--error", "last complaint", "--exit", "0"},
                      own_file);
}

void let_go(Ground& ground, const std::vector<int>& pids) {
  write_text(ground.root() / "notes/go", "");
  for (const int pid : pids) REQUIRE(eventually([&] { return !alive(pid); }));
  // Who is started after them waits.
  fs::remove(ground.root() / "notes/go");
}

void check_words(const std::string& log, std::string_view name) {
  const std::string before = std::string(name) + " subprocess: ";
  CAPTURE(name);
  CHECK(count_of(log, before + "last words") == 1);
  CHECK(count_of(log, before + "last complaint") == 1);
  CHECK(count_of(log, before + "line ") == 500);
  CHECK(count_of(log, before + "line 500\n") == 1);
}

}  // namespace

TEST_CASE("what a service that ends while no server runs has written is in its log, once",
          "[server][LIF-105][LIF-125][LIF-174]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = speaker(ground, "One");
    services["two"] = speaker(ground, "Two", false);  // into the main log
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int one = ground.await_pid("One");
  const int two = ground.await_pid("Two");
  const fs::path log = ground.root() / "log/one.log";
  REQUIRE(eventually([&] { return keeper_of(ground.root()) != 0; }));
  bool lost_keeper = false;
  SECTION("a kill") {
    ground.kill();
  }
  SECTION("a kill after a handover") {
    const int keeper = keeper_of(ground.root());
    ground.server().signal(SIGUSR2);
    REQUIRE(eventually([&] { return ground.adopted("One") && ground.adopted("Two"); }));
    CHECK(keeper_of(ground.root()) == keeper);
    ground.kill();
  }
  SECTION("a kill after one of the keeper") {
    lost_keeper = true;
    const int keeper = keeper_of(ground.root());
    ::kill(keeper, SIGKILL);
    CHECK(ground.server().prints("another one is started"));
    REQUIRE(eventually([&] { return keeper_of(ground.root()) > 0 && keeper_of(ground.root()) != keeper; }));
    // The new one has been given everything as soon as the services were told of.
    REQUIRE(eventually([&] {
      std::error_code error;
      std::size_t held = 0;
      for (const auto& entry :
           fs::directory_iterator("/proc/" + std::to_string(keeper_of(ground.root())) + "/fd", error)) {
        const fs::path target = fs::read_symlink(entry.path(), error);
        held += target.extension() == ".out" || target.extension() == ".err";
      }
      return held == 4;
    }));
    ground.kill();
  }
  let_go(ground, {one, two});
  ground.start();
  // A zombie that nobody reaps is found and ends at once; how it ended is not known either way.
  CHECK(eventually([&] {
    const std::string told = ground.server().output();
    return told.find("One ended while nobody supervised it") != std::string::npos ||
           told.find("One ended by itself: exit status unknown") != std::string::npos;
  }));
  REQUIRE(eventually([&] { return read_text(log).find("last complaint") != std::string::npos; }));
  REQUIRE(ground.await_pid("One") != one);
  REQUIRE(ground.await_pid("Two") != two);
  check_words(read_text(log), "One");
  check_words(ground.main_log(), "Two");
  CHECK(count_of(ground.main_log(), "keeper") == (lost_keeper ? 1 : 0));
  ground.stop();
  CHECK(eventually([&] { return keeper_of(ground.root()) == 0; }));
}

TEST_CASE("the keeper is nobody's orphan", "[server][LIF-174]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    services["two"] = ground.block("Two", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int one = ground.await_pid("One");
  const int two = ground.await_pid("Two");
  REQUIRE(eventually([&] { return keeper_of(ground.root()) != 0; }));
  const int keeper = keeper_of(ground.root());
  SECTION("the stop of a service leaves it, the shutdown ends it") {
    const Answer answer =
        request(ground.port(), "POST", "/process/stop-service", R"({"process_name": "One"})");
    CHECK(answer.status == 200);
    CHECK(keeper_of(ground.root()) == keeper);
    ground.stop();
    CHECK_FALSE(fs::exists("/proc/" + std::to_string(keeper)));  // not even for an instant
  }
  SECTION("after a kill it ends when nothing is left that somebody could want") {
    REQUIRE(eventually([&] { return ground.main_log().find("One started") != std::string::npos; }));
    REQUIRE(eventually([&] { return count_of(read_text(ground.root() / "log/one.log"), "hello") == 1; }));
    REQUIRE(eventually([&] { return count_of(read_text(ground.root() / "log/two.log"), "hello") == 1; }));
    ground.kill();
    ::kill(one, SIGKILL);
    REQUIRE(eventually([&] { return !alive(one); }));
    CHECK(alive(keeper));
    ::kill(two, SIGKILL);
    CHECK(eventually([&] { return !alive(keeper); }));
  }
  SECTION("after a kill it does not outlive its directory") {
    ground.kill();
    ::kill(one, SIGKILL);
    ::kill(two, SIGKILL);
    fs::remove_all(ground.root() / "run");
    CHECK(eventually([&] { return !alive(keeper); }));
  }
}

TEST_CASE("readiness that a service tells while no server runs is heard by the next",
          "[server][LIF-125][LIF-138][LIF-174]") {
  Scene scene([](Ground& ground) {
    json::object services;
    json::object one =
        ground.block("One", {"--wait-for", ground.root() / "notes/go", "--notify", "READY=1\nSTATUS=well",
                             "--notify", "WATCHDOG=1", "--touch", ground.root() / "notes/told"});
    one["readiness"] = parsed(R"({"notify": true, "start_timeout_ms": 600000})");
    services["one"] = std::move(one);
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  int pid = 0;
  REQUIRE(eventually([&] {
    const json::object now = ground.status("One");
    const json::value* value = now.if_contains("pid");
    pid = value != nullptr && value->is_number() ? value->to_number<int>() : 0;
    return pid > 0;
  }));
  const auto ready = [&] {
    const Answer answer =
        request(ground.port(), "GET", "/process/service-status?include_health=true&process_name=One");
    const json::object now = parsed(answer.body).as_object();
    const json::value* value = now.if_contains("healthy");
    return value != nullptr && value->is_bool() && value->get_bool();
  };
  CHECK_FALSE(ready());
  const auto say = [&] { write_text(ground.root() / "notes/go", ""); };
  const auto said = [&] { return fs::exists(ground.root() / "notes/told"); };
  SECTION("after a kill") {
    ground.kill();
    say();
    REQUIRE(eventually(said));
    ground.start();
  }
  SECTION("after two kills") {
    ground.kill();
    say();
    REQUIRE(eventually(said));
    ground.start();
    REQUIRE(eventually(ready));
    ground.kill();
    ground.start();
  }
  SECTION("during a handover") {
    ground.server().signal(SIGUSR2);
    REQUIRE(ground.server().prints("hands over to another dumb-server"));
    say();
  }
  CHECK(eventually(ready));
  CHECK(eventually([&] { return ground.await_pid("One") == pid; }));
  CHECK(ground.starts("one") == 1);
  ground.stop();
}
