#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <dumb/engine/engine.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "message.hpp"
#include "schema.hpp"

/// The table every request is looked up in; authentication, the API document and tests iterate over it.
namespace dumb::server {

/// A described type without its type: its schema, or null for "nothing".
struct TypeHook {
  json::object (*schema)() = nullptr;
  explicit operator bool() const noexcept { return schema != nullptr; }
};

template <class T, Side side>
TypeHook type_hook() {
  if constexpr (std::is_same_v<T, Nothing>) {
    return {};
  } else {
    return {&schema_of<T, side>};
  }
}

/// open: no token even while authentication is on (API-67); user: a token also while it is off (API-77).
enum class Access { open, authenticated, user };
enum class Effect { reads, changes_state };  ///< what changes state is refused during shutdown (API-19)

/// What a client that leaves during a request does to it. By default what reads ends and what changes state
/// goes on (API-7); engine calls that part the two themselves (SYM-52) hear of it always.
enum class Departure { ends_reading, heard };

using Handler = std::function<boost::asio::awaitable<Response>(engine::Engine&, Request)>;

struct Route {
  std::string_view method;
  /// Without "/api" and without a final slash; its last segment may be a parameter, "{name}".
  std::string_view path;
  std::string_view summary;
  Access access = Access::authenticated;
  Effect effect = Effect::reads;
  Departure departure = Departure::ends_reading;
  TypeHook query;
  TypeHook body;
  TypeHook answer;
  std::string_view media_type = "text/plain";  ///< of an answer that is text
  Handler handle;

  bool hears_departure() const noexcept { return effect == Effect::reads || departure == Departure::heard; }
};

class RouteTable {
 public:
  explicit RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {}

  struct Match {
    const Route* route = nullptr;  ///< null when nothing fits
    std::string parameter;         ///< of the path, decoded
    std::string allow;             ///< methods of the path, for `Allow`; empty when the path is unknown
  };
  /// `path` as sent. One final slash and the prefix "/api" are not significant (API-2, API-3); HEAD fits GET.
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const noexcept { return routes_; }

 private:
  std::vector<Route> routes_;
};

/// The path as the table spells it: decoded, without "/api" and final slash.
/// An encoded slash stays encoded, so that it does not divide a segment.
std::string table_path(std::string_view path);

}  // namespace dumb::server
