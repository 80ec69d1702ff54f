#include "api.hpp"

#include <fmt/format.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/text.hpp>
#include <exception>
#include <optional>

#include "answers.hpp"
#include "routes.hpp"

namespace dumb::server {

namespace asio = boost::asio;

Api::Api(engine::Engine& engine, ApiOptions options)
    : engine_(engine), options_(std::move(options)), table_(make_routes(options_.health_limit)) {}

std::string_view bearer_token(const std::string* authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization == nullptr || authorization->size() < scheme.size()) return {};
  const std::string_view value = *authorization;
  if (!text::iequals(value.substr(0, scheme.size()), scheme)) return {};
  return text::trim(value.substr(scheme.size()));
}

bool is_preflight(const Request& request) {
  return request.method == "OPTIONS" && request.headers.find("Origin") != nullptr &&
         request.headers.find("Access-Control-Request-Method") != nullptr;
}

Response preflight_response(const Request& request) {
  Response response;
  response.headers.add("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (const std::string* wanted = request.headers.find("Access-Control-Request-Headers")) {
    response.headers.add("Access-Control-Allow-Headers", *wanted);
  }
  response.headers.add("Access-Control-Max-Age", "600");
  return response;
}

void complete(Response& response, const std::string* origin) {
  // Answers show configuration and state: nobody on the way may keep them.
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Vary", "Origin");
  if (origin == nullptr) return;
  response.headers.add("Access-Control-Allow-Origin", *origin);
  response.headers.add("Access-Control-Allow-Credentials", "true");
}

std::optional<std::string> Api::foreign(const Request& request, const std::string* origin) {
  const std::string* named = request.headers.find("Host");
  const std::string* host = request.authority ? &*request.authority : named;
  // Nearly every request is local by the rules alone; only the others need the configured names.
  auto refusal = refuse_cross_site(host, origin, {});
  if (refusal) refusal = refuse_cross_site(host, origin, {engine_.allowed_hosts(), options_.own_name});
  // While tokens are asked for, they are the protection.
  if (refusal && engine_.auth().enabled()) refusal.reset();
  return refusal;
}

std::variant<Response, std::shared_ptr<engine::Feed>> Api::upgrade(const Request& request) {
  const auto channel = realtime::channel_of(table_path(request.path));
  if (!channel) return std::shared_ptr<engine::Feed>();
  if (const auto refusal = foreign(request, request.headers.find("Origin")))
    return detail_response(403, *refusal);
  if (engine_.shutting_down()) return detail_response(503, "DUMB is shutting down.");
  return engine_.feed(*channel, realtime::parse_request(request.query));
}

asio::awaitable<Response> Api::answer(Request request) {
  std::optional<std::string> origin;
  if (const std::string* field = request.headers.find("Origin")) origin = *field;
  const std::string* from = origin ? &*origin : nullptr;
  Response response;
  if (const auto refusal = foreign(request, from)) {
    response = detail_response(403, *refusal);
    from = nullptr;
  } else if (is_preflight(request)) {
    response = preflight_response(request);
  } else {
    auto running = dispatch(std::move(request));
    response = co_await std::move(running);
  }
  complete(response, from);
  co_return response;
}

std::optional<Error> Api::identify(const Route& route, Request& request) {
  if (route.access == Access::open) return {};
  const std::string_view token = bearer_token(request.headers.find("Authorization"));
  auth::Service& auth = engine_.auth();
  auto user = route.access == Access::user ? auth.require(token) : auth.authorize(token);
  if (!user) return user.error();
  request.user = std::move(*user);
  return {};
}

asio::awaitable<Response> Api::dispatch(Request request) {
  const RouteTable::Match match = table_.match(request.method, request.path);
  if (match.allow.empty() && realtime::channel_of(table_path(request.path))) {
    Response response = detail_response(426, "This is a live channel; it speaks WebSocket.");
    response.headers.add("Upgrade", "websocket");
    co_return response;
  }
  if (match.allow.empty()) co_return detail_response(404, "Not Found");
  if (match.route == nullptr) {
    Response response = detail_response(405, "Method Not Allowed");
    response.headers.add("Allow", match.allow);
    co_return response;
  }
  const Route& route = *match.route;
  request.parameter = match.parameter;
  if (const auto refused = identify(route, request)) co_return error_response(*refused);
  if (route.effect == Effect::changes_state && engine_.shutting_down()) {
    co_return detail_response(503, "DUMB is shutting down.");
  }
  if (route.hears_departure()) {
    const auto all = asio::enable_total_cancellation();
    co_await asio::this_coro::reset_cancellation_state(all);
  }
  std::string failure;
  std::optional<Response> response;
  try {
    auto running = route.handle(engine_, std::move(request));
    response = co_await std::move(running);
  } catch (const boost::system::system_error& error) {
    // Nobody reads this when it was the client that left.
    if (error.code() == asio::error::operation_aborted)
      response = detail_response(503, "DUMB is shutting down.");
    failure = error.what();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (route.hears_departure()) {
    const auto usual = asio::enable_terminal_cancellation();
    co_await asio::this_coro::reset_cancellation_state(usual);
  }
  if (response) co_return std::move(*response);
  engine_.log().error(fmt::format("{} {}: {}", route.method, route.path, failure));
  co_return detail_response(500, "The request failed inside the server; its log has the cause.");
}

}  // namespace dumb::server
