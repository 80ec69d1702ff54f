#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "daemon.hpp"
#include "golden.hpp"
#include "program.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

/// dumb-server over a scratch root.
class Server {
 public:
  explicit Server(const json::object& services, std::vector<std::string> options = {"--port", "0"}) {
    json::object document = services;
    document["dumb"].emplace_object()["frontend"].emplace_object()["enabled"] = false;
    write_config(jsonx::print(document));
    run(std::move(options));
  }
  Server(std::string_view config, std::vector<std::string> options) {
    write_config(config);
    run(std::move(options));
  }

  Program& program() { return *program_; }
  std::filesystem::path config_file() const { return root_ / "config/dumb_config.json"; }
  void write_config(std::string_view text) { write_text(config_file(), text); }
  json::value get(std::string_view target) {
    return parsed(request(program_->listening_port(), "GET", target).body);
  }
  std::string state(std::string_view name) {
    const json::value body = get("/process/service-status?process_name=" + text::percent_encode(name));
    return jsonx::string_at(body.as_object(), "state");
  }
  int pid_of(std::string_view name) {
    return get("/process/service-status?process_name=" + text::percent_encode(name))
        .at("pid")
        .to_number<int>();
  }

 private:
  void run(std::vector<std::string> options) {
    // Services run as another user when the tests run as root.
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    std::vector<std::string> argv{DUMB_SERVER, "--root", root_.path().native()};
    argv.insert(argv.end(), options.begin(), options.end());
    program_.emplace(argv, std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=" + root_.path().native()});
  }

  TempDir root_;
  std::optional<Program> program_;
};

json::object enabled_child(std::vector<std::string> arguments = {}) {
  json::object services;
  services["child"] = child_block("Child", arguments);
  services["child"].as_object()["enabled"] = true;
  return services;
}

bool gone(int pid) {
  return ::kill(pid, 0) != 0;
}

}  // namespace

TEST_CASE("the server says where it listens, starts its services and stops them on SIGTERM",
          "[server][LIF-71][LIF-34]") {
  Server server(enabled_child());
  REQUIRE(eventually([&] { return server.state("Child") == "running"; }));
  CHECK_THAT(server.program().output(), ContainsSubstring("dumb-server listening on http://127.0.0.1:"));
  const int child = server.pid_of("Child");
  CHECK_FALSE(gone(child));
  server.program().signal(SIGTERM);
  CHECK(server.program().wait() == 0);
  CHECK(gone(child));
}

TEST_CASE("the API answers while services still wait", "[server][LIF-5]") {
  json::object services = enabled_child();
  services["child"].as_object()["wait_for_dir"] = "/never/there";
  Server server(services);
  CHECK(eventually([&] { return server.state("Child") == "waiting"; }));
  CHECK(server.get("/process/processes").as_object().contains("processes"));
  server.program().signal(SIGINT);
  CHECK(server.program().wait() == 0);
}

TEST_CASE("a second signal kills at once", "[server][LIF-71]") {
  Server server(enabled_child({"--ignore-term"}));
  REQUIRE(eventually([&] { return server.state("Child") == "running"; }));
  const int child = server.pid_of("Child");
  server.program().signal(SIGTERM);
  REQUIRE(eventually([&] { return server.state("Child") == "stopping"; }));
  const auto begin = std::chrono::steady_clock::now();
  server.program().signal(SIGTERM);
  CHECK(server.program().wait() == 0);
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(gone(child));
}

TEST_CASE("SIGHUP reads the configuration again and keeps the old one when it is bad", "[server][CFG-34]") {
  Server server(enabled_child());
  REQUIRE(eventually([&] { return server.state("Child") == "running"; }));
  const int child = server.pid_of("Child");
  const std::string good = read_text(server.config_file());
  json::value changed = parsed(good);
  changed.at("child").as_object()["log_level"] = "DEBUG";
  server.write_config(jsonx::print(changed));
  server.program().signal(SIGHUP);
  const auto level = [&] {  // absent until it is set
    return jsonx::string_at(server.get("/config?process_name=Child").as_object(), "log_level");
  };
  CHECK(eventually([&] { return level() == "DEBUG"; }));
  server.write_config("{ \"dumb\": ");
  server.program().signal(SIGHUP);
  CHECK(server.program().prints("the running one stays"));
  CHECK(level() == "DEBUG");
  CHECK(server.pid_of("Child") == child);
  server.write_config(good);
  server.program().signal(SIGTERM);
  CHECK(server.program().wait() == 0);
}

TEST_CASE("a bad configuration ends the server with every problem named", "[server][CFG-32][CFG-33]") {
  SECTION("no JSON") {
    Server server("{\n  \"dumb\": }\n", {"--port", "0"});
    CHECK(server.program().wait() == 1);
    CHECK_THAT(server.program().errors(),
               ContainsSubstring(server.config_file().native()) && ContainsSubstring("line 2"));
    CHECK(server.program().output().find("listening") == std::string::npos);
  }
  SECTION("two wrong values") {
    Server server(R"({"zilean": {"port": 70000}, "postgres": {"enabled": "perhaps"}})", {"--port", "0"});
    CHECK(server.program().wait() == 1);
    const std::string errors = server.program().errors();
    CHECK_THAT(errors, ContainsSubstring(server.config_file().native()));
    CHECK_THAT(errors, ContainsSubstring("/zilean/port") && ContainsSubstring("/postgres/enabled"));
  }
}

TEST_CASE("a taken address ends the server with a sentence", "[server]") {
  HandlerServer other(
      [](server::Request) -> boost::asio::awaitable<server::Response> { co_return server::Response{}; });
  Server server(enabled_child(), {"--port", std::to_string(other.port())});
  CHECK(server.program().wait() == 1);
  CHECK_THAT(server.program().errors(), ContainsSubstring("another program already listens there") &&
                                            ContainsSubstring(std::to_string(other.port())));
}

TEST_CASE("host and port come from the configuration unless given", "[server][API-1]") {
  json::object services = enabled_child();
  services["child"].as_object()["enabled"] = false;
  const int port = free_port();
  json::object document = services;
  json::object& dumb = document["dumb"].emplace_object();
  dumb["frontend"].emplace_object()["enabled"] = false;
  dumb["api_service"].emplace_object()["port"] = port;
  Server server(std::string_view(jsonx::print(document)), {});
  CHECK(server.program().listening_port() == port);
  server.program().signal(SIGTERM);
  CHECK(server.program().wait() == 0);
}

TEST_CASE("a configuration may be given alone", "[server]") {
  const TempDir home;
  write_text(
      home / "my.json",
      R"({"dumb": {"frontend": {"enabled": false}}, "mine": {"process_name": "Mine", "command": ["/bin/true"]}})");
  Program program({DUMB_SERVER, "--root", home / "stack", "--config", home / "my.json", "--port", "0"},
                  {"PATH=/usr/bin:/bin", "HOME=" + home.path().native()});
  const Answer answer = request(program.listening_port(), "GET", "/config?process_name=Mine");
  CHECK(answer.status == 200);
  program.signal(SIGTERM);
  CHECK(program.wait() == 0);
}

TEST_CASE("a wrong command line ends with status 2, help and version with 0", "[server]") {
  Program wrong({DUMB_SERVER, "--nonsense"}, {});
  CHECK(wrong.wait() == 2);
  CHECK_THAT(wrong.errors(), ContainsSubstring("--nonsense"));
  Program help({DUMB_SERVER, "--help"}, {});
  CHECK(help.wait() == 0);
  CHECK_THAT(help.output(), ContainsSubstring("--root"));
  Program version({DUMB_SERVER, "--version"}, {});
  CHECK(version.wait() == 0);
  CHECK(version.output().starts_with("dumb-server "));
}

TEST_CASE("problems of a configuration are told one per line", "[server][CFG-32]") {
  const Error several(Errc::invalid_config,
                      {{"/zurg/port", "must be below 65536"}, {"", "must be an object"}});
  CHECK(
      server::describe_open_error(several, "/c/x.json") ==
      "dumb-server: /c/x.json: /zurg/port must be below 65536\ndumb-server: /c/x.json: must be an object\n");
  const Error syntax(Errc::bad_json, "line 1, column 2: syntax error", "/c/x.json");
  CHECK(server::describe_open_error(syntax, "/c/x.json") ==
        "dumb-server: /c/x.json: line 1, column 2: syntax error\n");
  CHECK(server::describe_open_error(Error(Errc::io, "cannot read"), "/c/x.json") ==
        "dumb-server: /c/x.json: cannot read\n");
}
