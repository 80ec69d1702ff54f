// Updates of services (API-48 to API-59).
#include <array>
#include <boost/json.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

// Described types need linkage of their own, hence no unnamed namespace.
struct UpdateName {
  std::string process_name;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(UpdateName, (), (process_name))

namespace {

asio::awaitable<Result<engine::UpdateStatus>> status(engine::Engine& engine, UpdateName query, Nothing) {
  return engine.update_status(std::move(query.process_name));
}
asio::awaitable<Result<json::object>> check(engine::Engine& engine, Nothing,
                                            engine::UpdateCheckRequest body) {
  return engine.update_check(std::move(body));
}
asio::awaitable<Result<json::object>> install(engine::Engine& engine, Nothing,
                                              engine::UpdateInstallRequest body) {
  return engine.update_install(std::move(body));
}
asio::awaitable<Result<engine::RescheduleReply>> reschedule(engine::Engine& engine, Nothing,
                                                            UpdateName body) {
  return engine.reschedule_update(std::move(body.process_name));
}

}  // namespace

std::vector<Route> update_routes() {
  std::vector<Route> out;
  out.push_back(make_route({.method = "GET",
                            .path = "/process/update-status",
                            .summary = "What the last check or installation of an update said"},
                           &status));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/update-check",
                            .summary = "Look for a newer version of a process",
                            .effect = Effect::changes_state},
                           &check));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/update-install",
                            .summary = "Install the newest version of a process, with a way back",
                            .effect = Effect::changes_state},
                           &install));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/auto-update/reschedule",
                            .summary = "Rebuild the schedule of updates of a process",
                            .effect = Effect::changes_state},
                           &reschedule));
  return out;
}

}  // namespace dumb::server
