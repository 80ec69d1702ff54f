#include <array>
#include <dumb/auth/service.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

struct CredentialsBody {
  std::string username;
  std::string password;
  static constexpr std::array<std::string_view, 2> required{"username", "password"};
};
BOOST_DESCRIBE_STRUCT(CredentialsBody, (), (username, password))

struct RefreshBody {
  std::string refresh_token;
  static constexpr std::array<std::string_view, 1> required{"refresh_token"};
};
BOOST_DESCRIBE_STRUCT(RefreshBody, (), (refresh_token))

struct VerifyQuery {
  std::optional<std::string> token;
};
BOOST_DESCRIBE_STRUCT(VerifyQuery, (), (token))

struct VerifyBody {
  std::string token;
  static constexpr std::array<std::string_view, 1> required{"token"};
};
BOOST_DESCRIBE_STRUCT(VerifyBody, (), (token))

struct UserChangeBody {
  bool disabled = false;
  static constexpr std::array<std::string_view, 1> required{"disabled"};
};
BOOST_DESCRIBE_STRUCT(UserChangeBody, (), (disabled))

struct MessageAnswer {
  std::string message;
};
BOOST_DESCRIBE_STRUCT(MessageAnswer, (), (message))

namespace {

template <class T>
using Answered = asio::awaitable<Result<T>>;

Result<MessageAnswer> told(const Result<void>& done, std::string_view message) {
  if (!done) return done.error();
  return MessageAnswer{std::string(message)};
}

Answered<auth::Status> status(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.auth().status();
}

Answered<auth::TokenPair> set_up(engine::Engine& engine, Nothing, CredentialsBody body) {
  return engine.auth().set_up(std::move(body.username), std::move(body.password));
}

Answered<MessageAnswer> skip_setup(engine::Engine& engine, Nothing, Nothing) {
  auto skipping = engine.auth().skip_setup();
  const auto done = co_await std::move(skipping);
  co_return told(done, "Setup was skipped; authentication is off.");
}

Answered<auth::TokenPair> refresh(engine::Engine& engine, Nothing, RefreshBody body) {
  co_return engine.auth().refresh(body.refresh_token);
}

Answered<MessageAnswer> enable(engine::Engine& engine, Caller caller, Nothing, Nothing) {
  auto enabling = engine.auth().enable(std::move(caller.user));
  const auto done = co_await std::move(enabling);
  co_return told(done, "Authentication is on.");
}

Answered<MessageAnswer> disable(engine::Engine& engine, Caller caller, Nothing, Nothing) {
  auto disabling = engine.auth().disable(std::move(caller.user));
  const auto done = co_await std::move(disabling);
  co_return told(done, "Authentication is off.");
}

Answered<auth::UserList> users(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.auth().users();
}

Answered<auth::UserEntry> add_user(engine::Engine& engine, Caller caller, Nothing, CredentialsBody body) {
  return engine.auth().add_user(std::move(body.username), std::move(body.password), std::move(caller.user));
}

Answered<auth::UserEntry> change_user(engine::Engine& engine, Caller caller, Nothing, UserChangeBody body) {
  return engine.auth().set_disabled(std::move(caller.parameter), body.disabled, std::move(caller.user));
}

Answered<MessageAnswer> remove_user(engine::Engine& engine, Caller caller, Nothing, Nothing) {
  auto removing = engine.auth().remove_user(std::move(caller.parameter), std::move(caller.user));
  const auto done = co_await std::move(removing);
  co_return told(done, "The user was deleted.");
}

/// Not an Operation, because only a refused login tells when to come back.
asio::awaitable<Response> login(engine::Engine& engine, Request request) {
  codec::Faults faults;
  const auto body = read_body<CredentialsBody>(request, faults);
  if (!faults.empty()) co_return fault_response(faults);
  auto logging_in = engine.auth().login(body.username, body.password, request.peer);
  const auto pair = co_await std::move(logging_in);
  if (pair) co_return answer_response(*pair);
  Response response = error_response(pair.error());
  if (response.status == 429) {
    const auto wait =
        std::max(engine.auth().login_wait(body.username, request.peer), std::chrono::seconds(1));
    response.headers.add("Retry-After", std::to_string(wait.count()));
  }
  co_return response;
}

/// Not an Operation, because the token may be in the query, where the frontend puts it, or in the body.
asio::awaitable<Response> verify(engine::Engine& engine, Request request) {
  codec::Faults faults;
  auto query = read_query<VerifyQuery>(request.query, faults);
  const std::string token =
      query.token ? std::move(*query.token) : read_body<VerifyBody>(request, faults).token;
  if (!faults.empty()) co_return fault_response(faults);
  const auto verified = engine.auth().verify(token);
  if (!verified) co_return error_response(verified.error());
  co_return answer_response(*verified);
}

/// A route of a handler of its own: open, and no change of state.
Route own_route(std::string_view path, std::string_view summary, Handler handle) {
  Route route;
  route.method = "POST";
  route.path = path;
  route.summary = summary;
  route.access = Access::open;
  route.handle = std::move(handle);
  return route;
}

Route login_route() {
  Route route = own_route("/auth/login", "Tokens for a user name and password", &login);
  route.body = type_hook<CredentialsBody, Side::request>();
  route.answer = type_hook<auth::TokenPair, Side::answer>();
  return route;
}

Route verify_route() {
  Route route = own_route("/auth/verify", "Whether an access token is valid, and whose it is", &verify);
  route.query = type_hook<VerifyQuery, Side::request>();
  route.body = type_hook<VerifyBody, Side::request>();
  route.answer = type_hook<auth::Verification, Side::answer>();
  return route;
}

}  // namespace

std::vector<Route> auth_routes() {
  std::vector<Route> out;
  const auto info = [](std::string_view method, std::string_view path, std::string_view summary,
                       Access access) {
    RouteInfo made{.method = method, .path = path, .summary = summary, .access = access};
    const bool reads = method == "GET" || path == "/auth/refresh";
    made.effect = reads ? Effect::reads : Effect::changes_state;
    return made;
  };
  using enum Access;
  out.push_back(make_route(info("GET", "/auth/status", "Whether tokens are asked for", open), &status));
  out.push_back(
      make_route(info("POST", "/auth/setup", "The first user; switches authentication on", open), &set_up));
  out.push_back(
      make_route(info("POST", "/auth/skip-setup", "No users; authentication stays off", open), &skip_setup));
  out.push_back(login_route());
  out.push_back(make_route(info("POST", "/auth/refresh", "New tokens for a refresh token", open), &refresh));
  out.push_back(verify_route());
  out.push_back(
      make_route(info("POST", "/auth/enable", "Switches authentication on", authenticated), &enable));
  out.push_back(
      make_route(info("POST", "/auth/disable", "Switches authentication off", authenticated), &disable));
  out.push_back(make_route(info("GET", "/auth/users", "The users", authenticated), &users));
  out.push_back(make_route(info("POST", "/auth/users", "Adds a user", authenticated), &add_user));
  constexpr std::string_view one = "/auth/users/{username}";
  out.push_back(make_route(info("PUT", one, "Disables or enables a user", user), &change_user));
  out.push_back(make_route(info("DELETE", one, "Deletes a user", user), &remove_user));
  return out;
}

}  // namespace dumb::server
