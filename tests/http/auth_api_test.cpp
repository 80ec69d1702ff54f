#include <boost/json.hpp>
#include <dumb/auth/accounts.hpp>
#include <dumb/auth/password.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/auth/token.hpp>
#include <set>

#include "answers.hpp"
#include "golden.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef0123456789a";

json::object child() {
  json::object services;
  services["child"] = child_block("Child", {});
  return services;
}

std::string bearer(std::string_view token) {
  return "Authorization: Bearer " + std::string(token) + "\r\n";
}

/// A server whose user store is written by the test: hashing is slow.
struct Bench {
  explicit Bench(std::optional<auth::Accounts> accounts = {}) : stack(child()) {
    if (accounts) write_text(file(), accounts->print());
  }
  std::filesystem::path file() const { return stack.root() / "config/users.json"; }
  Answer ask(std::string_view method, std::string_view target, std::string_view token = {},
             std::string_view body = {}) {
    std::string head = "Content-Type: application/json\r\n";
    if (!token.empty()) head += bearer(token);
    return request(stack.port(), method, target, body, head);
  }
  json::object object(const Answer& answer) { return parsed(answer.body).as_object(); }

  Stack stack;
};

/// alice and bobby, authentication on.
auth::Accounts two_users() {
  auth::Accounts accounts = auth::Accounts::create(std::string(secret));
  REQUIRE(accounts.add_user("alice", auth::hash_password("correct horse", 4).value()));
  REQUIRE(accounts.add_user("bobby", auth::hash_password("battery staple", 4).value()));
  return accounts;
}

std::string token_for(std::string_view user, auth::TokenKind kind = auth::TokenKind::access,
                      std::int64_t expires = 4'102'444'800) {
  return auth::sign_token({std::string(user), expires, kind}, secret, auth::Algorithm::hs256);
}

}  // namespace

TEST_CASE("while authentication is off no token is asked for and none is judged",
          "[server][API-60][API-66]") {
  Bench bench;
  CHECK(bench.object(bench.ask("GET", "/auth/status")) ==
        json::object{{"enabled", false}, {"has_users", false}, {"setup_skipped", false}});
  CHECK(std::filesystem::exists(bench.file()));
  for (const char* field :
       {"Authorization: Bearer nonsense\r\n", "Authorization: \r\n", "Authorization: Basic x\r\n"}) {
    CHECK(request(bench.stack.port(), "GET", "/process/processes", {}, field).status == 200);
  }
  CHECK(bench.ask("POST", "/auth/login", {}, R"({"username":"alice","password":"correct horse"})").status ==
        401);
  CHECK(bench.ask("POST", "/auth/refresh", {}, R"({"refresh_token":"x"})").status == 401);
  CHECK(bench.ask("PUT", "/auth/users/alice", "x", R"({"disabled":true})").status == 401);  // API-77
  CHECK(bench.ask("DELETE", "/auth/users/alice").status == 401);
  CHECK(bench.ask("POST", "/auth/enable").status == 400);  // API-80
}

TEST_CASE("setup is skipped for ever, or makes the first user", "[server][API-72][API-73][UI-141]") {
  Bench bench;
  CHECK(bench.ask("POST", "/auth/skip-setup").status == 200);
  CHECK(bench.object(bench.ask("GET", "/auth/status")).at("setup_skipped") == true);
  CHECK(bench.ask("POST", "/auth/setup", {}, R"({"username":"al","password":"correct horse"})").status ==
        400);
  CHECK(bench.ask("POST", "/auth/setup", {}, R"({"username":"alice","password":"short"})").status == 400);
  CHECK(bench.ask("POST", "/auth/setup", {}, R"({"username":"alice"})").status == 422);
  const Answer made =
      bench.ask("POST", "/auth/setup", {}, R"({"username":" alice ","password":"correct horse"})");
  REQUIRE(made.status == 200);
  const json::object pair = bench.object(made);
  CHECK(pair.size() == 3);
  CHECK(pair.at("token_type") == "bearer");
  const std::string token(pair.at("access_token").as_string());
  CHECK(bench.object(bench.ask("GET", "/auth/status")) ==
        json::object{{"enabled", true}, {"has_users", true}, {"setup_skipped", false}});
  CHECK(bench.ask("GET", "/process/processes").status == 401);
  CHECK(bench.ask("GET", "/process/processes", token).status == 200);
  CHECK(bench.ask("POST", "/auth/skip-setup").status == 400);
  CHECK(bench.ask("POST", "/auth/setup", {}, R"({"username":"bobby","password":"correct horse"})").status ==
        400);
  // What hashes a password takes its time; one login is enough.
  const Answer again =
      bench.ask("POST", "/auth/login", {}, R"({"username":"alice","password":"correct horse"})");
  REQUIRE(again.status == 200);
  const std::string renewed(bench.object(again).at("refresh_token").as_string());
  const Answer fresh = bench.ask("POST", "/auth/refresh", {}, R"({"refresh_token":")" + renewed + "\"}");
  CHECK(fresh.status == 200);
}

TEST_CASE("with authentication on every route but the open ones needs a good token",
          "[server][API-66][API-67][API-68][API-64]") {
  Bench bench(two_users());
  const std::string good = token_for("alice");
  const std::vector<std::string> bad{"nonsense", token_for("nobody"),
                                     token_for("alice", auth::TokenKind::refresh),
                                     token_for("alice", auth::TokenKind::access, 1'000'000'000)};
  std::size_t open = 0;
  for (const server::Route& route : bench.stack.routes()) {
    INFO(route.method << ' ' << route.path);
    if (route.access == server::Access::open) {
      ++open;
      const std::set<std::string_view> expected{
          "/health",     "/openapi.json",    "/docs",       "/scalar",       "/auth/status",
          "/auth/setup", "/auth/skip-setup", "/auth/login", "/auth/refresh", "/auth/verify"};
      CHECK(expected.contains(route.path));
      continue;
    }
    // A body that would be a fault: the token is judged first.
    const Answer none = bench.ask(route.method, route.path, {}, "[");
    CHECK(none.status == 401);
    CHECK(none.headers.at("www-authenticate") == "Bearer");
    CHECK(bench.object(none).at("detail").is_string());
    for (const std::string& token : bad) CHECK(bench.ask(route.method, route.path, token, "[").status == 401);
  }
  CHECK(open == 10);
  CHECK(bench.ask("GET", "/process/processes", good).status == 200);
  CHECK(bench.ask("GET", "/api/config/", good).status == 200);
  const auto with_field = [&](const std::string& field) {
    return request(bench.stack.port(), "GET", "/process/processes", {}, field).status;
  };
  CHECK(with_field("Authorization: bEARER  " + good + "\r\n") == 200);
  CHECK(with_field("Authorization: Basic " + good + "\r\n") == 401);
  CHECK(with_field("Authorization: Bearer\r\n") == 401);
  CHECK(with_field("Authorization: Bearer \r\n") == 401);
  CHECK(bench.ask("GET", "/health").status == 200);
}

TEST_CASE("with authentication on the origin is not judged", "[server][API-5]") {
  Bench bench(two_users());
  const std::string head = "Host: stack.example.com\r\nOrigin: https://ui.example.com\r\n";
  const auto ask = [&](const std::string& more) {
    RawClient client(bench.stack.port());
    client.send("GET /process/processes HTTP/1.1\r\n" + head + more + "Connection: close\r\n\r\n");
    const auto answer = client.receive();
    REQUIRE(answer);
    return *answer;
  };
  CHECK(ask({}).status == 401);
  const Answer good = ask(bearer(token_for("alice")));
  CHECK(good.status == 200);
  CHECK(good.headers.at("access-control-allow-origin") == "https://ui.example.com");
}

TEST_CASE("verify takes the token from query or body and never answers 401",
          "[server][API-76][API-116][UI-9]") {
  Bench bench(two_users());
  const std::string good = token_for("alice");
  const json::object valid{{"valid", true}, {"username", "alice"}};
  const json::object invalid{{"valid", false}, {"username", nullptr}};
  // As the frontend sends it: no body, and the type of a form.
  const Answer form = request(bench.stack.port(), "POST", "/auth/verify?token=" + good, {},
                              "Content-Type: application/x-www-form-urlencoded\r\n");
  CHECK(form.status == 200);
  CHECK(bench.object(form) == valid);
  CHECK(bench.object(bench.ask("POST", "/auth/verify", {}, R"({"token":")" + good + "\"}")) == valid);
  for (const std::string& bad :
       {std::string("x"), token_for("alice", auth::TokenKind::refresh), token_for("nobody")}) {
    CHECK(bench.object(bench.ask("POST", "/auth/verify?token=" + bad)) == invalid);
  }
  const Answer neither = bench.ask("POST", "/auth/verify", {}, "{}");
  CHECK(neither.status == 422);
}

TEST_CASE("users are listed, added, disabled and deleted", "[server][API-71][API-79][API-81]") {
  Bench bench(two_users());
  const std::string alice = token_for("alice");
  const std::string bobby = token_for("bobby");
  CHECK(bench.object(bench.ask("GET", "/auth/users", alice)) ==
        json::object{{"users", json::array{json::object{{"username", "alice"}, {"disabled", false}},
                                           json::object{{"username", "bobby"}, {"disabled", false}}}}});
  CHECK(bench.ask("POST", "/auth/users", alice, R"({"username":"c/d","password":"correct horse"})").status ==
        400);
  CHECK(bench.ask("POST", "/auth/users", alice, R"({"username":"carol"})").status == 422);
  const Answer carol =
      bench.ask("POST", "/auth/users", alice, R"({"username":"Carol K","password":"correct horse"})");
  CHECK(bench.object(carol) == json::object{{"username", "Carol K"}, {"disabled", false}});
  CHECK(bench.ask("POST", "/auth/users", alice, R"({"username":"Carol K","password":"correct horse"})")
            .status == 400);
  CHECK(bench.object(bench.ask("PUT", "/auth/users/Carol%20K", alice, R"({"disabled":true})")) ==
        json::object{{"username", "Carol K"}, {"disabled", true}});
  CHECK(bench.ask("DELETE", "/auth/users/Carol%20K", alice).status == 200);
  CHECK(bench.ask("DELETE", "/auth/users/Carol%20K", alice).status == 400);
  CHECK(bench.ask("PUT", "/auth/users/bobby", alice, R"({"disabled":1.5})").status == 422);
  CHECK(bench.ask("DELETE", "/auth/users/alice", alice).status == 400);
  REQUIRE(bench.ask("PUT", "/auth/users/bobby", alice, R"({"disabled":true})").status == 200);
  CHECK(bench.ask("GET", "/process/processes", bobby).status == 401);
  CHECK(bench.ask("PUT", "/auth/users/alice", alice, R"({"disabled":true})").status == 400);
  CHECK(bench.ask("GET", "/auth/users/alice", alice).status == 405);
  CHECK(bench.ask("DELETE", "/auth/users/a/b", alice).status == 404);
  CHECK(bench.ask("POST", "/auth/disable", alice).status == 200);
  CHECK(bench.ask("GET", "/process/processes").status == 200);
  CHECK(bench.ask("POST", "/auth/enable").status == 200);
  CHECK(bench.ask("GET", "/process/processes").status == 401);
}

TEST_CASE("ten failed logins are answered 429 with a time to come back", "[server][API-83][API-74]") {
  Bench bench(two_users());
  const std::string body = R"({"username":"alice","password":"wrong horse"})";
  std::string said;
  for (int i = 0; i < 10; ++i) {
    const Answer answer = bench.ask("POST", "/auth/login", {}, body);
    REQUIRE(answer.status == 401);
    if (!said.empty()) CHECK(answer.body == said);
    said = answer.body;
  }
  const Answer refused = bench.ask("POST", "/auth/login", {}, body);
  CHECK(refused.status == 429);
  CHECK(std::stoi(refused.headers.at("retry-after")) > 200);
  CHECK(bench.ask("POST", "/auth/login", {}, R"({"username":"bobby","password":"battery staple"})").status ==
        200);
}

TEST_CASE("a user store that cannot be read closes everything but health", "[server][API-61][API-112]") {
  Bench bench;
  write_text(bench.file(), R"({"enabled": true, "users": [)");
  CHECK(bench.ask("GET", "/process/processes").status == 503);
  CHECK(bench.ask("GET", "/auth/status").status == 503);
  CHECK(bench.ask("POST", "/auth/setup", {}, R"({"username":"alice","password":"correct horse"})").status ==
        503);
  CHECK(bench.ask("GET", "/health").status == 200);
  CHECK(read_text(bench.file()) == R"({"enabled": true, "users": [)");
}
