#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <dumb/graph/drawing.hpp>
#include <set>

#include "commands.hpp"
#include "context.hpp"
#include "graph_text.hpp"

namespace dumb::cli {
namespace {

constexpr std::size_t parallel_requests = 8;

/// How and what to draw.
struct Wanted {
  std::string format = "tree";
  std::string scope;
};

Result<Wanted> wanted_of(const Context& context, const Invocation& invocation) {
  Wanted wanted;
  if (const auto format = invocation.value("--format")) {
    wanted.format = text::lower(text::trim(*format));
    if (context.json && wanted.format != "json")
      return Error(Trouble::usage, fmt::format("--json and --format {} exclude each other", *format));
  }
  if (context.json) wanted.format = "json";
  if (wanted.format != "tree" && wanted.format != "dot" && wanted.format != "mermaid" &&
      wanted.format != "json") {
    return Error(Trouble::usage,
                 fmt::format("--format must be tree, dot, mermaid or json, got '{}'", wanted.format));
  }
  const auto scope = graph::parse_scope(invocation.value("--scope").value_or(""));
  if (!scope) return Error(Trouble::usage, fmt::format("--scope: {}", scope.error().message()));
  wanted.scope = std::string(codec::enum_name(*scope));
  return wanted;
}

/// What to draw, and the service it is about; none: the whole stack.
struct Picture {
  graph::Plan plan;
  std::string subject;
  std::set<std::string> disabled;
};

Result<Picture> whole_stack(const Context& context, const Wanted& wanted) {
  auto plan = context.client.get_as<graph::Plan>("/process/startup-plan", {{"scope", wanted.scope}});
  if (!plan) return plan.error();
  return Picture{std::move(*plan), {}, {}};
}

Result<Picture> surroundings_of(const Context& context, const Wanted& wanted, const std::string& name) {
  const auto answer = context.client.get_as<graph::GraphAnswer>(
      "/process/dependency-graph", {{"process_name", name}, {"scope", wanted.scope}});
  if (!answer) return answer.error();
  Picture picture{graph::surroundings(*answer), answer->process_name, {}};
  for (const graph::NodeRow& node : answer->nodes) {
    if (node.state == graph::RowState::disabled) picture.disabled.insert(node.process_name);
  }
  return picture;
}

Result<ExitCode> print_json(const Context& context, const Wanted& wanted,
                            const std::vector<std::string>& names) {
  const auto body = names.empty()
                        ? context.client.get("/process/startup-plan", {{"scope", wanted.scope}})
                        : context.client.get("/process/dependency-graph",
                                             {{"process_name", names.front()}, {"scope", wanted.scope}});
  if (!body) return body.error();
  context.print(jsonx::print(*body));
  return ExitCode::success;
}

// The states of all services, asked for concurrently; one the server does not tell has none.
std::vector<ServiceNote> notes_of(const Context& context, const Picture& picture) {
  const std::vector<std::string>& names = picture.plan.order;
  std::vector<ServiceNote> notes(names.size());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < names.size(); ++i) {
    tasks.emplace_back([&, i] {
      notes[i].process_name = names[i];
      const auto status = context.client.get_as<engine::ServiceStatus>("/process/service-status",
                                                                       {{"process_name", names[i]}});
      if (!status) return;
      const bool disabled = status->state == "stopped" && picture.disabled.contains(names[i]);
      notes[i].state = disabled ? "disabled" : status->state;
      if (status->state != "running") notes[i].reason = status->state_reason.value_or("");
    });
  }
  context.system.concurrently(std::move(tasks), parallel_requests, [] {});
  return notes;
}

}  // namespace

Result<ExitCode> run_graph(Context& context, const Invocation& invocation) {
  const auto wanted = wanted_of(context, invocation);
  if (!wanted) return wanted.error();
  const std::vector<std::string>& names = invocation.arguments;
  if (wanted->format == "json") return print_json(context, *wanted, names);
  const auto picture =
      names.empty() ? whole_stack(context, *wanted) : surroundings_of(context, *wanted, names.front());
  if (!picture) return picture.error();
  const graph::Plan& plan = picture->plan;
  if (wanted->format == "dot") {
    context.print(graph::to_dot(plan));
  } else if (wanted->format == "mermaid") {
    context.print(graph::to_mermaid(plan));
  } else if (plan.order.empty()) {
    context.note("no service is enabled");
  } else {
    context.print(render_graph(plan, picture->subject, notes_of(context, *picture), context.style));
  }
  return ExitCode::success;
}

}  // namespace dumb::cli
