#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/graph/drawing.hpp>
#include <unordered_map>

namespace dumb::graph {
namespace {

std::string dot_label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
    }
  }
  return out;
}

std::string mermaid_label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '#':
        out += "#35;";
        break;
      case '&':
        out += "#amp;";
        break;
      case '"':
        out += "#quot;";
        break;
      case '<':
        out += "#lt;";
        break;
      case '>':
        out += "#gt;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

/// "n0", "n1" … by place in `order`.
class Ids {
 public:
  explicit Ids(const Plan& plan) {
    for (const std::string& name : plan.order) ids_.emplace(name, ids_.size());
  }
  std::string of(const std::string& name) const {
    const auto found = ids_.find(name);
    return "n" + std::to_string(found == ids_.end() ? 0 : found->second);
  }
  bool has(const PlanEdge& edge) const { return ids_.contains(edge.source) && ids_.contains(edge.target); }

 private:
  std::unordered_map<std::string_view, std::size_t> ids_;
};

/// By name: the unresolved cycle it is a member of, counted from 1.
std::unordered_map<std::string_view, std::size_t> circular_of(const Plan& plan) {
  std::unordered_map<std::string_view, std::size_t> circular;
  for (std::size_t i = 0; i < plan.cycles.size(); ++i) {
    if (plan.cycles[i].resolved) continue;
    for (const std::string& name : plan.cycles[i].members) circular.emplace(name, i + 1);
  }
  return circular;
}

}  // namespace

std::string to_dot(const Plan& plan) {
  const Ids ids(plan);
  const auto circular = circular_of(plan);
  std::string out = "digraph dumb {\n  rankdir=RL;\n  node [shape=box];\n";
  for (const PlanGroup& group : plan.groups) {
    out += "  subgraph cluster_" + std::to_string(group.level) + " {\n";
    out += "    label=\"" + dot_label(group.label) + "\";\n";
    for (const std::string& name : group.members)
      out += "    " + ids.of(name) + " [label=\"" + dot_label(name) + "\"];\n";
    out += "  }\n";
  }
  for (const PlanEdge& edge : plan.edges) {
    if (!ids.has(edge)) continue;
    const auto source = circular.find(edge.source);
    const auto target = circular.find(edge.target);
    const bool red = source != circular.end() && target != circular.end() && source->second == target->second;
    out += "  " + ids.of(edge.source) + " -> " + ids.of(edge.target) + " [label=\"" +
           label_of(edge.signals, edge.condition) +
           "\",style=" + (edge.strength == Strength::hard_runtime ? "solid" : "dashed") +
           (edge.relaxed ? ",color=gray"
            : red        ? ",color=red"
                         : "") +
           "];\n";
  }
  return out + "}\n";
}

std::string to_mermaid(const Plan& plan) {
  const Ids ids(plan);
  std::string out = "graph RL\n";
  for (const PlanGroup& group : plan.groups) {
    out += "  subgraph L" + std::to_string(group.level) + "[\"" + mermaid_label(group.label) + "\"]\n";
    for (const std::string& name : group.members)
      out += "    " + ids.of(name) + "[\"" + mermaid_label(name) + "\"]\n";
    out += "  end\n";
  }
  for (const PlanEdge& edge : plan.edges) {
    if (!ids.has(edge)) continue;
    const bool solid = edge.strength == Strength::hard_runtime && !edge.relaxed;
    out += "  " + ids.of(edge.source) + (solid ? " -->|" : " -.->|") +
           label_of(edge.signals, edge.condition) + "| " + ids.of(edge.target) + "\n";
  }
  return out;
}

}  // namespace dumb::graph
