#include "setup/postgres.hpp"

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::setup;

namespace {
json::object section() {
  return catalog::Catalog::embedded().find("postgres")->defaults;
}
using Words = std::vector<std::string>;
}  // namespace

TEST_CASE("the connection takes loopback for a wildcard and names what is missing", "[setup][SVC-119]") {
  json::object block = section();
  for (const char* host : {"0.0.0.0", "::", "", "*"}) {
    block["host"] = host;
    CHECK(pg::connection(block)->host == "127.0.0.1");
  }
  block["password"] = "";
  CHECK(pg::connection(block).error().code() == make_error_code(Failure::missing_field));
  block["password"] = "a\nb";
  CHECK(pg::connection(block).error().code() == make_error_code(Failure::bad_value));
  block["password"] = "p";
  block["user"] = std::string(64, 'u');
  CHECK(pg::connection(block).error().code() == make_error_code(Failure::bad_value));
}

TEST_CASE("identifiers and literals are quoted", "[setup][SVC-118]") {
  CHECK(pg::quote_identifier("plain") == "\"plain\"");
  CHECK(pg::quote_identifier("od\"d; drop") == "\"od\"\"d; drop\"");
  CHECK(pg::quote_literal("it's") == "'it''s'");
  CHECK(pg::quote_literal("back\\slash'") == "E'back\\\\slash'''");
  CHECK(pg::database_argument("it's \\ =") == "dbname='it\\'s \\\\ ='");
}

TEST_CASE("the password file escapes its separators", "[setup][SVC-119]") {
  pg::Connection connection{"127.0.0.1", "us:er", "pa\\ss:word", 5433};
  CHECK(pg::passfile(connection) == "*:5433:*:us\\:er:pa\\\\ss\\:word\n");
}

TEST_CASE("a password is sent as what the server stores of it", "[setup][SVC-119]") {
  // What PostgreSQL 15 derives from the password "secret" and this salt.
  const auto verifier = pg::password_verifier("secret", "0123456789abcdef");
  REQUIRE(verifier);
  CHECK_THAT(*verifier, ContainsSubstring("SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$"));
  CHECK_THAT(*verifier, !ContainsSubstring("secret"));
  CHECK(*pg::password_verifier("pässword", "0123456789abcdef") == "pässword");
}

TEST_CASE("a new configuration holds the section's settings", "[setup][SVC-115]") {
  json::object block = section();
  block["port"] = 5444;
  CHECK(pg::new_configuration(block) ==
        "listen_addresses = '*'\nport = 5444\nmax_connections = 100\nshared_buffers = 128MB\n");
  block["shared_buffers"] = "";
  CHECK_THAT(pg::new_configuration(block), !ContainsSubstring("shared_buffers"));
}

TEST_CASE("the socket directory is set where it is not the server's default", "[setup][SVC-115]") {
  const std::filesystem::path debian = "/usr/lib/postgresql/15/bin";
  CHECK_FALSE(*pg::socket_directory("/run/postgresql", "/run/postgresql", debian, 5432));
  CHECK_FALSE(*pg::socket_directory("/var/run/postgresql", "/var/run/postgresql", debian, 5432));
  CHECK(**pg::socket_directory("/run/postgresql", "/run/postgresql", "/opt/pg/bin", 5432) ==
        "/run/postgresql");
  CHECK(**pg::socket_directory("/srv/x/run", "/run", debian, 5432) == "/srv/x/run");
  CHECK(**pg::socket_directory("/srv/x, \"y\"", "/run", debian, 5432) == "\"/srv/x, \"\"y\"\"\"");
}

TEST_CASE("a socket path that does not fit is refused with its length", "[setup][SVC-115]") {
  const std::string root = "/" + std::string(90, 'd');
  const auto result =
      pg::socket_directory(root + "/run/postgresql", "/run/postgresql", "/usr/lib/postgresql/15/bin", 5432);
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == make_error_code(Failure::bad_value));
  CHECK_THAT(result.error().message(),
             ContainsSubstring("run_directory /run/postgresql") && ContainsSubstring("107"));
  // 107 bytes are fine.
  const std::string edge = "/" + std::string(107 - 1 - std::string("/.s.PGSQL.5432").size(), 'd');
  CHECK(pg::socket_directory(edge, edge, "/opt", 5432));
  CHECK_FALSE(pg::socket_directory(edge + "d", edge, "/opt", 5432));
}

TEST_CASE("initdb gets the words of initdb_args, whose auth options replace ours", "[setup][SVC-113]") {
  CHECK(*pg::initdb_arguments("/d", "DUMB", "/pw", "--data-checksums --locale 'C.UTF-8'") ==
        Words{"-D", "/d", "-U", "DUMB", "--pwfile=/pw", "--auth-local=trust", "--auth-host=scram-sha-256",
              "--data-checksums", "--locale", "C.UTF-8"});
  CHECK(*pg::initdb_arguments("/d", "u", "/pw", "--auth=peer") ==
        Words{"-D", "/d", "-U", "u", "--pwfile=/pw", "--auth=peer"});
  CHECK(*pg::initdb_arguments("/d", "u", "/pw", "-A md5") ==
        Words{"-D", "/d", "-U", "u", "--pwfile=/pw", "-A", "md5"});
  CHECK_FALSE(pg::initdb_arguments("/d", "u", "/pw", "'open"));
}

TEST_CASE("the command's program is taken from the chosen directory, its placeholders filled",
          "[setup][SVC-116]") {
  const json::object block = section();
  const std::filesystem::path tools = "/usr/lib/postgresql/15/bin";
  CHECK(*pg::server_command(block.if_contains("command"), block, tools) ==
        Words{"/usr/lib/postgresql/15/bin/postgres", "-D", "/postgres_data", "-c",
              "config_file=/postgres_data/postgresql.conf"});
  const json::value list{"/opt/pg/postgres", "-p", "{port}", "{unknown}"};
  CHECK(*pg::server_command(&list, block, tools) == Words{"/opt/pg/postgres", "-p", "5432", "{unknown}"});
  CHECK_FALSE(pg::server_command(nullptr, block, tools));
}

TEST_CASE("the databases to make are those not switched off", "[setup][SVC-118][SVC-121]") {
  json::object block = section();
  CHECK(*pg::wanted_databases(block) == Words{"postgres", "pgadmin", "zilean", "riven"});
  block["databases"] =
      json::array{json::object{{"name", "a"}, {"enabled", false}}, json::object{{"name", "b"}},
                  json::object{{"name", "b"}, {"enabled", true}}, "plain"};
  CHECK(*pg::wanted_databases(block) == Words{"b", "plain"});
  for (const std::string& bad : {std::string(" "), std::string(64, 'x')}) {
    block["databases"] = json::array{json::object{{"name", bad}}};
    CHECK(pg::wanted_databases(block).error().code() == make_error_code(Failure::bad_value));
  }
  block["databases"] = json::array{json::object{{"name", std::string(63, 'x')}}};
  CHECK(pg::wanted_databases(block));
}

TEST_CASE("databases are created once, by quoted name", "[setup][SVC-118]") {
  CHECK(pg::create_databases_sql({"o'd\"d"}, "DUMB") ==
        "SELECT 'CREATE DATABASE \"o''d\"\"d\" OWNER \"DUMB\"' WHERE NOT EXISTS (SELECT 1 FROM pg_database "
        "WHERE "
        "datname = 'o''d\"d')\\gexec\n");
  CHECK(pg::extensions_of("postgres") == Words{"system_stats", "pgagent"});
  CHECK(pg::extensions_of("riven") == Words{"system_stats"});
}

TEST_CASE("versions and pid files are read", "[setup][SVC-110][LIF-126]") {
  CHECK(pg::major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)") == "15");
  CHECK(pg::major_version("postgres (PostgreSQL) 9.6.24") == "9.6");
  CHECK(pg::major_version("postgres (PostgreSQL) 17devel") == "17");
  CHECK(pg::major_version("nothing").empty());
  const auto content =
      pg::parse_pid_file("4242\n/postgres_data\n1700000000\n5432\n/run/postgresql\n127.0.0.1\n");
  REQUIRE(content);
  CHECK(content->pid == 4242);
  CHECK(content->data_directory == "/postgres_data");
  CHECK_FALSE(pg::parse_pid_file(""));
  CHECK_FALSE(pg::parse_pid_file("garbage\n/x\n"));
}
