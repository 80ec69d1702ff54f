// One program in place of another, as its users see it.
#include <sys/stat.h>

#include <dumb/base/codec.hpp>
#include <future>

#include "ground.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

namespace {

json::object one_service(Ground& ground) {
  json::object services;
  services["one"] = ground.block("One", {"--text", "hello"});
  return services;
}

std::pair<dev_t, ino_t> identity_of(const fs::path& file) {
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  return {status.st_dev, status.st_ino};
}

std::vector<std::string> replacing(const Ground& ground, int port) {
  return {DUMB_SERVER, "--root", ground.root().native(), "--port", std::to_string(port), "--replace"};
}
std::vector<std::string> environment_of(const Ground& ground) {
  return {"PATH=/usr/bin:/bin", "HOME=" + ground.root().native()};
}

/// Requests one after the other until `over`; the longest time from one answer to the next.
std::chrono::milliseconds longest_gap(int port, const std::function<bool()>& over) {
  Steady::duration longest{0};
  Steady::time_point last = Steady::now();
  while (!over()) {
    REQUIRE(request(port, "GET", "/process/startup-status").status == 200);
    const Steady::time_point now = Steady::now();
    longest = std::max(longest, now - last);
    last = now;
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(longest);
}

}  // namespace

TEST_CASE("every request is answered while one program replaces another", "[server][LIF-125][LIF-128]") {
  Scene scene(one_service);
  Ground& ground = scene.ground;
  ground.start();
  ground.await_pid("One");
  const int port = ground.port();
  const std::size_t before = text::split(ground.server().output(), '\n').size();
  ground.server().signal(SIGUSR2);
  const auto gap = longest_gap(port, [&] {
    const std::string output = ground.server().output();
    const auto handed = output.rfind("hands over to another dumb-server");
    return text::split(output, '\n').size() > before && handed != std::string::npos &&
           output.find("goes on with pid", handed) != std::string::npos;
  });
  WARN("longest time from one answer to the next: " << gap.count()
                                                    << " ms");  // docs/benchmarks.md has the bar
  ground.stop();
}

TEST_CASE("SIGUSR2 executes the file that stands where the program's was", "[server][LIF-128]") {
  Scene scene(one_service);
  Ground& ground = scene.ground;
  const fs::path program = ground.root() / "dumb-server-of-test";
  const fs::path newer = ground.root() / "newer";
  fs::copy_file(DUMB_SERVER, program);
  fs::copy_file(DUMB_SERVER, newer);
  ground.use_program(program);
  ground.start();
  const int pid = ground.await_pid("One");
  const fs::path running = "/proc/" + std::to_string(ground.server().pid()) + "/exe";
  const auto wanted = identity_of(newer);
  REQUIRE(identity_of(running) != wanted);
  fs::rename(newer, program);
  ground.server().signal(SIGUSR2);
  CHECK(eventually([&] { return ground.adopted("One"); }));
  CHECK(identity_of(running) == wanted);
  CHECK(ground.await_pid("One") == pid);
  ground.stop();
}

TEST_CASE("events are followed over a handover, with neither a gap nor a doubled number",
          "[server][cli][LIF-125][LIF-152][LIF-158]") {
  Scene scene(one_service);
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  const int port = ground.port();
  Program follower({DUMB_CLI, "--url", "http://127.0.0.1:" + std::to_string(port), "events", "-f", "--json"},
                   environment_of(ground));
  REQUIRE(follower.prints(R"("state":"running")"));
  std::optional<Program> next;
  SECTION("SIGUSR2") {
    ground.server().signal(SIGUSR2);
  }
  SECTION("--replace") {
    next.emplace(replacing(ground, port), environment_of(ground));
    CHECK(ground.server().wait() == 0);
  }
  REQUIRE(eventually([&] { return ground.adopted("One"); }));
  CHECK(follower.prints(R"("cause":"adopted")"));
  CHECK(ground.await_pid("One") == pid);
  REQUIRE(request(port, "POST", "/process/stop-service", R"({"process_name": "One"})").status == 200);
  CHECK(follower.prints(R"("state":"stopped")"));
  std::int64_t last = 0;
  const std::string output = follower.output();
  for (const std::string& line : text::split(output.substr(0, output.rfind('\n')), '\n')) {
    const std::int64_t seq = parsed(line).at("seq").to_number<std::int64_t>();
    CHECK(seq > last);
    // A run that was killed leaves 10,000 numbers out.
    if (last > 0) CHECK(seq < last + 100);
    last = seq;
  }
  if (next) {
    next->signal(SIGTERM);
    CHECK(next->wait(60s) == 0);
  } else {
    ground.stop();
  }
}

TEST_CASE("a state file of another root is not believed, the mark of the process is", "[server][LIF-125]") {
  Scene scene(one_service);
  Ground& ground = scene.ground;
  ground.start();
  const int pid = ground.await_pid("One");
  ground.kill();
  const fs::path file = ground.state_file("one");
  json::object record = parsed(read_text(file)).as_object();
  const std::string own = jsonx::string_at(record, "root");
  const std::string other = own == "0123456789abcdef" ? "fedcba9876543210" : "0123456789abcdef";
  std::string mark = jsonx::string_at(record, "mark");
  mark.replace(mark.find(own), own.size(), other);
  record["root"] = other;
  record["mark"] = mark;
  write_text(file, jsonx::print(record));
  ground.start();
  CHECK(ground.server().prints("of another run directory and is not believed"));
  CHECK(ground.await_pid("One") == pid);
  CHECK(ground.adopted("One"));
  CHECK(ground.starts("one") == 1);
  ground.stop();
  CHECK_FALSE(alive(pid));
}

TEST_CASE("a handover waits for a stop of several services that is under way", "[server][LIF-128][DEP-44]") {
  Scene scene([](Ground& ground) {
    json::object services;
    services["one"] = ground.block("One", {"--text", "hello"});
    services["two"] = ground.block("Two", {"--ignore-term"});
    services["two"].as_object()["depends_on"] = json::array{"One"};
    return services;
  });
  Ground& ground = scene.ground;
  ground.start();
  const int one = ground.await_pid("One");
  const int two = ground.await_pid("Two");
  auto asking = std::async(std::launch::async, [port = ground.port()] {
    return request(port, "POST", "/process/down", R"({"process_names": []})").status;
  });
  const bool seen = eventually([&] { return jsonx::string_at(ground.status("Two"), "state") == "stopping"; });
  ground.server().signal(SIGUSR2);
  // Two ends when it is killed; until then nobody lets go of anything.
  CHECK(ground.running("One"));
  ::kill(two, SIGKILL);
  CHECK(asking.get() == 200);
  REQUIRE(seen);
  CHECK(ground.server().prints("hands over to another dumb-server"));
  CHECK_FALSE(alive(one));
  for (const char* name : {"One", "Two"}) {
    CAPTURE(name);
    CHECK(eventually(
        [&] { return jsonx::string_at(ground.status(name), "state_reason") == "was stopped before"; }));
    CHECK(ground.starts(text::slug(name)) == 1);
  }
  ground.stop();
}
