#include "support/graph_bench.hpp"

#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <stdexcept>

#include "support/support.hpp"

namespace dumb::test {
namespace {

constexpr WallTime at_noon{std::chrono::sys_days(std::chrono::year(2026) / 2 / 11) + std::chrono::hours(12)};

std::string signals_text(const std::vector<graph::Signal>& signals) {
  std::string out;
  for (const graph::Signal signal : signals)
    out += (out.empty() ? "" : ", ") + std::string(codec::enum_name(signal));
  return out;
}

}  // namespace

config::Snapshot snapshot_of(json::object document, std::uint64_t generation) {
  return {document, document, generation};
}

config::Snapshot snapshot_of(std::string_view text, std::uint64_t generation) {
  auto value = jsonx::parse(text);
  if (!value) throw std::runtime_error(value.error().to_string());
  return snapshot_of(std::move(value->as_object()), generation);
}

graph::Model model_of(std::string_view text) {
  return {snapshot_of(text), catalog::Catalog::embedded()};
}

graph::Plan plan_of(const graph::Model& model, const graph::PlanOptions& options) {
  return graph::plan(model, options, at_noon).value();
}

std::string plan_text(const graph::Plan& plan) {
  std::string out;
  for (const graph::PlanEdge& edge : plan.edges) {
    out += edge.source + " -> " + edge.target + " | " + signals_text(edge.signals) + " | " +
           std::string(codec::enum_name(edge.strength)) + "\n";
  }
  for (const graph::PlanGroup& group : plan.groups)
    out += std::to_string(group.level) + ": " + text::join(group.members, ", ") + "\n";
  for (const graph::Cycle& cycle : plan.cycles)
    out += "cycle: " + cycle.message + " | " + (cycle.resolved ? "resolved" : "unresolved") + "\n";
  for (const graph::Missing& row : plan.missing) {
    out += "missing: " + row.process_name + " | " + std::string(codec::enum_name(row.signal)) + " | " +
           row.reference + " | " + std::string(codec::enum_name(row.reason)) + "\n";
  }
  return out;
}

graph::GraphAnswer answer_of(const graph::Model& model, std::string_view process, graph::Scope scope,
                             const graph::Statuses& statuses) {
  graph::Statuses all = statuses;
  for (const graph::Index index : model.by_name()) all.emplace(model.process(index).name, "stopped");
  return graph::answer(model, graph::order_of(model), all, model.resolve(process).value(), scope, at_noon);
}

Example example(std::string_view name) {
  const std::string all = read_text(std::string(DUMB_SOURCE_DIR) + "/docs/spec/dependency-graph.md");
  const std::size_t begin = all.find("\n### " + std::string(name) + " ");
  const std::size_t end = all.find("\n##", begin + 4);
  if (begin == std::string::npos || end == std::string::npos) throw std::runtime_error("no such example");
  const std::string part = all.substr(begin, end - begin);
  Example out;
  for (std::size_t at = part.find("```"); at != std::string::npos; at = part.find("```", at)) {
    const std::size_t line = part.find('\n', at);
    const std::size_t close = part.find("\n```", line);
    const std::string kind = part.substr(at + 3, line - at - 3);
    const std::string body = part.substr(line + 1, close - line);
    if (kind == "json") out.config = body;
    if (kind == "text") out.texts.push_back(body);
    at = close + 4;
  }
  return out;
}

std::string groups_text(const graph::GraphAnswer& answer) {
  std::string out;
  for (const graph::ParallelGroup& group : answer.parallel_groups)
    out += (out.empty() ? "" : "; ") + group.id + ": " + text::join(group.members, ", ");
  return out;
}

std::string stages_text(const graph::GraphAnswer& answer) {
  std::string out;
  for (const graph::Stage& stage : answer.startup_stages)
    out += (out.empty() ? "" : "; ") + std::to_string(stage.stage) + ": " + text::join(stage.members, ", ");
  return out;
}

}  // namespace dumb::test
