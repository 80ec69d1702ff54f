#include <fmt/format.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <dumb/auth/password.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/auth/throttle.hpp>
#include <dumb/base/gate.hpp>
#include <dumb/base/text.hpp>

#include "auth/store_posix.hpp"
#include "base/offload.hpp"

namespace dumb::auth {

namespace asio = boost::asio;

namespace {

/// A hash that no password is known for; checked when a user is unknown, so that this takes as long (API-74).
constexpr std::string_view nobodys_hash = "$2b$12$3j7i93OfmK180nfcS.sFCusYA6CjZqsLLBQJhd/gn0bqcr4lXz152";
constexpr std::size_t most_waiting_for_a_hash = 32;

Error unauthenticated(std::string message) {
  return {make_error_code(Errc::unauthenticated), std::move(message)};
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// A name as it may stand in a log line.
std::string log_name(const std::string& username) {
  return check_username(username) ? username : std::string("with an impossible name");
}

}  // namespace

struct Service::State : std::enable_shared_from_this<Service::State> {
  State(asio::any_io_executor executor_, asio::thread_pool& pool_, Log& log_, Options options_)
      : executor(std::move(executor_)),
        pool(pool_),
        log(log_),
        options(std::move(options_)),
        clock(options.clock != nullptr ? *options.clock : system_clock()),
        save_gate(executor),
        hash_gate(executor, 2) {}

  std::int64_t now() const { return seconds_of(clock.wall()); }

  void take(Loaded loaded) {
    looked_at = clock.now();
    stamp = loaded.stamp;
    if (loaded.accounts) {
      if (broken) log.info("the user store can be read again");
      broken.reset();
      accounts = std::move(*loaded.accounts);
    } else {
      if (!broken)
        log.error(fmt::format("the user store cannot be used: {}", loaded.accounts.error().to_string()));
      broken = loaded.accounts.error();
    }
  }

  /// Looks for changes made by hand, now and then and not on this thread.
  void look() {
    if (looking || clock.now() - looked_at < options.look_every) return;
    looking = true;
    asio::post(pool, [file = options.file, known = stamp, executor = executor, weak = weak_from_this()] {
      const auto present = stamp_of(file);
      std::optional<Loaded> loaded;
      // A store that has gone is no reason to let everybody in: what was read stays.
      if (present && present != known) loaded = load_accounts(file);
      asio::post(executor, [weak, loaded = std::move(loaded)]() mutable {
        const auto state = weak.lock();
        if (!state) return;
        state->looking = false;
        state->looked_at = state->clock.now();
        if (loaded) state->take(std::move(*loaded));
      });
    });
  }

  std::optional<Error> unusable() {
    look();
    if (broken) return Error(dumb::Errc::unavailable, "the user store cannot be read; the log has the cause");
    if (!accounts) return Error(dumb::Errc::unavailable, "the user store is not open");
    return {};
  }

  std::optional<std::string> user_of(std::string_view token, TokenKind kind,
                                     std::int64_t* expires = nullptr) {
    const auto claims = read_token(token, accounts->secret(), options.rules.algorithm, now());
    if (!claims || claims->type != kind) return {};
    const auto user = accounts->find(claims->sub);
    if (!user || user->disabled) return {};
    if (expires != nullptr) *expires = claims->exp;
    return claims->sub;
  }

  TokenPair pair_for(const std::string& username) const {
    const std::string secret = accounts->secret();
    const auto sign = [&](TokenKind kind, std::chrono::seconds life) {
      return sign_token({username, now() + life.count(), kind}, secret, options.rules.algorithm);
    };
    TokenPair pair;
    pair.access_token = sign(TokenKind::access, options.rules.access_life);
    pair.refresh_token = sign(TokenKind::refresh, options.rules.refresh_life);
    return pair;
  }

  /// Applies `edit` to the store as it is on disk and saves it. One change at a time (API-73).
  asio::awaitable<Result<void>> change(std::function<Result<void>(Accounts&)> edit) {
    if (auto error = unusable()) co_return std::move(*error);
    auto entering = save_gate.enter();
    const bool entered = co_await std::move(entering);
    if (!entered) co_return Error(dumb::Errc::cancelled, "the change was cancelled");
    const Gate::Held held(save_gate);
    auto work = [file = options.file, before = *accounts,
                 edit = std::move(edit)]() -> std::pair<Result<void>, Loaded> {
      Loaded loaded = load_accounts(file);
      // A store that has gone is written anew from what was read; one without a secret keeps that in use.
      if (!loaded.stamp) loaded.accounts = before;
      if (!loaded.accounts) return {loaded.accounts.error(), std::move(loaded)};
      Accounts changed = *loaded.accounts;
      if (changed.secret().empty()) changed.set_secret(before.secret());
      if (auto edited = edit(changed); !edited) return {std::move(edited), std::move(loaded)};
      if (auto saved = save_accounts(file, changed); !saved) return {std::move(saved), std::move(loaded)};
      return {Result<void>{}, load_accounts(file)};
    };
    auto working = offload(pool, std::move(work));
    auto [result, loaded] = co_await std::move(working);
    take(std::move(loaded));
    co_return std::move(result);
  }

  asio::awaitable<Result<std::string>> hashed(std::string password) {
    auto entering = hash_gate.enter();
    const bool entered = co_await std::move(entering);
    if (!entered) co_return Error(dumb::Errc::cancelled, "the request was cancelled");
    const Gate::Held held(hash_gate);
    auto work = [password = std::move(password), cost = options.hash_cost] {
      return hash_password(password, cost);
    };
    auto working = offload(pool, std::move(work));
    Result<std::string> hash = co_await std::move(working);
    co_return hash;
  }

  /// Adds a user the one way or the other; the name as it was stored.
  asio::awaitable<Result<std::string>> create(std::string username, std::string password,
                                              Result<void> (Accounts::*add)(std::string, std::string)) {
    if (auto error = unusable()) co_return std::move(*error);
    const auto name = check_username(username);
    if (!name) co_return name.error();
    if (const auto good = check_password(password); !good) co_return good.error();
    auto hashing = hashed(std::move(password));
    const Result<std::string> hash = co_await std::move(hashing);
    if (!hash) co_return hash.error();
    std::function<Result<void>(Accounts&)> edit = [add, name = *name, hash = *hash](Accounts& store) {
      return (store.*add)(name, hash);
    };
    auto changing = change(std::move(edit));
    const Result<void> changed = co_await std::move(changing);
    if (!changed) co_return changed.error();
    co_return *name;
  }

  asio::awaitable<bool> fits(std::string password, std::string hash) {
    auto entering = hash_gate.enter();
    const bool entered = co_await std::move(entering);
    if (!entered) co_return false;
    const Gate::Held held(hash_gate);
    auto work = [password = std::move(password), hash = std::move(hash)] {
      // A longer password would be judged by its beginning.
      const bool possible = check_password(password).has_value();
      return password_fits(password, hash) && possible;
    };
    auto working = offload(pool, std::move(work));
    const bool good = co_await std::move(working);
    co_return good;
  }

  asio::any_io_executor executor;
  asio::thread_pool& pool;
  Log& log;
  Options options;
  const Clock& clock;
  Gate save_gate;
  Gate hash_gate;
  LoginThrottle throttle;
  std::optional<Accounts> accounts;
  std::optional<Error> broken;
  std::optional<FileStamp> stamp;
  SteadyTime looked_at;
  bool looking = false;
};

Service::Service(asio::any_io_executor executor, asio::thread_pool& pool, Log& log, Options options)
    : state_(std::make_shared<State>(std::move(executor), pool, log, std::move(options))) {}
Service::~Service() = default;

void Service::open() {
  state_->take(load_or_create(state_->options.file));
}

bool Service::enabled() {
  return !state_->unusable() && state_->accounts->enabled();
}

Result<Session> Service::begin_session(std::string_view token) {
  if (auto error = state_->unusable()) return std::move(*error);
  if (!state_->accounts->enabled()) return Session{};
  Session session;
  const auto user = state_->user_of(token, TokenKind::access, &session.exp);
  if (!user) return unauthenticated(token.empty() ? "a token is required" : "the token is not valid");
  session.username = *user;
  return session;
}

Result<std::string> Service::authorize(std::string_view token) {
  auto session = begin_session(token);
  if (!session) return session.error();
  return std::move(session->username);
}

Result<std::string> Service::require(std::string_view token) {
  if (auto error = state_->unusable()) return std::move(*error);
  if (!state_->accounts->enabled()) return unauthenticated("authentication is off");
  return authorize(token);
}

bool Service::may_stay(const Session& session) {
  if (state_->unusable()) return false;
  if (!state_->accounts->enabled()) return true;
  if (session.username.empty() || session.exp <= state_->now()) return false;
  const auto user = state_->accounts->find(session.username);
  return user && !user->disabled;
}

Result<Status> Service::status() {
  if (auto error = state_->unusable()) return std::move(*error);
  const Accounts& accounts = *state_->accounts;
  return Status{accounts.enabled(), !accounts.users().empty(), accounts.setup_skipped()};
}

asio::awaitable<Result<TokenPair>> Service::set_up(std::string username, std::string password) {
  const auto state = state_;
  if (auto error = state->unusable()) co_return std::move(*error);
  if (!state->accounts->users().empty()) {
    co_return Error(dumb::Errc::invalid_argument, "setup is over: there are users already");
  }
  auto creating = state->create(std::move(username), std::move(password), &Accounts::set_up);
  const Result<std::string> name = co_await std::move(creating);
  if (!name) co_return name.error();
  state->log.info(fmt::format("user {} was created; authentication is on", *name));
  co_return state->pair_for(*name);
}

asio::awaitable<Result<void>> Service::skip_setup() {
  const auto state = state_;
  std::function<Result<void>(Accounts&)> edit = [](Accounts& accounts) { return accounts.skip_setup(); };
  auto changing = state->change(std::move(edit));
  Result<void> changed = co_await std::move(changing);
  if (changed) state->log.info("the setup of users was skipped; authentication is off");
  co_return changed;
}

asio::awaitable<Result<TokenPair>> Service::login(std::string username, std::string password,
                                                  std::string peer) {
  const auto state = state_;
  if (auto error = state->unusable()) co_return std::move(*error);
  if (!state->accounts->enabled()) co_return unauthenticated("authentication is off");
  const auto wait = state->throttle.wait_for(username, peer, state->clock.now());
  if (wait.count() > 0 || state->hash_gate.waiting() >= most_waiting_for_a_hash) {
    state->log.warning(
        fmt::format("login of user {} from {} refused: too many attempts", log_name(username), peer));
    co_return Error(make_error_code(Errc::too_many_attempts), "too many failed logins; try again later");
  }
  // Counted before it is known to fail, so that attempts made at once count as well.
  state->throttle.failed(username, peer, state->clock.now());
  const auto known = state->accounts->find(username);
  std::string hash = known ? known->password : std::string(nobodys_hash);
  auto judging = state->fits(std::move(password), std::move(hash));
  const bool fits = co_await std::move(judging);
  if (auto error = state->unusable()) co_return std::move(*error);
  const auto present = state->accounts->find(username);
  const bool good = fits && known && present && !present->disabled && present->password == known->password;
  if (!good) {
    state->log.warning(fmt::format("login of user {} from {} failed", log_name(username), peer));
    co_return unauthenticated("user name or password is wrong");
  }
  state->throttle.succeeded(username, peer);
  state->log.info(fmt::format("user {} logged in from {}", username, peer));
  co_return state->pair_for(username);
}

std::chrono::seconds Service::login_wait(std::string_view username, std::string_view peer) const {
  return state_->throttle.wait_for(username, peer, state_->clock.now());
}

Result<TokenPair> Service::refresh(std::string_view refresh_token) {
  if (auto error = state_->unusable()) return std::move(*error);
  if (!state_->accounts->enabled()) return unauthenticated("authentication is off");
  const auto user = state_->user_of(refresh_token, TokenKind::refresh);
  if (!user) return unauthenticated("the refresh token is not valid");
  return state_->pair_for(*user);
}

Result<Verification> Service::verify(std::string_view token) {
  if (auto error = state_->unusable()) return std::move(*error);
  if (!state_->accounts->enabled()) return Verification{};
  auto user = state_->user_of(token, TokenKind::access);
  return Verification{user.has_value(), std::move(user)};
}

asio::awaitable<Result<void>> Service::enable(std::string by) {
  const auto state = state_;
  std::function<Result<void>(Accounts&)> edit = [](Accounts& accounts) { return accounts.enable(); };
  auto changing = state->change(std::move(edit));
  Result<void> changed = co_await std::move(changing);
  if (changed)
    state->log.info(fmt::format("authentication was switched on{}{}", by.empty() ? "" : " by ", by));
  co_return changed;
}

asio::awaitable<Result<void>> Service::disable(std::string by) {
  const auto state = state_;
  std::function<Result<void>(Accounts&)> edit = [](Accounts& accounts) {
    accounts.disable();
    return Result<void>{};
  };
  auto changing = state->change(std::move(edit));
  Result<void> changed = co_await std::move(changing);
  if (changed)
    state->log.info(fmt::format("authentication was switched off{}{}", by.empty() ? "" : " by ", by));
  co_return changed;
}

Result<UserList> Service::users() {
  if (auto error = state_->unusable()) return std::move(*error);
  UserList out;
  const std::vector<User> all = state_->accounts->users();
  for (const User& user : all) out.users.push_back({user.username, user.disabled});
  return out;
}

asio::awaitable<Result<UserEntry>> Service::add_user(std::string username, std::string password,
                                                     std::string by) {
  const auto state = state_;
  auto creating = state->create(std::move(username), std::move(password), &Accounts::add_user);
  const Result<std::string> name = co_await std::move(creating);
  if (!name) co_return name.error();
  state->log.info(fmt::format("user {} was created{}{}", *name, by.empty() ? "" : " by ", by));
  co_return UserEntry{*name, false};
}

asio::awaitable<Result<UserEntry>> Service::set_disabled(std::string username, bool disabled,
                                                         std::string by) {
  const auto state = state_;
  std::function<Result<void>(Accounts&)> edit = [username, disabled](Accounts& accounts) {
    return accounts.set_disabled(username, disabled);
  };
  auto changing = state->change(std::move(edit));
  const Result<void> changed = co_await std::move(changing);
  if (!changed) co_return changed.error();
  state->log.info(fmt::format("user {} was {} by {}", username, disabled ? "disabled" : "enabled", by));
  co_return UserEntry{username, disabled};
}

asio::awaitable<Result<void>> Service::remove_user(std::string username, std::string by) {
  const auto state = state_;
  std::function<Result<void>(Accounts&)> edit = [username, by](Accounts& accounts) {
    return accounts.remove_user(username, by);
  };
  auto changing = state->change(std::move(edit));
  Result<void> changed = co_await std::move(changing);
  if (changed) state->log.info(fmt::format("user {} was deleted by {}", username, by));
  co_return changed;
}

}  // namespace dumb::auth
