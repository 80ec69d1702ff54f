// Whatever happens to services and programs while one program replaces another: each service is there once.
#include <boost/json.hpp>
#include <dumb/http/client.hpp>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "ground.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

int number_of_rounds() {
  const char* text = std::getenv("DUMB_HANDOVER_ROUNDS");
  return text == nullptr ? 5 : std::max(1, std::atoi(text));
}

/// The program that is asked may be gone before it answers, which is no failure here: nullopt.
std::optional<json::value> try_request(int port, const std::string& method, const std::string& target,
                                       const std::string& body = {}) {
  http::Request request;
  request.method = method;
  const auto url = http::parse_url("http://127.0.0.1:" + std::to_string(port) + target);
  if (!url) return std::nullopt;
  request.url = *url;
  request.timeout = 60s;
  request.body = body;
  const auto response = http::fetch_blocking(request);
  if (!response || response->status != 200) return std::nullopt;
  const auto value = jsonx::parse(response->body);
  return value ? std::optional(*value) : std::nullopt;
}

json::object services_of(Ground& ground) {
  json::object services;
  services["steady"] = ground.block("Steady", {"--text", "hello"});
  services["flaky"] = ground.block("Flaky", {"--text", "hello"});
  services["toggled"] = ground.block("Toggled", {"--text", "hello"});
  services["forking"] = ground.block("Forking", {"--fork"});
  services["job"] = ground.block("Job", {"--exit", "0"});
  services["slow"] = ground.block("Slow", {"--wait-for", ground.root() / "notes/go", "--notify", "READY=1"});
  services["slow"].as_object()["readiness"] = parsed(R"({"notify": true, "start_timeout_ms": 600000})");
  json::object need;
  need["process_name"] = "Job";
  need["condition"] = "completed_successfully";
  services["steady"].as_object()["depends_on"] = json::array{need};
  return services;
}

class Play {
 public:
  explicit Play(unsigned seed) : random_(seed), scene_(services_of), ground_(scene_.ground) {
    const fs::path config = ground_.root() / "config/dumb_config.json";
    json::value document = parsed(read_text(config));
    document.at("dumb").as_object()["auto_restart"] = parsed(
        R"({"enabled": true, "services": [{"process_name": "Flaky", "backoff_seconds": [0.01], "max_restarts": 1000}]})");
    write_text(config, jsonx::print(document));
    ground_.start({"--port", std::to_string(port_)});
    for (const char* name : {"Steady", "Flaky", "Toggled", "Forking"}) ground_.await_pid(name);
    steady_ = ground_.await_pid("Steady");
  }
  ~Play() {
    for (std::thread& thread : asking_) thread.join();
    for (const char* slug : {"steady", "flaky", "toggled", "forking", "slow", "job"}) {
      for (const int pid : living(slug)) ::kill(-pid, SIGKILL);
    }
  }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  void round() {
    std::vector<std::function<void()>> deeds = some_deeds();
    deeds.insert(deeds.begin() + static_cast<std::ptrdiff_t>(random_() % (deeds.size() + 1)),
                 [this] { change_program(); });
    for (const auto& deed : deeds) {
      deed();
      pass(std::chrono::microseconds(random_() % 30'000));
    }
    INFO(story_);
    settle();
    check();
    story_ += "-- all is well\n";
  }

  void end() {
    if (next_) {
      next_->signal(SIGTERM);
      CHECK(next_->wait(120s) == 0);
    } else {
      ground_.stop();
    }
    for (const char* slug : {"steady", "flaky", "toggled", "forking", "slow", "job"}) {
      CAPTURE(slug);
      CHECK(living(slug).empty());
    }
  }

 private:
  /// Of the processes a service was ever, those that live.
  std::set<int> living(const std::string& slug) const {
    std::set<int> pids;
    std::istringstream notes(read_text(ground_.root() / ("notes/" + slug)));
    for (int pid = 0; notes >> pid;) {
      if (alive(pid)) pids.insert(pid);
    }
    return pids;
  }
  void pass(std::chrono::microseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    eventually([&] { return std::chrono::steady_clock::now() >= end; });
  }
  void note(const std::string& what) { story_ += what + "\n"; }
  Program& program() { return next_ ? *next_ : ground_.server(); }

  void change_program() {
    switch (random_() % 4) {
      case 0:
        note("SIGKILL");
        program().signal(SIGKILL);
        program().wait();
        next_.reset();
        ground_.start({"--port", std::to_string(port_)});
        // Before main() nobody can hold a signal back.
        REQUIRE(ground_.server().prints("listening on"));
        break;
      case 1: {
        note("--replace");
        const std::vector<std::string> argv{
            DUMB_SERVER, "--root", ground_.root().native(), "--port", std::to_string(port_), "--replace"};
        auto successor = std::make_unique<Program>(
            argv, std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=" + ground_.root().native()});
        if (!successor->prints("listening on")) {
          // The other replaces itself already, and goes on.
          REQUIRE(successor->wait() == 1);
          REQUIRE(program().wait(0ms) == std::nullopt);
          break;
        }
        // One that was executing itself anew finds that the other has come first, and ends with 1.
        const std::optional<int> status = program().wait();
        INFO(story_ << program().output() << program().errors());
        REQUIRE(status);
        REQUIRE((*status == 0 || *status == 1));
        next_ = std::move(successor);
        break;
      }
      default:
        note("SIGUSR2");
        program().signal(SIGUSR2);
    }
  }

  std::vector<std::function<void()>> some_deeds() {
    std::vector<std::function<void()>> deeds;
    for (std::size_t count = 1 + random_() % 3; count > 0; --count) {
      switch (random_() % 7) {
        case 0:
          deeds.emplace_back([this] { kill_one("flaky"); });
          break;
        case 1:
          deeds.emplace_back([this] { kill_one("toggled"); });
          break;
        case 2:
          deeds.emplace_back([this] { ask("restart", "Toggled"); });
          break;
        case 3:
          deeds.emplace_back([this] { ask("stop", "Toggled"); });
          break;
        case 4:
          deeds.emplace_back([this] {
            note("another SIGUSR2");
            program().signal(SIGUSR2);
          });
          break;
        case 5:
          deeds.emplace_back([this] {
            note("SIGHUP");
            program().signal(SIGHUP);
          });
          break;
        default:
          deeds.emplace_back([this] {
            note("Slow tells that it is ready");
            write_text(ground_.root() / "notes/go", "");
          });
      }
    }
    return deeds;
  }
  void kill_one(const std::string& slug) {
    note(slug + " is killed");
    for (const int pid : living(slug)) ::kill(pid, SIGKILL);
  }
  /// On a thread of its own; what becomes of it is not the matter here.
  void ask(const std::string& operation, const std::string& name) {
    note(operation + " of " + name);
    asking_.emplace_back([port = port_, operation, name] {
      try_request(port, "POST", "/process/" + operation + "-service",
                  R"({"process_name": ")" + name + R"("})");
    });
  }

  /// The programs have changed, the operations are over and every service shall run.
  void settle() {
    for (std::thread& thread : asking_) thread.join();
    asking_.clear();
    const auto answered = [&](const std::function<bool()>& question) { return eventually(question, 120s); };
    // A second SIGUSR2 may still be on its way; a program that serves one more answers all of it again.
    REQUIRE(answered([&] { return ground_port_booted(); }));
    REQUIRE(answered([&] {
      const std::string body = R"({"process_name": "Toggled"})";
      return try_request(port_, "POST", "/process/start-service", body).has_value();
    }));
    for (const char* name : {"Steady", "Flaky", "Toggled", "Forking"}) {
      CAPTURE(name);
      REQUIRE(answered([&] { return status_of(name, "state") == "running"; }));
    }
    if (fs::exists(ground_.root() / "notes/go")) REQUIRE(answered([&] { return ready_of_slow(); }));
  }
  json::object status(const std::string& name) {
    const auto told =
        try_request(port_, "GET", "/process/service-status?include_health=true&process_name=" + name);
    return told && told->is_object() ? told->get_object() : json::object();
  }
  std::string status_of(const std::string& name, std::string_view member) {
    return jsonx::string_at(status(name), member);
  }
  bool ready_of_slow() {
    const json::object now = status("Slow");
    const json::value* healthy = now.if_contains("healthy");
    return healthy != nullptr && healthy->is_bool() && healthy->get_bool();
  }
  bool ground_port_booted() {
    const auto told = try_request(port_, "GET", "/process/startup-status");
    const std::string phase = told ? jsonx::string_at(told->as_object(), "phase") : std::string();
    return phase == "ready" || phase == "degraded" || phase == "starting_services" || phase == "stabilizing";
  }

  void check() {
    for (const char* slug : {"steady", "flaky", "toggled", "forking", "slow"}) {
      CAPTURE(slug);
      CHECK(eventually([&] { return living(slug).size() == 1; }));
    }
    CHECK(living("steady") == std::set<int>{steady_});
    CHECK(ground_.starts("steady") == 1);
    CHECK(ground_.starts("forking") == 1);
    CHECK(ground_.starts("slow") == 1);
    CHECK(ground_.starts("job") == 1);
    const auto all = try_request(port_, "GET", "/process/events?since=0&limit=1000");
    REQUIRE(all);
    std::int64_t last = 0;
    for (const json::value& event : all->at("events").as_array()) {
      const std::int64_t seq = event.at("seq").to_number<std::int64_t>();
      CHECK(seq > last);
      last = seq;
    }
  }

  std::mt19937 random_;
  int port_ = free_port();
  Scene scene_;
  Ground& ground_;
  std::unique_ptr<Program> next_;
  std::vector<std::thread> asking_;
  int steady_ = 0;
  std::string story_;
};

}  // namespace

TEST_CASE("random events around random handovers lose no service and start none twice",
          "[server][LIF-7][LIF-125][LIF-128][LIF-138][LIF-142][LIF-152]") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  Play play(seed);
  for (int round = 0; round < number_of_rounds(); ++round) {
    INFO("round " << round);
    play.round();
  }
  play.end();
}
