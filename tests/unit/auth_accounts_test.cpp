#include <dumb/auth/accounts.hpp>
#include <dumb/auth/password.hpp>
#include <dumb/auth/throttle.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using auth::Accounts;

namespace {

Accounts with_users(std::initializer_list<const char*> names) {
  Accounts accounts = Accounts::create("secret");
  for (const char* name : names) REQUIRE(accounts.add_user(name, "hash"));
  return accounts;
}

template <class T>
bool refused(const Result<T>& result) {
  return !result && result.error().is(Errc::invalid_argument);
}

}  // namespace

TEST_CASE("a new store has no users and authentication is off", "[auth][API-60]") {
  const Accounts accounts = Accounts::create("0123");
  CHECK(accounts.print() == R"({
    "enabled": false,
    "users": [],
    "jwt_secret": "0123",
    "setup_skipped": false
}
)");
  CHECK_FALSE(accounts.enabled());
  CHECK_FALSE(accounts.setup_skipped());
}

TEST_CASE("a store is read as it was written, with what nobody here knows", "[auth][API-60][API-84]") {
  const std::string text = R"({
    "mode": "oidc",
    "enabled": true,
    "users": [
        {
            "username": "alice",
            "password": "$2b$12$x",
            "disabled": false,
            "mail": "a@b"
        }
    ],
    "jwt_secret": "s",
    "setup_skipped": false
}
)";
  auto accounts = Accounts::parse(text);
  REQUIRE(accounts);
  CHECK(accounts->print() == text);
  REQUIRE(accounts->add_user("bob", "h"));
  REQUIRE(accounts->set_disabled("alice", true));
  const std::string changed = accounts->print();
  CHECK(changed.find(R"("mode": "oidc")") != std::string::npos);
  CHECK(changed.find(R"("mail": "a@b")") != std::string::npos);
  CHECK(accounts->find("alice")->disabled);
}

TEST_CASE("what is no user store is refused with its place", "[auth][API-61][API-112]") {
  const auto fault = [](std::string_view text) {
    const auto parsed = Accounts::parse(text);
    return parsed ? std::string("accepted") : parsed.error().to_string();
  };
  CHECK(fault("") != "accepted");
  CHECK(fault("{").find("line 1") != std::string::npos);
  CHECK(fault("[]").find("must be an object") != std::string::npos);
  CHECK(fault("{}").find("/enabled") != std::string::npos);
  CHECK(fault(R"({"enabled":"yes"})").find("/enabled") != std::string::npos);
  CHECK(fault(R"({"enabled":true,"users":{}})").find("/users") != std::string::npos);
  CHECK(fault(R"({"enabled":true,"users":[1]})").find("/users/0") != std::string::npos);
  CHECK(fault(R"({"enabled":true,"users":[{"username":"a"}]})").find("/users/0/password") !=
        std::string::npos);
  CHECK(fault(R"({"enabled":true,"users":[{"username":"","password":"x"}]})").find("/users/0/username") !=
        std::string::npos);
  CHECK(fault(R"({"enabled":true,"users":[{"username":"a","password":"x","disabled":0}]})")
            .find("/users/0/disabled") != std::string::npos);
  CHECK(fault(R"({"enabled":true,"jwt_secret":7})").find("/jwt_secret") != std::string::npos);
  CHECK(fault(R"({"enabled":false})") == "accepted");
}

TEST_CASE("setup makes the first user and switches authentication on", "[auth][API-72][API-78]") {
  Accounts accounts = Accounts::create("s");
  REQUIRE(accounts.skip_setup());
  CHECK(accounts.setup_skipped());
  REQUIRE(accounts.set_up("alice", "h"));
  CHECK(accounts.enabled());
  CHECK_FALSE(accounts.setup_skipped());
  CHECK(refused(accounts.set_up("bob", "h")));
  CHECK(refused(accounts.skip_setup()));
  CHECK(accounts.enabled());

  Accounts added = Accounts::create("s");
  REQUIRE(added.add_user("alice", "h"));
  CHECK(added.enabled());
  added.disable();
  REQUIRE(added.add_user("bob", "h"));
  CHECK_FALSE(added.enabled());
  CHECK(refused(added.add_user("bob", "h")));
  CHECK(added.users().size() == 2);
}

TEST_CASE("the last active user cannot be disabled, the last user and oneself not deleted",
          "[auth][API-79]") {
  Accounts accounts = with_users({"alice", "bob"});
  CHECK(refused(accounts.set_disabled("carol", true)));
  CHECK(accounts.set_disabled("bob", false));
  REQUIRE(accounts.set_disabled("alice", true));
  CHECK(accounts.set_disabled("alice", true));
  CHECK(refused(accounts.set_disabled("bob", true)));
  CHECK(refused(accounts.remove_user("bob", "bob")));
  CHECK(refused(accounts.remove_user("carol", "bob")));
  REQUIRE(accounts.remove_user("alice", "bob"));
  CHECK(refused(accounts.remove_user("bob", "alice")));
  REQUIRE(accounts.users().size() == 1);
  CHECK(accounts.users().front().username == "bob");
}

TEST_CASE("authentication is switched on only with an active user", "[auth][API-80]") {
  Accounts accounts = Accounts::create("s");
  CHECK(refused(accounts.enable()));
  const auto all_disabled =
      Accounts::parse(R"({"enabled":false,"users":[{"username":"alice","password":"h","disabled":true}]})");
  REQUIRE(all_disabled);
  accounts = *all_disabled;
  CHECK(refused(accounts.enable()));
  REQUIRE(accounts.set_disabled("alice", false));
  CHECK(accounts.enable());
  CHECK(accounts.enable());
  CHECK(accounts.enabled());
}

TEST_CASE("names have at least three characters and none that a path could not carry", "[auth][API-62]") {
  CHECK(*auth::check_username("  alice ") == "alice");
  CHECK(*auth::check_username("äöü") == "äöü");
  CHECK(*auth::check_username("Al ice") == "Al ice");
  for (const char* name : {"", "ab", "  ab ", "äö", "a/b", "ab?", "#ab", "50%", "a\nb",
                           "a\x7F"
                           "b",
                           "ab\xFF"}) {
    CAPTURE(name);
    CHECK(refused(auth::check_username(name)));
  }
}

TEST_CASE("passwords have 8 to 72 bytes", "[auth][API-62][API-114]") {
  CHECK(refused(auth::check_password("1234567")));
  CHECK(auth::check_password("12345678"));
  CHECK(auth::check_password(std::string(72, 'a')));
  CHECK(refused(auth::check_password(std::string(73, 'a'))));
  std::string umlauts;
  for (int i = 0; i < 37; ++i) umlauts += "ä";
  CHECK(refused(auth::check_password(umlauts)));
  CHECK(refused(auth::check_password(std::string("1234\0005678", 9))));
}

TEST_CASE("a bcrypt hash fits its password only", "[auth][API-62]") {
  const auto hash = auth::hash_password("correct horse", 4);
  REQUIRE(hash);
  CHECK(hash->starts_with("$2b$04$"));
  CHECK(auth::password_fits("correct horse", *hash));
  CHECK_FALSE(auth::password_fits("correct horsf", *hash));
  CHECK_FALSE(auth::password_fits("", *hash));
  CHECK(*auth::hash_password("correct horse", 4) != *hash);
  for (const char* prefix : {"$2a$", "$2y$"}) {
    CHECK(auth::password_fits("correct horse", prefix + hash->substr(4)));
  }
  for (const std::string& no_hash : {std::string(), std::string("correct horse"), hash->substr(0, 59),
                                     std::string("$6$abc$") + std::string(53, 'x'), std::string(60, '$')}) {
    CHECK_FALSE(auth::password_fits("correct horse", no_hash));
  }
}

TEST_CASE("the eleventh login after ten failures waits for the rest of five minutes",
          "[auth][API-83][API-118]") {
  auth::LoginThrottle throttle;
  const SteadyTime begin{std::chrono::hours(1)};
  const auto at = [&](int seconds) { return begin + std::chrono::seconds(seconds); };
  for (int i = 0; i < 10; ++i) {
    CHECK(throttle.wait_for("alice", "10.0.0.1", at(i)).count() == 0);
    throttle.failed("alice", "10.0.0.1", at(i));
  }
  CHECK(throttle.wait_for("alice", "10.0.0.1", at(10)) == std::chrono::seconds(290));
  CHECK(throttle.wait_for("alice", "10.0.0.2", at(10)) == std::chrono::seconds(290));
  CHECK(throttle.wait_for("bob", "10.0.0.1", at(10)) == std::chrono::seconds(290));
  CHECK(throttle.wait_for("bob", "10.0.0.2", at(10)).count() == 0);
  CHECK(throttle.wait_for("alice", "10.0.0.1", at(300)).count() == 0);
  throttle.failed("alice", "10.0.0.1", at(300));
  CHECK(throttle.wait_for("alice", "10.0.0.1", at(301)).count() == 0);
}

TEST_CASE("a good login forgets the failures, loopback is not counted", "[auth][API-83]") {
  auth::LoginThrottle throttle;
  const SteadyTime now{std::chrono::hours(1)};
  for (int i = 0; i < 9; ++i) throttle.failed("alice", "10.0.0.1", now);
  throttle.succeeded("alice", "10.0.0.1");
  throttle.failed("alice", "10.0.0.1", now);
  CHECK(throttle.wait_for("alice", "10.0.0.1", now).count() == 0);
  for (const char* peer : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"}) {
    for (int i = 0; i < 10; ++i) throttle.failed("carol" + std::to_string(i), peer, now);
    CHECK(throttle.wait_for("dave", peer, now).count() == 0);
  }
}

TEST_CASE("the throttle holds so many names and no more", "[auth][API-83]") {
  auth::LoginThrottle throttle(20);
  const SteadyTime begin{std::chrono::hours(1)};
  for (int i = 0; i < 10; ++i) throttle.failed("alice", "127.0.0.1", begin + std::chrono::seconds(i));
  for (int i = 0; i < 19; ++i)
    throttle.failed("x" + std::to_string(i), "127.0.0.1", begin + std::chrono::seconds(20));
  CHECK(throttle.wait_for("alice", "127.0.0.1", begin + std::chrono::seconds(20)).count() > 0);
  throttle.failed("one more", "127.0.0.1", begin + std::chrono::seconds(20));
  CHECK(throttle.wait_for("alice", "127.0.0.1", begin + std::chrono::seconds(20)).count() == 0);
}
