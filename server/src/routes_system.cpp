#include <array>
#include <boost/json.hpp>

#include "deadline_asio.hpp"
#include "openapi.hpp"
#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

struct HealthAnswer {
  std::string status;
  std::string details;
  static constexpr std::array<std::string_view, 1> omit_empty{"details"};
};
BOOST_DESCRIBE_STRUCT(HealthAnswer, (), (status, details))

struct LogsQuery {
  std::string process_name;
  std::optional<std::int64_t> cursor;
  std::optional<std::int64_t> tail_bytes;
  std::optional<std::string> file_id;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(LogsQuery, (), (process_name, cursor, tail_bytes, file_id))

namespace {

/// Not an Operation, because no other route has a time limit.
asio::awaitable<Response> health(engine::Engine& engine, std::chrono::milliseconds limit) {
  auto running = with_deadline(engine.health(), limit);
  const auto report = co_await std::move(running);
  if (!report) co_return detail_response(504, "The health check did not end in time.");
  HealthAnswer answer;
  answer.status = report->healthy ? "healthy" : "unhealthy";
  if (!report->healthy) answer.details = report->details;
  co_return answer_response(answer);
}

Route health_route(std::chrono::milliseconds limit) {
  Route route;
  route.method = "GET";
  route.path = "/health";
  route.summary = "Whether everything that should run does";
  route.access = Access::open;
  route.answer = type_hook<HealthAnswer, Side::answer>();
  route.handle = [limit](engine::Engine& engine, Request) { return health(engine, limit); };
  return route;
}

asio::awaitable<Result<engine::LogChunk>> logs(engine::Engine& engine, LogsQuery query, Nothing) {
  engine::LogQuery wanted;
  wanted.process_name = std::move(query.process_name);
  wanted.cursor = query.cursor;
  wanted.tail_bytes = query.tail_bytes;
  wanted.file_id = std::move(query.file_id);
  return engine.logs(std::move(wanted));
}

}  // namespace

std::vector<Route> system_routes(std::chrono::milliseconds health_limit) {
  std::vector<Route> out;
  out.push_back(health_route(health_limit));
  out.push_back(make_route({.method = "GET", .path = "/logs", .summary = "A piece of a log file"}, &logs));
  return out;
}

std::vector<Route> make_routes(std::chrono::milliseconds health_limit) {
  std::vector<Route> out = process_routes();
  for (auto&& part : {onboarding_routes(), update_routes(), symlink_routes(), metrics_routes(),
                      config_routes(), auth_routes(), system_routes(health_limit)})
    out.insert(out.end(), part.begin(), part.end());
  const std::vector<Route> pages = documentation_routes(out);
  out.insert(out.end(), pages.begin(), pages.end());
  return out;
}

}  // namespace dumb::server
