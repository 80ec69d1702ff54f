// The machine and what runs on it (UI-110 to UI-123).
#include <boost/json.hpp>
#include <dumb/metrics/snapshot.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

namespace {

/// Not an Operation, because the engine has the text already.
asio::awaitable<Response> now(engine::Engine& engine, Request) {
  auto looking = engine.metrics();
  const engine::Text text = co_await std::move(looking);
  co_return answer_response(text);
}

asio::awaitable<Result<metrics::SeriesAnswer>> series(engine::Engine& engine, metrics::HistoryQuery query,
                                                      Nothing) {
  auto looking = engine.metrics_series(std::move(query));
  co_return co_await std::move(looking);
}

asio::awaitable<Result<engine::HistoryItems>> history(engine::Engine& engine, metrics::HistoryQuery query,
                                                      Nothing) {
  auto looking = engine.metrics_history(std::move(query));
  co_return co_await std::move(looking);
}

}  // namespace

std::vector<Route> metrics_routes() {
  std::vector<Route> out;
  Route present;
  present.method = "GET";
  present.path = "/metrics";
  present.summary = "What the machine and its processes have in use now";
  present.answer = type_hook<metrics::Snapshot, Side::answer>();
  present.handle = &now;
  out.push_back(std::move(present));
  out.push_back(make_route(
      {.method = "GET", .path = "/metrics/history", .summary = "What was written of it, whole"}, &history));
  out.push_back(make_route({.method = "GET",
                            .path = "/metrics/history_series",
                            .summary = "What was written of it, as series for charts"},
                           &series));
  return out;
}

}  // namespace dumb::server
