#include "plan_text.hpp"

#include <fmt/format.h>

#include <map>

#include "dependency_text.hpp"
#include "stack_text.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

using Align = Column::Align;

const engine::StackOperation* start_of(const PlanReport& report) {
  const bool start = report.operation.operation == "boot" || report.operation.operation == "up";
  return start ? &report.operation : nullptr;
}

Cell duration_cell(const std::optional<double>& seconds) {
  return seconds ? Cell{duration_text(*seconds)} : Cell{"-", Color::dim};
}

// What one service waits for, an entry each: "PostgreSQL (needs it)".
std::vector<Cell> waits_of(const std::vector<const graph::PlanEdge*>& edges, const engine::StackStep* step) {
  std::vector<Cell> cells;
  for (const graph::PlanEdge* edge : edges) {
    const bool begun = step != nullptr && step->waited_seconds;
    const bool last = begun && step->last_need == edge->target && edges.size() > 1;
    const std::string_view note = edge->relaxed ? "; not waited for" : last ? "; came last" : "";
    const std::string_view condition = condition_words(edge->condition);
    cells.push_back(
        {printable(fmt::format("{} ({}{}{})", edge->target, signals_text(edge->signals), condition, note)),
         edge->relaxed ? Color::dim : Color::none});
  }
  if (cells.empty()) cells.push_back({"-", Color::dim});
  return cells;
}

class PlanTable {
 public:
  PlanTable(const graph::Plan& plan, const engine::StackOperation* start) : measured_(start != nullptr) {
    for (const graph::PlanEdge& edge : plan.edges) edges_[edge.source].push_back(&edge);
    if (start != nullptr) {
      for (const engine::StackStep& step : start->steps) steps_.emplace(step.process_name, &step);
    }
    table_.columns = {{"LEVEL", Align::right}, {"SERVICE", Align::left, 12}, {"WAITS FOR", Align::left, 20}};
    if (measured_) {
      table_.columns.push_back({"WAITED", Align::right});
      table_.columns.push_back({"TOOK", Align::right});
    }
    for (const graph::PlanGroup& group : plan.groups) {
      for (const std::string& member : group.members) add(group.level, member);
    }
  }
  std::string render(const Style& style) const { return cli::render(table_, style); }

 private:
  // One line per need; all but the first stand beneath it.
  void add(std::int64_t level, const std::string& name) {
    const auto found = steps_.find(name);
    const engine::StackStep* step = found == steps_.end() ? nullptr : found->second;
    bool first = true;
    for (Cell& wait : waits_of(edges_[name], step)) {
      std::vector<Cell> row(2);
      if (first) row = {{std::to_string(level), Color::dim}, {printable(name)}};
      row.push_back(std::move(wait));
      if (measured_) {
        const bool known = first && step != nullptr;
        row.push_back(first ? duration_cell(known ? step->waited_seconds : std::nullopt) : Cell{});
        row.push_back(first ? duration_cell(known ? step->took_seconds : std::nullopt) : Cell{});
      }
      table_.rows.push_back(std::move(row));
      first = false;
    }
  }

  bool measured_;
  std::map<std::string, std::vector<const graph::PlanEdge*>> edges_;
  std::map<std::string, const engine::StackStep*> steps_;
  Table table_;
};

std::string start_text(const engine::StackOperation& start,
                       const std::function<std::string(double)>& local_time, const Style& style) {
  std::string out = fmt::format("{} of {}: {}", start.operation == "boot" ? "Boot" : "Start",
                                local_time(start.started_at), stack_result(start));
  if (start.running) {
    out += " so far\n";
  } else if (start.critical_chain.empty()) {
    out += '\n';
  } else {
    out += fmt::format(", {} more than the critical path\nCritical path, {}: {}\n",
                       duration_text(start.elapsed_seconds - start.critical_seconds),
                       duration_text(start.critical_seconds), printable(chain_text(start.critical_chain)));
  }
  for (const engine::StackStep& step : start.steps) {
    const auto failure = start.running && step.state != "failed" ? std::nullopt : step_failure(step);
    if (failure) out += style.paint(Color::red, printable(*failure)) + '\n';
  }
  return out;
}

Color color_of(graph::Severity severity) noexcept {
  switch (severity) {
    case graph::Severity::error:
      return Color::red;
    case graph::Severity::warning:
      return Color::yellow;
    case graph::Severity::info:
      return Color::dim;
  }
  return Color::none;
}

}  // namespace

std::string render_troubles(const std::vector<graph::Cycle>& cycles,
                            const std::vector<graph::Missing>& missing, const Style& style) {
  std::string out;
  for (const graph::Cycle& cycle : cycles) {
    const Color color = cycle.resolved ? Color::yellow : Color::red;
    out += style.paint(color, printable(cycle_sentence(cycle))) + '\n';
  }
  for (const graph::Missing& need : missing)
    out += style.paint(color_of(need.severity), printable(missing_sentence(need))) + '\n';
  return out;
}

std::string render_plan(const PlanReport& report, const std::function<std::string(double)>& local_time,
                        const Style& style) {
  const engine::StackOperation* start = start_of(report);
  std::string out = PlanTable(report.plan, start).render(style);
  const std::vector<std::string> chain = graph::longest_chain(report.plan);
  if (chain.size() > 1) out += fmt::format("\nLongest chain: {}\n", printable(chain_text(chain)));
  if (start != nullptr && !start->steps.empty()) out += '\n' + start_text(*start, local_time, style);
  const std::string troubles = render_troubles(report.plan.cycles, report.plan.missing, style);
  return out + (troubles.empty() ? "" : '\n' + troubles);
}

}  // namespace dumb::cli
