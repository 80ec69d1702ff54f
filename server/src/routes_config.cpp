#include <array>
#include <boost/json.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

struct ConfigQuery {
  std::optional<std::string> process_name;
};
BOOST_DESCRIBE_STRUCT(ConfigQuery, (), (process_name))

struct ConfigUpdateBody {
  std::optional<std::string> process_name;
  json::object updates;
  bool persist = false;
  static constexpr std::array<std::string_view, 1> required{"updates"};
};
BOOST_DESCRIBE_STRUCT(ConfigUpdateBody, (), (process_name, updates, persist))

namespace {

asio::awaitable<Result<json::object>> read(engine::Engine& engine, ConfigQuery query, Nothing) {
  co_return engine.config_of(std::move(query.process_name));
}

asio::awaitable<Result<json::object>> update(engine::Engine& engine, Nothing, ConfigUpdateBody body) {
  engine::ConfigUpdate change;
  change.process_name = std::move(body.process_name);
  change.updates = std::move(body.updates);
  change.persist = body.persist;
  return engine.update_config(std::move(change));
}

}  // namespace

std::vector<Route> config_routes() {
  std::vector<Route> out;
  out.push_back(make_route(
      {.method = "GET", .path = "/config", .summary = "The effective configuration, or one process block"},
      &read));
  out.push_back(make_route({.method = "POST",
                            .path = "/config",
                            .summary = "Change one process block or the whole configuration",
                            .effect = Effect::changes_state},
                           &update));
  return out;
}

}  // namespace dumb::server
