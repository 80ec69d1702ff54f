#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/auth/service.hpp>

#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/config_bench.hpp"
#include "support/support.hpp"

using namespace dumb;
namespace asio = boost::asio;

namespace {

/// A service over a store in a directory of its own. The clock stands; the store is looked at with every
/// call.
struct Bench {
  Bench() { open(); }
  void open() {
    auth::Options options;
    options.file = file;
    options.hash_cost = 4;
    options.clock = &clock;
    options.look_every = {};
    service = std::make_unique<auth::Service>(context.get_executor(), pool, log, std::move(options));
    service->open();
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    return test::run(context, std::move(work));
  }
  auth::TokenPair set_up_alice() {
    auto pair = run(service->set_up("alice", "correct horse"));
    REQUIRE(pair);
    return *pair;
  }
  bool eventually(const std::function<bool()>& condition) { return test::run_until(context, condition); }

  test::TempDir dir;
  std::filesystem::path file = dir / "config/users.json";
  asio::io_context context;
  asio::thread_pool pool{2};
  test::LogCapture log;
  test::FakeClock clock;
  std::unique_ptr<auth::Service> service;
};

bool is_401(const Error& error) {
  return auth::is_unauthenticated(error);
}

}  // namespace

TEST_CASE("a store is made at the first start, private and with authentication off",
          "[auth][API-60][API-61]") {
  Bench bench;
  struct stat info {};
  REQUIRE(::stat(bench.file.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600);
  const auto accounts = auth::Accounts::parse(test::read_text(bench.file));
  REQUIRE(accounts);
  CHECK(accounts->secret().size() == 43);
  CHECK_FALSE(bench.service->enabled());
  const auto status = bench.service->status();
  REQUIRE(status);
  CHECK_FALSE(status->enabled);
  CHECK_FALSE(status->has_users);
  CHECK_FALSE(status->setup_skipped);
  CHECK(bench.service->authorize("whatever").value().empty());
  CHECK(bench.service->may_stay({}));
}

TEST_CASE("the same store is used again, and a missing secret is made", "[auth][API-60][API-61]") {
  Bench bench;
  const auto pair = bench.set_up_alice();
  const std::string before = test::read_text(bench.file);
  bench.open();
  CHECK(test::read_text(bench.file) == before);
  CHECK(bench.service->authorize(pair.access_token).value() == "alice");

  test::write_text(bench.file, R"({"enabled": false, "users": [], "jwt_secret": "", "more": 1})");
  bench.open();
  const auto accounts = auth::Accounts::parse(test::read_text(bench.file));
  REQUIRE(accounts);
  CHECK(accounts->secret().size() == 43);
  CHECK(test::read_text(bench.file).find("\"more\": 1") != std::string::npos);
}

TEST_CASE("an unreadable store is kept and never taken for off", "[auth][API-61][API-112]") {
  Bench bench;
  const auto pair = bench.set_up_alice();
  const std::string good = test::read_text(bench.file);
  const std::string broken = good.substr(0, good.size() / 2);
  test::write_text(bench.file, broken);
  bench.open();
  CHECK(test::read_text(bench.file) == broken);
  CHECK(bench.log.contains("the user store cannot be used"));
  CHECK_FALSE(bench.log.contains("correct horse"));
  const auto refused = bench.service->authorize(pair.access_token);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Errc::unavailable));
  CHECK(bench.run(bench.service->login("alice", "correct horse", "::1")).error().is(Errc::unavailable));
  CHECK(bench.run(bench.service->set_up("mallory", "12345678")).error().is(Errc::unavailable));
  CHECK(bench.run(bench.service->disable("")).error().is(Errc::unavailable));
  CHECK_FALSE(bench.service->may_stay({}));
  CHECK(test::read_text(bench.file) == broken);

  // Mended by hand it is used again, without a restart.
  test::write_text(bench.file, good);
  CHECK(bench.eventually([&] { return bench.service->authorize(pair.access_token).has_value(); }));
  CHECK(bench.log.contains("can be read again"));
}

TEST_CASE("what is changed by hand is picked up", "[auth][API-61]") {
  Bench bench;
  const auto pair = bench.set_up_alice();
  CHECK(bench.service->enabled());
  auto accounts = auth::Accounts::parse(test::read_text(bench.file));
  REQUIRE(accounts);
  accounts->disable();
  test::write_text(bench.file, accounts->print());
  CHECK(bench.eventually([&] { return bench.service->authorize("nonsense").has_value(); }));
  CHECK_FALSE(bench.service->enabled());
  // A store that goes away lets nobody in, and the next change writes it anew with its users.
  REQUIRE(accounts->enable());
  test::write_text(bench.file, accounts->print());
  CHECK(bench.eventually([&] { return bench.service->enabled(); }));
  std::filesystem::remove(bench.file);
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.service->enabled());
    bench.context.restart();
    bench.context.run_for(std::chrono::milliseconds(5));
  }
  REQUIRE(bench.run(bench.service->add_user("bobby", "12345678", "alice")));
  CHECK(auth::Accounts::parse(test::read_text(bench.file))->users().size() == 2);
  CHECK(bench.service->authorize(pair.access_token).value() == "alice");
}

TEST_CASE("setup gives tokens that work", "[auth][API-64][API-65][API-72]") {
  Bench bench;
  const auto pair = bench.set_up_alice();
  CHECK(pair.token_type == "bearer");
  CHECK(bench.service->authorize(pair.access_token).value() == "alice");
  CHECK(is_401(bench.service->authorize("").error()));
  CHECK(is_401(bench.service->authorize(pair.refresh_token).error()));
  CHECK(is_401(bench.service->authorize(pair.access_token + "x").error()));
  bench.clock.advance(std::chrono::minutes(60));
  CHECK(is_401(bench.service->authorize(pair.access_token).error()));
  const auto next = bench.service->refresh(pair.refresh_token);
  REQUIRE(next);
  CHECK(bench.service->authorize(next->access_token));
  CHECK(bench.service->refresh(pair.refresh_token));  // API-75
  CHECK(is_401(bench.service->refresh(next->access_token).error()));
  bench.clock.advance(std::chrono::hours(24 * 30));
  CHECK(is_401(bench.service->refresh(pair.refresh_token).error()));
}

TEST_CASE("of two setups at once one succeeds", "[auth][API-73]") {
  Bench bench;
  int good = 0;
  int bad = 0;
  const auto count = [&](std::exception_ptr, Result<auth::TokenPair> result) { ++(result ? good : bad); };
  asio::co_spawn(bench.context, bench.service->set_up("alice", "correct horse"), count);
  asio::co_spawn(bench.context, bench.service->set_up("bobby", "correct horse"), count);
  int skipped = 0;
  asio::co_spawn(bench.context, bench.service->skip_setup(),
                 [&](std::exception_ptr, Result<void> result) { skipped = result ? 1 : 2; });
  REQUIRE(bench.eventually([&] { return good + bad == 2 && skipped != 0; }));
  CHECK(good == 1);
  CHECK(bad == 1);
  CHECK(auth::Accounts::parse(test::read_text(bench.file))->users().size() == 1);
  CHECK(bench.service->enabled());
}

TEST_CASE("a login is refused alike for every reason", "[auth][API-74][API-82]") {
  Bench bench;
  CHECK(is_401(bench.run(bench.service->login("alice", "correct horse", "::1")).error()));
  bench.set_up_alice();
  REQUIRE(bench.run(bench.service->add_user("bobby", "correct horse", "alice")));
  REQUIRE(bench.run(bench.service->set_disabled("bobby", true, "alice")));
  const auto wrong = bench.run(bench.service->login("alice", "correct hors", "::1"));
  const auto disabled = bench.run(bench.service->login("bobby", "correct horse", "::1"));
  const auto unknown = bench.run(bench.service->login("carol", "correct horse", "::1"));
  REQUIRE_FALSE(wrong);
  CHECK(is_401(wrong.error()));
  CHECK(disabled.error().to_string() == wrong.error().to_string());
  CHECK(unknown.error().to_string() == wrong.error().to_string());
  const auto good = bench.run(bench.service->login("alice", "correct horse", "::1"));
  REQUIRE(good);
  CHECK(bench.service->authorize(good->access_token).value() == "alice");
  CHECK(bench.log.contains("user alice logged in from ::1"));
  for (const std::string& secret : {std::string("correct hors"), good->access_token, good->refresh_token}) {
    CHECK_FALSE(bench.log.contains(secret));
  }
}

TEST_CASE("a password is never judged by its first 72 bytes", "[auth][API-62][API-114]") {
  Bench bench;
  const std::string longest(72, 'p');
  REQUIRE(bench.run(bench.service->set_up("alice", longest)));
  CHECK(bench.run(bench.service->login("alice", longest, "::1")));
  CHECK_FALSE(bench.run(bench.service->login("alice", longest + "q", "::1")));
}

TEST_CASE("ten failed logins close the door for the rest of five minutes", "[auth][API-83]") {
  Bench bench;
  bench.set_up_alice();
  for (int i = 0; i < 10; ++i)
    CHECK(is_401(bench.run(bench.service->login("alice", "wrong one", "10.1.1.1")).error()));
  const auto refused = bench.run(bench.service->login("alice", "correct horse", "10.1.1.1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == auth::make_error_code(auth::Errc::too_many_attempts));
  CHECK(bench.service->login_wait("alice", "10.1.1.1") == std::chrono::minutes(5));
  bench.clock.advance(std::chrono::minutes(5));
  CHECK(bench.run(bench.service->login("alice", "correct horse", "10.1.1.1")));
}

TEST_CASE("a disabled or deleted user's tokens and connections end", "[auth][API-64][UI-83]") {
  Bench bench;
  bench.set_up_alice();
  REQUIRE(bench.run(bench.service->add_user("bobby", "correct horse", "alice")));
  const auto pair = bench.run(bench.service->login("bobby", "correct horse", "::1"));
  REQUIRE(pair);
  const auto session = bench.service->begin_session(pair->access_token);
  REQUIRE(session);
  CHECK(session->username == "bobby");
  CHECK(bench.service->may_stay(*session));
  CHECK(bench.service->verify(pair->access_token)->valid);
  REQUIRE(bench.run(bench.service->set_disabled("bobby", true, "alice")));
  CHECK_FALSE(bench.service->may_stay(*session));
  CHECK(is_401(bench.service->authorize(pair->access_token).error()));
  CHECK(is_401(bench.service->refresh(pair->refresh_token).error()));
  CHECK_FALSE(bench.service->verify(pair->access_token)->valid);
  REQUIRE(bench.run(bench.service->set_disabled("bobby", false, "alice")));
  CHECK(bench.service->may_stay(*session));
  bench.clock.advance(std::chrono::minutes(60));
  CHECK_FALSE(bench.service->may_stay(*session));
  REQUIRE(bench.run(bench.service->remove_user("bobby", "alice")));
  CHECK_FALSE(bench.service->begin_session(pair->access_token));
}

TEST_CASE("a connection without a token ends when authentication is switched on", "[auth][UI-83]") {
  Bench bench;
  const auto open = bench.service->begin_session("");
  REQUIRE(open);
  CHECK(bench.service->may_stay(*open));
  bench.set_up_alice();
  CHECK_FALSE(bench.service->may_stay(*open));
  REQUIRE(bench.run(bench.service->disable("alice")));
  CHECK(bench.service->may_stay(*open));
  CHECK(bench.log.contains("authentication was switched off by alice"));
  CHECK_FALSE(bench.service->verify("x")->valid);
  CHECK(is_401(bench.service->require("x").error()));  // API-77
  REQUIRE(bench.run(bench.service->enable("")));
  CHECK(bench.service->enabled());
}

TEST_CASE("a store that cannot be written leaves everything as it was", "[auth][API-61]") {
  Bench bench;
  bench.set_up_alice();
  const std::string before = test::read_text(bench.file);
  // A directory in the way of the new file makes the replacement fail, for root too.
  std::filesystem::rename(bench.file, bench.dir / "kept.json");
  std::filesystem::create_directories(bench.file / "in the way");
  CHECK_FALSE(bench.run(bench.service->add_user("bobby", "correct horse", "alice")));
  std::filesystem::remove_all(bench.file);
  std::filesystem::rename(bench.dir / "kept.json", bench.file);
  CHECK(bench.eventually([&] { return bench.service->users().has_value(); }));
  CHECK(bench.service->users()->users.size() == 1);
  CHECK(test::read_text(bench.file) == before);
}
