#include <sys/stat.h>

#include <boost/json.hpp>
#include <dumb/auth/credentials.hpp>

#include "support/cli_program.hpp"
#include "support/support.hpp"

using namespace dumb;
using test::CliProgram;
using test::TempDir;

namespace {

constexpr std::string_view pair = R"({"access_token":"A1","refresh_token":"R1","token_type":"bearer"})";
constexpr std::string_view server = "http://127.0.0.1:8000/";

struct Bench {
  Bench() { program.system.environment["DUMB_CREDENTIALS"] = file().native(); }
  std::filesystem::path file() const { return dir / "private/credentials.json"; }
  std::optional<auth::Credentials> kept() const {
    const auto found = auth::CredentialFile(file()).find(std::string(server));
    REQUIRE(found);
    return *found;
  }
  std::vector<std::string> tokens() const {
    std::vector<std::string> out;
    for (const http::Request& request : program.requests) {
      std::string token;
      for (const auto& [name, value] : request.headers) {
        if (name == "Authorization") token = value;
      }
      out.push_back(request.url.target + " " + token);
    }
    return out;
  }

  TempDir dir;
  CliProgram program;
};

}  // namespace

TEST_CASE("a login keeps tokens that later commands send", "[cli][API-60][API-68]") {
  Bench bench;
  bench.program.answer("POST /auth/login", std::string(pair));
  bench.program.answer("GET /process/capabilities", R"({"a":true})");
  bench.program.system.in_is_terminal = true;
  bench.program.lines = {"alice", "correct horse"};
  CHECK(bench.program.run({"login"}) == 0);
  CHECK(bench.program.asked == "User: \nPassword: (hidden)\n");
  CHECK_THAT(bench.program.err, ContainsSubstring("logged in to") && ContainsSubstring("alice"));
  CHECK(bench.program.err.find("A1") == std::string::npos);
  CHECK(bench.program.requests.front().body == R"({"username":"alice","password":"correct horse"})");
  CHECK(bench.kept() == auth::Credentials{"A1", "R1"});
  struct stat info {};
  REQUIRE(::stat(bench.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(::stat(bench.file().parent_path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  CHECK(bench.program.run({"capabilities"}) == 0);
  CHECK(bench.tokens().back() == "/process/capabilities Bearer A1");
  CHECK(bench.program.run({"logout"}) == 0);
  CHECK_FALSE(bench.kept());
  CHECK(bench.program.run({"capabilities"}) == 0);
  CHECK(bench.tokens().back() == "/process/capabilities ");
  CHECK(bench.program.run({"logout"}) == 0);
  CHECK_THAT(bench.program.err, ContainsSubstring("there was no login"));
}

TEST_CASE("an expired token is renewed once, and the next one is kept", "[cli][API-75]") {
  Bench bench;
  REQUIRE(auth::CredentialFile(bench.file()).store(std::string(server), {"A0", "R0"}));
  bench.program.answer("GET /process/capabilities", R"({"detail":"Token has expired"})", 401);
  bench.program.answer("GET /process/capabilities", R"({"a":true})");
  bench.program.answer("POST /auth/refresh", std::string(pair));
  CHECK(bench.program.run({"capabilities"}) == 0);
  CHECK(bench.tokens() == std::vector<std::string>{"/process/capabilities Bearer A0", "/auth/refresh ",
                                                   "/process/capabilities Bearer A1"});
  CHECK(bench.kept() == auth::Credentials{"A1", "R1"});
}

TEST_CASE("without a right to ask, the answer says what to do", "[cli]") {
  Bench bench;
  bench.program.answer("GET /process/capabilities", R"({"detail":"Not authenticated"})", 401);
  bench.program.answer("POST /auth/refresh", R"({"detail":"Invalid refresh token"})", 401);
  CHECK(bench.program.run({"capabilities"}) == 1);
  CHECK_THAT(bench.program.err, ContainsSubstring("Not authenticated; 'dumb-cli login' asks"));
  REQUIRE(auth::CredentialFile(bench.file()).store(std::string(server), {"A0", "R0"}));
  CHECK(bench.program.run({"capabilities"}) == 1);
  CHECK(bench.kept() == auth::Credentials{"A0", "R0"});
  // A token of the environment is used as it is.
  bench.program.requests.clear();
  bench.program.system.environment["DUMB_TOKEN"] = "T";
  CHECK(bench.program.run({"capabilities"}) == 1);
  CHECK(bench.tokens() == std::vector<std::string>{"/process/capabilities Bearer T"});
  CHECK(bench.program.run({"logout"}) == 2);
}

TEST_CASE("a script logs in with the password on standard input", "[cli]") {
  Bench bench;
  bench.program.answer("POST /auth/login", R"({"detail":"Invalid username or password"})", 401);
  bench.program.answer("POST /auth/login", std::string(pair));
  CHECK(bench.program.run({"login"}) == 2);  // no terminal
  CHECK(bench.program.run({"login", "--password-stdin"}) == 2);
  bench.program.input = "secret words\nmore";
  CHECK(bench.program.run({"login", "alice", "--password-stdin"}) == 1);
  CHECK_THAT(bench.program.err, ContainsSubstring("Invalid username or password"));
  CHECK(bench.program.err.find("dumb-cli login") == std::string::npos);
  CHECK_FALSE(bench.kept());
  CHECK(bench.program.run({"login", "alice", "--password-stdin"}) == 0);
  CHECK(bench.program.requests.back().body == R"({"username":"alice","password":"secret words"})");
  CHECK(bench.kept());
}

TEST_CASE("credentials of several servers do not touch each other, and a broken file is told",
          "[auth][cli]") {
  const TempDir dir;
  const auth::CredentialFile file(dir / "c.json");
  CHECK(*file.find("http://a") == std::nullopt);
  REQUIRE(file.store("http://a", {"1", "2"}));
  REQUIRE(file.store("http://b", {"3", "4"}));
  CHECK(*file.remove("http://a"));
  CHECK_FALSE(*file.remove("http://a"));
  CHECK(**file.find("http://b") == auth::Credentials{"3", "4"});
  test::write_text(dir / "c.json", "{broken");
  CHECK_FALSE(file.find("http://b"));
  CHECK_FALSE(file.store("http://a", {"1", "2"}));
  CHECK(test::read_text(dir / "c.json") == "{broken");
  CHECK(auth::credentials_path({{"HOME", "/h"}}) == "/h/.config/dumb/credentials.json");
  CHECK(auth::credentials_path({{"HOME", "/h"}, {"XDG_CONFIG_HOME", "/x"}}) == "/x/dumb/credentials.json");
  CHECK(auth::credentials_path({{"HOME", "/h"}, {"DUMB_CREDENTIALS", "/d"}}) == "/d");
  CHECK(auth::credentials_path({}).empty());
}
