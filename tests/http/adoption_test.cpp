#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <random>
#include <thread>

#include "ground.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

TEST_CASE("children outlive a killed server, and the next one goes on with them",
          "[server][LIF-57][LIF-58][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  CHECK_FALSE(ground.adopted("One"));
  const double since = ground.status("One").at("started_at").to_number<double>();
  ground.kill();
  CHECK(alive(pid));
  ground.start();
  CHECK(ground.server().prints("One goes on with pid " + std::to_string(pid)));
  CHECK(ground.await_pid("One") == pid);
  CHECK(ground.adopted("One"));
  CHECK(ground.status("One").at("started_at").to_number<double>() == Approx(since).margin(0.001));
  CHECK(ground.starts("one") == 1);
  SECTION("its end is seen, and how it ended is not guessed") {
    REQUIRE(eventually([&] { return ground.booted(); }, 60s));
    ::kill(pid, SIGKILL);
    REQUIRE(eventually([&] { return !ground.running("One"); }));
    CHECK_THAT(jsonx::string_at(ground.status("One"), "state_reason"),
               ContainsSubstring("exit status unknown"));
    ground.stop();
  }
  SECTION("a stop ends it") {
    ground.stop();
    CHECK_FALSE(alive(pid));
    CHECK(ground.state_file("one").empty());
  }
  SECTION("it can be restarted, and is not adopted any more then") {
    const Answer answer =
        request(ground.port(), "POST", "/process/restart-service", R"({"process_name": "One"})");
    CHECK(answer.status == 200);
    CHECK(ground.await_pid("One") != pid);
    CHECK_FALSE(ground.adopted("One"));
    CHECK(ground.starts("one") == 2);
    ground.stop();
  }
}

TEST_CASE("no line is lost or doubled and nothing started twice when the server is killed at any moment",
          "[server][LIF-105][LIF-125]") {
  const int count = rounds();
  const std::string span = std::to_string(2'000 + count * 250);
  Scene scene([&](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--numbers", span});
    services["two"] = ground.block("Two", {"--numbers", span});
    services["three"] = ground.block("Three", {"--numbers", span}, false);  // main log only
    return services;
  });
  Ground& ground = scene.ground;
  const unsigned seed = std::random_device()();
  INFO("seed " << seed << ", " << count << " rounds");
  std::mt19937 random(seed);
  ground.start();
  for (const char* name : {"One", "Two", "Three"}) ground.await_pid(name);
  for (int round = 0; round < count; ++round) {
    // Not before the address is known: the moments of adoption itself are hit by short delays after it.
    ground.port();
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 150'000);
    eventually([&] { return std::chrono::steady_clock::now() >= end; });
    ground.kill();
    ground.start();
  }
  for (const char* name : {"One", "Two", "Three"}) {
    CAPTURE(name);
    ground.await_pid(name);
    CHECK(ground.adopted(name));
    CHECK(ground.starts(text::slug(name)) == 1);
  }
  for (const char* slug : {"one", "two"}) {
    CAPTURE(slug);
    const auto file = ground.root() / ("log/" + std::string(slug) + ".log");
    REQUIRE(eventually([&] { return ended(file); }, 60s));
    CHECK(fault_of_numbers(file).empty());
  }
  ground.stop();
}

TEST_CASE("a state file that is missing, torn or of another boot costs no child", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  ground.kill();
  const auto file = ground.state_file("one");
  REQUIRE(!file.empty());
  json::object record = parsed(read_text(file)).as_object();
  std::string says;
  SECTION("missing") {
    std::filesystem::remove(file);
  }
  SECTION("torn") {
    const std::string text = read_text(file);
    write_text(file, text.substr(0, text.size() / 2));
    says = "cannot be read";
  }
  SECTION("of another boot") {
    record["boot"] = "11111111-2222-3333-4444-555555555555";
    write_text(file, jsonx::print(record));
    says = "of another boot";
  }
  ground.start();
  CHECK(ground.await_pid("One") == pid);  // by its mark
  CHECK(ground.adopted("One"));
  CHECK(ground.starts("one") == 1);
  if (!says.empty()) CHECK(ground.server().prints(says));
  ground.stop();
  CHECK_FALSE(alive(pid));
}

TEST_CASE("a process that only has the recorded pid is never touched", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--ignore-term"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  ground.kill();
  ::kill(pid, SIGKILL);
  REQUIRE(eventually([&] { return !alive(pid); }));
  Program bystander({test_child(), "--text", "here"}, {"PATH=/usr/bin:/bin"});
  REQUIRE(bystander.prints("here"));
  const auto file = ground.state_file("one");
  json::object record = parsed(read_text(file)).as_object();
  record["pid"] = bystander.pid();
  write_text(file, jsonx::print(record));
  ground.start();
  CHECK(ground.server().prints("One ended while nobody supervised it"));
  CHECK(ground.await_pid("One") != bystander.pid());
  CHECK(ground.starts("one") == 2);
  CHECK_FALSE(ground.adopted("One"));
  ground.stop();
  CHECK(bystander.wait(0ms) == std::nullopt);
  CHECK(alive(bystander.pid()));
}

TEST_CASE("an adopted service whose block was disabled or removed stays, listed, until it is stopped",
          "[server][LIF-125]") {
  const bool removed = GENERATE(false, true);
  CAPTURE(removed);
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  ground.kill();
  const auto config = ground.root() / "config/dumb_config.json";
  json::value document = parsed(read_text(config));
  if (removed) {
    document.as_object().stable_erase("one");
  } else {
    document.at("one").as_object()["enabled"] = false;
  }
  write_text(config, jsonx::print(document));
  ground.start();
  CHECK(ground.server().prints(removed ? "no longer in the configuration" : "is disabled and left running"));
  CHECK(ground.await_pid("One") == pid);
  const Answer answer = request(ground.port(), "POST", "/process/stop-service", R"({"process_name": "One"})");
  CHECK(answer.status == 200);
  CHECK_FALSE(alive(pid));
  ground.stop();
}

TEST_CASE("what was stopped and what has done its work is left so by the next server", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    services["two"] = ground.block("Two", {"--text", "hello"});
    services["job"] = ground.block("Job", {"--exit", "0"});
    json::object need;
    need["process_name"] = "Job";
    need["condition"] = "completed_successfully";
    services["two"].as_object()["depends_on"] = json::array{need};
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int one = ground.await_pid("One");
  const int two = ground.await_pid("Two");
  const std::string body = R"({"process_name": "One"})";
  REQUIRE(request(ground.port(), "POST", "/process/stop-service", body).status == 200);
  REQUIRE_FALSE(alive(one));
  const auto reason = [&](std::string_view name) {
    return jsonx::string_at(ground.status(name), "state_reason");
  };
  bool again = false;
  SECTION("a kill") {
    ground.kill();
    ground.start();
  }
  SECTION("two kills") {
    ground.kill();
    ground.start();
    REQUIRE(ground.await_pid("Two") == two);
    ground.kill();
    ground.start();
  }
  SECTION("SIGUSR2") {
    ground.server().signal(SIGUSR2);
    REQUIRE(eventually([&] { return ground.adopted("Two"); }));
  }
  SECTION("an orderly end of the stack, which starts everything anew") {
    again = true;
    ground.stop();
    ground.start();
  }
  SECTION("another life of the processes here, like that of a container") {
    again = true;
    ground.kill();
    const auto file = ground.root() / "run/dumb/rest.json";
    json::object rest = parsed(read_text(file)).as_object();
    rest["life"] = "another";
    write_text(file, jsonx::print(rest));
    ground.start();
  }
  if (again) {
    ground.await_pid("One");
    CHECK(ground.starts("one") == 2);
    ground.stop();
    return;
  }
  CHECK(ground.await_pid("Two") == two);
  CHECK(ground.adopted("Two"));
  REQUIRE(eventually([&] { return ground.booted(); }, 60s));
  CHECK(reason("One") == "was stopped before");
  CHECK(reason("Job") == "completed: exit code 0");
  CHECK(ground.starts("one") == 1);
  CHECK(ground.starts("job") == 1);
  // It is a service like any other.
  REQUIRE(request(ground.port(), "POST", "/process/start-service", body).status == 200);
  ground.await_pid("One");
  ground.kill();
  ground.start();
  CHECK(ground.await_pid("One") > 0);
  CHECK(ground.adopted("One"));
  CHECK(ground.starts("one") == 2);
  ground.stop();
}

TEST_CASE("a stop that a kill of the server interrupted goes on", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--ignore-term"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  Program asking({DUMB_CLI, "--url", "http://127.0.0.1:" + std::to_string(ground.port()), "stop", "One"}, {});
  const bool seen = eventually([&] { return jsonx::string_at(ground.status("One"), "state") == "stopping"; });
  ground.kill();
  CHECK(asking.wait() != 0);
  REQUIRE(seen);
  CHECK(alive(pid));
  ground.start();
  const auto state = [&] { return jsonx::string_at(ground.status("One"), "state"); };
  CHECK(eventually([&] { return state() == "stopping"; }));
  CHECK(ground.starts("one") == 1);
  ::kill(pid, SIGKILL);
  CHECK(eventually([&] { return state() == "stopped"; }));
  CHECK(ground.starts("one") == 1);
  ground.stop();
}

namespace {

/// The whole status of a service, with its restarts.
json::object restarts_of(Ground& ground, std::string_view name) {
  const std::string target =
      "/process/service-status?include_health=true&process_name=" + text::percent_encode(name);
  return parsed(request(ground.port(), "GET", target).body).at("restart").as_object();
}

}  // namespace

TEST_CASE("a crash loop and a restart that waits are what they were to the next server",
          "[server][LIF-91][LIF-95][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["loop"] = ground.block("Loop", {"--exit", "7"});
    services["later"] = ground.block("Later", {"--exit", "7"});
    services["other"] = ground.block("Other", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  const auto config = ground.root() / "config/dumb_config.json";
  json::value document = parsed(read_text(config));
  document.at("dumb").as_object()["auto_restart"] = parsed(R"({"enabled": true, "services": [
      {"process_name": "Loop", "backoff_seconds": [0.05], "max_restarts": 2, "window_seconds": 3600},
      {"process_name": "Later", "backoff_seconds": [3000]}, "Other"]})");
  write_text(config, jsonx::print(document));
  ground.start();
  const auto state = [&](std::string_view name) { return jsonx::string_at(ground.status(name), "state"); };
  const auto reason = [&](std::string_view name) {
    return jsonx::string_at(ground.status(name), "state_reason");
  };
  REQUIRE(eventually([&] { return restarts_of(ground, "Loop").at("crash_loop").as_bool(); }, 60s));
  REQUIRE(eventually([&] { return state("Later") == "backoff"; }));
  const int other = ground.await_pid("Other");
  ::kill(other, SIGKILL);
  REQUIRE(eventually([&] { return state("Other") == "backoff"; }));
  REQUIRE(ground.await_pid("Other") != other);
  REQUIRE(ground.starts("other") == 2);
  json::object loop = restarts_of(ground, "Loop");
  json::object later = restarts_of(ground, "Later");
  json::object again = restarts_of(ground, "Other");
  CHECK(loop.at("restart_attempts") == 2);
  CHECK(again.at("restart_successes") == 1);
  const std::string why = reason("Later");
  // It is written a moment after each change.
  REQUIRE(eventually([&] {
    const json::value file = parsed(read_text(ground.root() / "run/dumb/restarts.json"));
    for (const json::value& service : file.at("services").as_array()) {
      if (service.at("process_name") == "Other") return service.at("restarts").at("successes") == 1;
    }
    return false;
  }));
  SECTION("a kill") {
    ground.kill();
    ground.start();
  }
  SECTION("SIGUSR2") {
    ground.server().signal(SIGUSR2);
    REQUIRE(eventually([&] { return ground.adopted("Other"); }));
  }
  SECTION("an orderly end of the stack, which forgets all of it") {
    ground.stop();
    ground.start();
    ground.await_pid("Other");
    CHECK(restarts_of(ground, "Other").at("restart_attempts") == 0);
    CHECK(eventually([&] { return ground.starts("later") == 2; }));
    ground.stop();
    return;
  }
  REQUIRE(eventually([&] { return state("Later") == "backoff"; }));
  CHECK(state("Loop") == "failed");
  CHECK_THAT(reason("Loop"), StartsWith("crash loop: 2 restarts in 3600 s"));
  CHECK(reason("Later") == why);
  for (json::object* known : {&loop, &later, &again}) known->erase("next_restart_time");
  const auto now = [&](std::string_view name) {
    json::object told = restarts_of(ground, name);
    told.erase("next_restart_time");
    told.erase("next_try_time");
    return told;
  };
  loop.erase("next_try_time");
  later.erase("next_try_time");
  again.erase("next_try_time");
  CHECK(now("Loop") == loop);
  CHECK(now("Later") == later);
  CHECK(now("Other") == again);
  CHECK(restarts_of(ground, "Later").at("next_restart_time").is_number());
  CHECK(ground.starts("loop") == 3);
  CHECK(ground.starts("later") == 1);
  CHECK(ground.starts("other") == 2);
  // A start by hand does not wait.
  const Answer answer =
      request(ground.port(), "POST", "/process/start-service", R"({"process_name": "Later"})");
  CHECK(answer.status == 500);
  CHECK(ground.starts("later") == 2);
  ground.stop();
}

TEST_CASE("a restart that a kill of the server interrupted is made by the next",
          "[server][LIF-68][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--ignore-term"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  Program asking({DUMB_CLI, "--url", "http://127.0.0.1:" + std::to_string(ground.port()), "restart", "One"},
                 {});
  const auto state = [&] { return jsonx::string_at(ground.status("One"), "state"); };
  const bool seen = eventually([&] { return state() == "stopping"; });
  ground.kill();
  CHECK(asking.wait() != 0);
  REQUIRE(seen);
  ground.start();
  CHECK(ground.server().prints("One was told to end by an earlier run of DUMB"));
  CHECK(state() == "stopping");
  ::kill(pid, SIGKILL);
  CHECK(ground.await_pid("One") != pid);
  CHECK(ground.starts("one") == 2);
  ground.stop();
}

TEST_CASE("an adopted service whose configuration has changed says so", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  ground.await_pid("One");
  ground.kill();
  const auto config = ground.root() / "config/dumb_config.json";
  json::value document = parsed(read_text(config));
  document.at("one").as_object()["log_level"] = "DEBUG";
  write_text(config, jsonx::print(document));
  ground.start();
  ground.await_pid("One");
  CHECK(jsonx::string_at(ground.status("One"), "state_reason") == "runs with an older configuration");
  ground.stop();
}

TEST_CASE("a second server over the same root ends with a sentence", "[server][LIF-128]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  Program second({DUMB_SERVER, "--root", ground.root().native(), "--port", "0"}, {"PATH=/usr/bin:/bin"});
  CHECK(second.wait() == 1);
  CHECK_THAT(second.errors(), ContainsSubstring("another dumb-server supervises this stack"));
  CHECK(ground.await_pid("One") == pid);
  ground.stop();
}

namespace {

/// Asks for /health on a connection of its own, again and again.
class Hammer {
 public:
  explicit Hammer(int port) : thread_([this, port] { run(port); }) {}
  ~Hammer() { end(); }
  void end() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::size_t answers() const { return answers_; }
  std::size_t failures() const { return failures_; }
  std::chrono::milliseconds longest() const { return std::chrono::milliseconds(longest_); }

 private:
  void run(int port) {
    while (!over_) {
      const auto begin = std::chrono::steady_clock::now();
      try {
        const Answer answer = request(port, "GET", "/health");
        ++(answer.status == 200 ? answers_ : failures_);
      } catch (const std::exception&) {
        ++failures_;
      }
      const auto took =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
      longest_ = std::max<long long>(longest_, took.count());
    }
  }
  std::atomic<bool> over_{false};
  std::atomic<std::size_t> answers_{0}, failures_{0};
  std::atomic<long long> longest_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a server that is replaced refuses no connection and ends no child", "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--numbers", "2500"});
    services["two"] = ground.block("Two", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int one = ground.await_pid("One");
  const int two = ground.await_pid("Two");
  const int port = ground.port();
  Hammer hammer(port);
  REQUIRE(eventually([&] { return hammer.answers() > 20; }));
  SECTION("--replace") {
    Program next({DUMB_SERVER, "--root", ground.root().native(), "--port", std::to_string(port), "--replace"},
                 {"PATH=/usr/bin:/bin", "HOME=" + ground.root().native()});
    CHECK(ground.server().wait() == 0);
    CHECK(next.listening_port() == port);
    CHECK(ground.await_pid("One") == one);
    CHECK(ground.await_pid("Two") == two);
    CHECK(ground.adopted("Two"));
    REQUIRE(eventually([&] { return ended(ground.root() / "log/one.log"); }, 60s));
    const std::size_t before = hammer.answers();
    CHECK(eventually([&] { return hammer.answers() > before + 20; }));
    hammer.end();
    next.signal(SIGTERM);
    CHECK(next.wait(60s) == 0);
  }
  SECTION("SIGUSR2") {
    ground.server().signal(SIGUSR2);
    REQUIRE(eventually([&] { return ground.adopted("Two"); }));
    CHECK(ground.await_pid("One") == one);
    CHECK(ground.await_pid("Two") == two);
    REQUIRE(eventually([&] { return ended(ground.root() / "log/one.log"); }, 60s));
    hammer.end();
    REQUIRE(eventually([&] { return ground.booted(); }, 60s));
    // It is the same process, whose children they still are: how they end is known.
    ::kill(two, SIGKILL);
    REQUIRE(eventually([&] { return !ground.running("Two"); }));
    CHECK_THAT(jsonx::string_at(ground.status("Two"), "state_reason"), ContainsSubstring("signal 9"));
    ground.stop();
  }
  CHECK(hammer.failures() == 0);
  WARN("longest time of one answer during the handover: " << hammer.longest().count() << " ms");
  CHECK(fault_of_numbers(ground.root() / "log/one.log").empty());
  CHECK(ground.starts("one") == 1);
  CHECK(ground.starts("two") == 1);
}

TEST_CASE("a replacement that does not run, or has a bad configuration, leaves everything as it is",
          "[server][LIF-125]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    return services;
  });
  Ground& ground = scene.ground;
  const auto copy = ground.root() / "copy-of-dumb-server";
  std::filesystem::copy_file(DUMB_SERVER, copy);
  ground.use_program(copy);
  ground.start();
  const int pid = ground.await_pid("One");
  SECTION("SIGUSR2 with a program that does not run") {
    std::filesystem::remove(copy);
    ground.server().signal(SIGUSR2);
    CHECK(ground.server().prints("this program stays"));
  }
  SECTION("--replace with a bad configuration") {
    const auto config = ground.root() / "config/dumb_config.json";
    const std::string good = read_text(config);
    write_text(config, "{ \"dumb\": ");
    Program next({DUMB_SERVER, "--root", ground.root().native(), "--port", "0", "--replace"}, {"PATH=/bin"});
    CHECK(next.wait() == 1);
    write_text(config, good);
  }
  CHECK(ground.await_pid("One") == pid);
  CHECK_FALSE(ground.adopted("One"));
  ground.stop();
}
