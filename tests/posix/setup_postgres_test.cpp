#include <algorithm>
#include <csignal>
#include <filesystem>

#include "dumb/base/text.hpp"
#include "dumb/supervisor/helper.hpp"
#include "dumb/supervisor/resolve.hpp"
#include "setup/postgres.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using setup::Failure;
using test::SetupStack;
namespace fs = std::filesystem;

namespace {

const char* const process = "PostgreSQL";

bool installed() {
  return fs::exists("/usr/lib/postgresql");
}

/// A stack with one PostgreSQL section, and the server once it is started.
struct PostgresStack : SetupStack {
  int port = test::free_port();
  std::optional<supervisor::Child> server;

  PostgresStack() {
    set("/postgres/enabled", true);
    set("/postgres/port", port);
    set("/postgres/password", "first-password");
    set("/postgres/shared_buffers", "16MB");
    set("/postgres/initdb_args", "--no-sync");
  }
  ~PostgresStack() { stop(); }

  /// Starts what configure generated, as the launcher would.
  void start() {
    const auto context = this->context(process);
    supervisor::ResolveRequest request;
    request.config = context.config;
    request.block = context.block;
    request.service = context.catalog->find("postgres");
    request.root = context.root;
    request.inherited = environment;
    const auto resolved = supervisor::resolve_launch(request);
    REQUIRE(resolved);
    supervisor::LaunchSpec spec;
    spec.argv = resolved->argv;
    spec.env = resolved->env;
    spec.directory = resolved->directory;
    spec.identity = context.service_user;
    auto child = supervisor::spawn(spec);
    REQUIRE(child);
    server.emplace(std::move(*child));
    running.insert(process);
  }
  void stop(int signal = SIGINT) {
    if (!server) return;
    supervisor::send_signal(*server, signal);
    if (!test::eventually([&] { return supervisor::try_wait(*server).has_value(); })) {
      supervisor::send_signal(*server, SIGKILL);
      test::eventually([&] { return supervisor::try_wait(*server).has_value(); });
    }
    server.reset();
    running.clear();
  }
  /// Runs a statement over TCP with a password; its output, or "error: …".
  std::string query(const std::string& sql, const std::string& password,
                    const std::string& database = "postgres", const std::string& user = "DUMB") {
    boost::asio::io_context control;
    supervisor::HelperSpec spec;
    spec.launch.argv = {"psql",
                        "-X",
                        "-A",
                        "-t",
                        "-w",
                        "-h",
                        "127.0.0.1",
                        "-p",
                        std::to_string(port),
                        "-U",
                        user,
                        "-d",
                        setup::pg::database_argument(database),
                        "-f",
                        "-"};
    spec.launch.env = {"PATH=" + environment["PATH"], "PGPASSWORD=" + password};
    spec.launch.directory = "/";
    spec.input = sql;
    std::string text;
    boost::asio::co_spawn(control, supervisor::run_helper(std::move(spec)),
                          [&](std::exception_ptr, Result<supervisor::HelperResult> result) {
                            if (!result) {
                              text = "error: " + result.error().to_string();
                            } else {
                              text = (result->status.success() ? "" : "error: ") +
                                     std::string(text::trim(result->output));
                            }
                          });
    control.run();
    return text;
  }
  std::string socket_directory() const { return (root / "run/postgresql").native(); }
};

bool fails(const Result<setup::Outcome>& outcome, Failure code) {
  return !outcome && outcome.error().code() == setup::make_error_code(code);
}

}  // namespace

TEST_CASE("a cluster is made, started, filled with databases, and left alone the second time",
          "[setup][postgres][SVC-111][SVC-113][SVC-114][SVC-115][SVC-116][SVC-117][SVC-118][SVC-119][SVC-122]"
          "[SVC-217]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/databases", json::array{json::object{{"name", "postgres"}},
                                               json::object{{"name", "riven"}, {"enabled", true}},
                                               json::object{{"name", "o'd\"d; \\ näme"}},
                                               json::object{{"name", "off"}, {"enabled", false}}});
  const auto configured = stack.configure(process);
  REQUIRE(configured);
  const fs::path data = stack.root / "postgres_data";
  CHECK(fs::exists(data / "PG_VERSION"));
  CHECK_FALSE(fs::exists(data / ".dumb-initdb"));
  CHECK(stack.mode(data) == 0700);
  CHECK(stack.mode(stack.root / "run/postgresql") == 0775);
  CHECK(stack.mode(data / "postgresql.conf") == 0600);
  if (SetupStack::is_root()) CHECK(stack.owner(data / "postgresql.conf") == 1000);
  const std::string conf = stack.text("postgres_data/postgresql.conf");
  CHECK_THAT(conf, ContainsSubstring("\nport = " + std::to_string(stack.port)));
  CHECK_THAT(conf, ContainsSubstring("\nunix_socket_directories = '" + stack.socket_directory() + "'"));
  CHECK_THAT(conf, ContainsSubstring("# (change requires restart)"));
  const auto& command = configured->generated.at("command").as_array();
  CHECK_THAT(std::string(command[0].as_string()), ContainsSubstring("/bin/postgres"));
  CHECK(command[2] == "/postgres_data");
  // Nothing of the password is left behind, and nothing in the log.
  CHECK_THAT(stack.log.text(), !ContainsSubstring("first-password"));

  stack.start();
  const auto first = stack.post_start(process);
  REQUIRE(first);
  CHECK(stack.query("SELECT 41 + 1", "first-password", "riven") == "42");
  CHECK(stack.query("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname LIKE 'o%'",
                    "first-password", "o'd\"d; \\ näme") == "DUMB");
  CHECK(stack.query("SELECT count(*) FROM pg_database WHERE datname = 'off'", "first-password") == "0");
  CHECK(stack.query("SHOW server_encoding", "first-password") == "UTF8");
  CHECK_THAT(stack.log.text(), ContainsSubstring("size of database riven"));
  // Debian does not package this one.
  CHECK_THAT(stack.log.text(),
             ContainsSubstring("WARNING PostgreSQL: extension system_stats is not available"));
  CHECK(stack.mode(stack.root / "run/dumb/postgres.pgpass") == 0600);
  CHECK(stack.mode(stack.root / "run/dumb") == 0700);

  stack.stop();
  const auto before = stack.stamps();
  const auto again = stack.configure(process);
  REQUIRE(again);
  CHECK(again->changed.empty());
  CHECK(again->generated == configured->generated);
  CHECK(stack.stamps() == before);
  stack.start();
  CHECK(stack.post_start(process));
}

TEST_CASE("a changed password is made the role's over the socket", "[setup][postgres][SVC-119]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/databases", json::array{});
  REQUIRE(stack.configure(process));
  stack.start();
  REQUIRE(stack.post_start(process));
  stack.set("/postgres/password", "second:pass\\word'");
  const auto repaired = stack.post_start(process);
  REQUIRE(repaired);
  CHECK_THAT(stack.log.text(), ContainsSubstring("WARNING PostgreSQL: the password of role DUMB differed"));
  CHECK(stack.query("SELECT 1", "second:pass\\word'") == "1");
  CHECK_THAT(stack.query("SELECT 1", "first-password"), ContainsSubstring("error"));
  // A password that has to be normalised is left to the server.
  stack.set("/postgres/password", "pässwörd✓");
  REQUIRE(stack.post_start(process));
  CHECK(stack.query("SELECT 1", "pässwörd✓") == "1");
  CHECK_THAT(stack.log.text(), !ContainsSubstring("second:pass") && !ContainsSubstring("pässwörd"));
}

TEST_CASE("the role of the older product name is renamed", "[setup][postgres][SVC-120]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/user", "DMB");
  stack.set("/postgres/databases", json::array{json::object{{"name", "riven"}}});
  REQUIRE(stack.configure(process));
  stack.start();
  REQUIRE(stack.post_start(process));
  CHECK(stack.query("CREATE TABLE kept AS SELECT 7 AS n", "first-password", "riven", "DMB") == "SELECT 1");
  stack.set("/postgres/user", "DUMB");
  REQUIRE(stack.post_start(process));
  CHECK(stack.query("SELECT n FROM kept", "first-password", "riven") == "7");
  CHECK(stack.query("SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname !~ '^pg_'",
                    "first-password") == "DUMB");
  CHECK_THAT(stack.log.text(), ContainsSubstring("role DMB has been renamed to DUMB"));
}

TEST_CASE("a server that says it is starting up may take longer than one that does not answer",
          "[setup][postgres][SVC-117]") {
  SetupStack stack;
  stack.add_service("[]", R"([{"do": "wait", "for": "pg", "host": "0.0.0.0", "port": 5432, "user": "u",
                               "timeout_s": 0.2, "interval_s": 0.1}])");
  const fs::path script = stack.directory / "bin/pg_isready";
  stack.environment["PATH"] = script.parent_path().native() + ":" + stack.environment["PATH"];
  const std::string count = (stack.directory / "count").native();
  const auto install = [&](const std::string& verdict) {
    test::write_text(script, "#!/bin/sh\necho \"$@\" >>" + count + "\n" + verdict);
    fs::permissions(script, fs::perms::all);
  };
  SECTION("busy, then ready") {
    install("[ $(wc -l <" + count + ") -ge 8 ] || exit 1\n");
    REQUIRE(stack.post_start("PageMill"));
    CHECK_THAT(test::read_text(count), ContainsSubstring("-h 127.0.0.1 -p 5432 -U u"));
  }
  SECTION("no answer") {
    install("exit 2\n");
    CHECK(fails(stack.post_start("PageMill"), Failure::timeout));
  }
}

TEST_CASE("the default password is warned about", "[setup][postgres][SVC-121]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/password", "postgres");
  stack.set("/postgres/databases", json::array{});
  REQUIRE(stack.configure(process));
  stack.start();
  REQUIRE(stack.post_start(process));
  const std::string log = stack.log.text();
  const std::string warning = "WARNING PostgreSQL: the default password is in use";
  CHECK_THAT(log, ContainsSubstring(warning));
  CHECK(log.find(warning) == log.rfind(warning));
}

TEST_CASE("a failed initdb leaves the directory empty and can be repeated", "[setup][postgres][SVC-113]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/initdb_args", "--no-such-option");
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::database_failed));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("no-such-option"));
  CHECK(fs::is_empty(stack.root / "postgres_data"));
  stack.set("/postgres/initdb_args", "--no-sync");
  CHECK(stack.configure(process));
}

TEST_CASE("a cancelled or killed initdb is cleared and made again", "[setup][postgres][SVC-113][SVC-21]") {
  if (!installed()) return;
  PostgresStack stack;
  const auto outcome = stack.run(&setup::configure, process, std::chrono::milliseconds(250));
  CHECK(fails(outcome, Failure::cancelled));
  CHECK((!fs::exists(stack.root / "postgres_data") || fs::is_empty(stack.root / "postgres_data")));
  // What a power cut leaves: the unfinished cluster, and parts of it moved up already.
  test::write_text(stack.root / "postgres_data/.dumb-initdb/PG_VERSION", "15\n");
  test::write_text(stack.root / "postgres_data/base/1/112", "half");
  const auto again = stack.configure(process);
  REQUIRE(again);
  CHECK(fs::exists(stack.root / "postgres_data/PG_VERSION"));
  CHECK_FALSE(fs::exists(stack.root / "postgres_data/base/1/112.half"));
  stack.start();
  CHECK(stack.post_start(process));
}

TEST_CASE("a directory with other content is not taken for a cluster", "[setup][postgres][SVC-113]") {
  if (!installed()) return;
  PostgresStack stack;
  test::write_text(stack.root / "postgres_data/photo.jpg", "x");
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::conflict));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("PG_VERSION"));
  CHECK(stack.text("postgres_data/photo.jpg") == "x");
}

TEST_CASE("a cluster of another version is a conflict that names both", "[setup][postgres][SVC-110]") {
  if (!installed()) return;
  PostgresStack stack;
  test::write_text(stack.root / "postgres_data/PG_VERSION", "9.4\n");
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::conflict));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("PostgreSQL 9.4") && ContainsSubstring("15"));
}

TEST_CASE("without PostgreSQL the failure says where it was looked for", "[setup][postgres][SVC-110]") {
  PostgresStack stack;
  stack.environment["PATH"] = (stack.root / "nothing").native();
  fs::remove(stack.host / "usr");
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::missing_binary));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("/usr/lib/postgresql"));
}

TEST_CASE("a live server nobody adopted is left alone and the start refused",
          "[setup][postgres][SVC-112][LIF-126][LIF-127]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/databases", json::array{});
  REQUIRE(stack.configure(process));
  stack.start();
  REQUIRE(stack.post_start(process));
  const std::string pid_file = stack.text("postgres_data/postmaster.pid");
  stack.running.clear();  // this supervisor does not know it
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::conflict));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("pid " + std::to_string(stack.server->pid)));
  CHECK(stack.text("postgres_data/postmaster.pid") == pid_file);
  CHECK(stack.query("SELECT 1", "first-password") == "1");
}

TEST_CASE("what a killed server leaves is removed and the next one starts",
          "[setup][postgres][SVC-112][SVC-114][LIF-126]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/databases", json::array{});
  REQUIRE(stack.configure(process));
  stack.start();
  REQUIRE(stack.post_start(process));
  stack.stop(SIGKILL);
  const fs::path socket = fs::path(stack.socket_directory()) / (".s.PGSQL." + std::to_string(stack.port));
  CHECK(fs::exists(stack.root / "postgres_data/postmaster.pid"));
  REQUIRE(fs::exists(socket));
  // The server's other processes notice the loss of the first one a little later.
  REQUIRE(test::eventually([&] {
    const auto outcome = stack.configure(process);
    return outcome && !fs::exists(socket);
  }));
  CHECK_FALSE(fs::exists(stack.root / "postgres_data/postmaster.pid"));
  CHECK_FALSE(fs::exists(socket.native() + ".lock"));
  stack.start();
  CHECK(stack.post_start(process));
}

TEST_CASE("a pid that now belongs to another program does not keep a stale file",
          "[setup][postgres][LIF-126]") {
  if (!installed()) return;
  PostgresStack stack;
  REQUIRE(stack.configure(process));
  test::write_text(
      stack.root / "postgres_data/postmaster.pid",
      std::to_string(::getpid()) + "\n" + (stack.root / "postgres_data").native() + "\n1\n5432\n");
  REQUIRE(stack.configure(process));
  CHECK_FALSE(fs::exists(stack.root / "postgres_data/postmaster.pid"));
}

TEST_CASE("a user's comments and settings in postgresql.conf survive", "[setup][postgres][SVC-115]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/config_file", "/config/pg/postgresql.conf");
  REQUIRE(stack.configure(process));
  CHECK_THAT(stack.text("config/pg/postgresql.conf"), ContainsSubstring("listen_addresses = '*'"));
  test::write_text(stack.root / "config/pg/postgresql.conf",
                   "# mine\nlisten_addresses = 'localhost' # only me\n  port=1 # was\nwork_mem = "
                   "8MB\n#shared_buffers = 1MB # s\n");
  stack.set("/postgres/max_connections", "");
  REQUIRE(stack.configure(process));
  CHECK(stack.text("config/pg/postgresql.conf") ==
        "# mine\nlisten_addresses = 'localhost' # only me\n  port=" + std::to_string(stack.port) +
            " # was\nwork_mem = 8MB\nshared_buffers = 16MB # s\nunix_socket_directories = '" +
            stack.socket_directory() + "'\n");
}

TEST_CASE("a root too deep for sockets fails with the length", "[setup][postgres][SVC-115]") {
  if (!installed()) return;
  PostgresStack stack;
  stack.set("/postgres/run_directory", json::string("/run/" + std::string(100, 'x')));
  const auto outcome = stack.configure(process);
  REQUIRE(fails(outcome, Failure::bad_value));
  CHECK_THAT(outcome.error().message(), ContainsSubstring("at most 107"));
}
