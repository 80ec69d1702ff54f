#include <array>
#include <boost/json.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

// Described types need linkage of their own, hence no unnamed namespace.
struct ProcessBody {
  std::string process_name;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(ProcessBody, (), (process_name))

struct ProcessQuery {
  std::string process_name;
  std::string scope = "runtime";
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(ProcessQuery, (), (process_name, scope))

struct StatusQuery {
  std::string process_name;
  bool include_health = false;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(StatusQuery, (), (process_name, include_health))

namespace {

using Status = std::variant<engine::ServiceStatus, engine::ServiceHealth>;

asio::awaitable<Result<engine::ProcessList>> list(engine::Engine& engine, Nothing, Nothing) {
  auto running = engine.processes();
  engine::ProcessList processes = co_await std::move(running);
  co_return processes;
}

asio::awaitable<Result<engine::ProcessDetail>> detail_of(engine::Engine& engine, ProcessQuery query,
                                                         Nothing) {
  return engine.process(std::move(query.process_name), std::move(query.scope));
}

asio::awaitable<Result<engine::OperationReply>> start(engine::Engine& engine, Nothing, ProcessBody body) {
  return engine.start(std::move(body.process_name));
}

asio::awaitable<Result<engine::OperationReply>> stop(engine::Engine& engine, Nothing, ProcessBody body) {
  return engine.stop(std::move(body.process_name));
}

asio::awaitable<Result<engine::OperationReply>> restart(engine::Engine& engine, Nothing, ProcessBody body) {
  return engine.restart(std::move(body.process_name));
}

asio::awaitable<Result<Status>> status_with_health(engine::Engine& engine, std::string process_name) {
  auto running = engine.status_with_health(std::move(process_name));
  auto health = co_await std::move(running);
  if (!health) co_return health.error();
  co_return Status(std::move(*health));
}

asio::awaitable<Result<Status>> plain_status(engine::Engine& engine, std::string process_name) {
  auto plain = engine.status(process_name);
  if (!plain) co_return plain.error();
  co_return Status(std::move(*plain));
}

asio::awaitable<Result<Status>> status(engine::Engine& engine, StatusQuery query, Nothing) {
  return query.include_health ? status_with_health(engine, std::move(query.process_name))
                              : plain_status(engine, std::move(query.process_name));
}

asio::awaitable<Result<engine::EventList>> events(engine::Engine& engine, engine::EventQuery query, Nothing) {
  return engine.events(std::move(query));
}

asio::awaitable<Result<engine::Capabilities>> capabilities(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.capabilities();
}

asio::awaitable<Result<engine::Usage>> usage(engine::Engine& engine, Nothing, Nothing) {
  auto running = engine.usage();
  engine::Usage measured = co_await std::move(running);
  co_return measured;
}

asio::awaitable<Result<engine::StackOperation>> up(engine::Engine& engine, Nothing,
                                                   engine::StackRequest body) {
  return engine.up(std::move(body));
}

asio::awaitable<Result<engine::StackOperation>> down(engine::Engine& engine, Nothing,
                                                     engine::StackRequest body) {
  return engine.down(std::move(body));
}

asio::awaitable<Result<engine::StackOperation>> stack_operation(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.stack_operation();
}

asio::awaitable<Result<engine::StartupStatus>> startup_status(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.startup_status();
}

asio::awaitable<Result<engine::PlanAnswer>> startup_plan(engine::Engine& engine, engine::PlanRequest query,
                                                         Nothing) {
  co_return engine.startup_plan(query);
}

asio::awaitable<Result<graph::GraphAnswer>> dependency_graph(engine::Engine& engine, ProcessQuery query,
                                                             Nothing) {
  co_return engine.dependency_graph(query.process_name, query.scope);
}

}  // namespace

std::vector<Route> process_routes() {
  std::vector<Route> out;
  out.push_back(make_route(
      {.method = "GET", .path = "/process/processes", .summary = "Every configured process"}, &list));
  out.push_back(
      make_route({.method = "GET", .path = "/process", .summary = "One process in detail"}, &detail_of));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/start-service",
                            .summary = "Enable, set up and start a process",
                            .effect = Effect::changes_state},
                           &start));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/stop-service",
                            .summary = "Stop a process and everything it started",
                            .effect = Effect::changes_state},
                           &stop));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/restart-service",
                            .summary = "Stop a process if it runs, then start it",
                            .effect = Effect::changes_state},
                           &restart));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/service-status",
                            .summary = "Status of a process, with its health when asked for"},
                           &status));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/events",
                            .summary = "What happened to processes, behind a cursor; waits for it if asked"},
                           &events));
  out.push_back(
      make_route({.method = "GET", .path = "/process/capabilities", .summary = "Features this server has"},
                 &capabilities));
  out.push_back(make_route(
      {.method = "GET", .path = "/process/usage", .summary = "What the running processes use"}, &usage));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/dependency-graph",
                            .summary = "What a process needs and what needs it"},
                           &dependency_graph));
  out.push_back(make_route(
      {.method = "GET", .path = "/process/startup-plan", .summary = "The order of starting the stack"},
      &startup_plan));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/startup-status",
                            .summary = "How far the first start of the stack is"},
                           &startup_status));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/up",
                            .summary = "Start processes and what they need, or all that are enabled",
                            .effect = Effect::changes_state},
                           &up));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/down",
                            .summary = "Stop processes and what needs them, or all that run",
                            .effect = Effect::changes_state},
                           &down));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/stack-operation",
                            .summary = "The latest start or stop of several processes"},
                           &stack_operation));
  return out;
}

}  // namespace dumb::server
