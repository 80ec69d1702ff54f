#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/describe/class.hpp>
#include <chrono>
#include <dumb/auth/accounts.hpp>
#include <dumb/auth/token.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The user store on disk and what the API does with it (API-60 to API-83).
namespace dumb::auth {

struct Status {
  bool enabled = false;
  bool has_users = false;
  bool setup_skipped = false;
};
BOOST_DESCRIBE_STRUCT(Status, (), (enabled, has_users, setup_skipped))

struct TokenPair {
  std::string access_token;
  std::string refresh_token;
  std::string token_type = "bearer";
};
BOOST_DESCRIBE_STRUCT(TokenPair, (), (access_token, refresh_token, token_type))

struct UserEntry {
  std::string username;
  bool disabled = false;
};
BOOST_DESCRIBE_STRUCT(UserEntry, (), (username, disabled))

struct UserList {
  std::vector<UserEntry> users;
};
BOOST_DESCRIBE_STRUCT(UserList, (), (users))

struct Verification {
  bool valid = false;
  std::optional<std::string> username;
};
BOOST_DESCRIBE_STRUCT(Verification, (), (valid, username))

/// An open connection's right to be there.
struct Session {
  std::string username;  ///< empty: authentication was off when it began
  std::int64_t exp = 0;  ///< Unix seconds
};

struct Options {
  std::filesystem::path file;  ///< users.json
  TokenRules rules;
  unsigned hash_cost = 12;
  const Clock* clock = nullptr;                ///< the machine's when null
  std::chrono::milliseconds look_every{1000};  ///< how often the file is looked at for changes made by hand
};

/// Not thread-safe: construct and call it on `executor`; files and hashes are handled on `pool`. `log`,
/// `pool` and the clock outlive it. Error codes: auth::Errc; unavailable when the store cannot be read;
/// invalid_argument; otherwise the errno of the file.
class Service {
 public:
  Service(boost::asio::any_io_executor executor, boost::asio::thread_pool& pool, Log& log, Options options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Reads the store, creating it when missing and completing it when it has no secret. Blocks. A store that
  /// cannot be read or written is logged and makes everything here fail with `unavailable` until it can; it
  /// is never overwritten and never taken for "off".
  void open();

  /// Whether tokens are asked for. False also while the store cannot be read; authorize() fails then.
  bool enabled();
  /// The user of an access token, or "" while authentication is off, whatever `token` is.
  Result<std::string> authorize(std::string_view token);
  /// The user of an access token; fails with unauthenticated while authentication is off too (API-77).
  Result<std::string> require(std::string_view token);
  /// authorize() for a connection that stays open.
  Result<Session> begin_session(std::string_view token);
  /// Whether that connection may stay (UI-83).
  bool may_stay(const Session& session);

  Result<Status> status();
  boost::asio::awaitable<Result<TokenPair>> set_up(std::string username, std::string password);
  boost::asio::awaitable<Result<void>> skip_setup();
  /// `peer`: the client's address. Refused logins: too_many_attempts, with login_wait().
  boost::asio::awaitable<Result<TokenPair>> login(std::string username, std::string password,
                                                  std::string peer);
  std::chrono::seconds login_wait(std::string_view username, std::string_view peer) const;
  Result<TokenPair> refresh(std::string_view refresh_token);
  Result<Verification> verify(std::string_view token);
  /// `by`: the user who asks, for the log.
  boost::asio::awaitable<Result<void>> enable(std::string by);
  boost::asio::awaitable<Result<void>> disable(std::string by);
  Result<UserList> users();
  boost::asio::awaitable<Result<UserEntry>> add_user(std::string username, std::string password,
                                                     std::string by);
  boost::asio::awaitable<Result<UserEntry>> set_disabled(std::string username, bool disabled, std::string by);
  boost::asio::awaitable<Result<void>> remove_user(std::string username, std::string by);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dumb::auth
