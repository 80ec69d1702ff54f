#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <dumb/engine/engine.hpp>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "cross_site.hpp"
#include "route.hpp"

namespace dumb::server {

struct ApiOptions {
  std::chrono::milliseconds health_limit{8000};  ///< LIF-116
  std::string own_name;                          ///< this machine's host name (API-5)
};

/// The HTTP API over one engine: judges where a request comes from, finds its route, runs it, completes the
/// answer. Not thread-safe; call on the engine's executor, which both outlive.
class Api {
 public:
  Api(engine::Engine& engine, ApiOptions options);

  /// Always answers; what a handler throws becomes a logged 500. For HEAD the body is that of GET.
  boost::asio::awaitable<Response> answer(Request request);
  /// A request to speak WebSocket: the live channel it names, or why not. An empty pointer: answer() is for
  /// it, as for any other.
  std::variant<Response, std::shared_ptr<engine::Feed>> upgrade(const Request& request);
  const RouteTable& table() const noexcept { return table_; }

 private:
  boost::asio::awaitable<Response> dispatch(Request request);
  /// Why a page of this origin may not ask; nullopt when it may.
  std::optional<std::string> foreign(const Request& request, const std::string* origin);
  /// Notes who asks; or why the route is not for them (API-66 to API-68).
  std::optional<Error> identify(const Route& route, Request& request);

  engine::Engine& engine_;
  ApiOptions options_;
  RouteTable table_;
};

/// The token of an `Authorization: Bearer` field (RFC 6750 section 2.1); empty for none and for other
/// schemes.
std::string_view bearer_token(const std::string* authorization);
/// Whether a request asks what a page of another origin may send.
bool is_preflight(const Request& request);
Response preflight_response(const Request& request);
/// Adds what every answer carries, and the CORS fields for `origin` unless null (API-5).
void complete(Response& response, const std::string* origin);

}  // namespace dumb::server
