#include "graph_text.hpp"

#include <fmt/format.h>

#include <dumb/base/text.hpp>
#include <dumb/graph/drawing.hpp>
#include <set>

#include "plan_text.hpp"
#include "services.hpp"

namespace dumb::cli {
namespace {

// A line of the tree is "branches NAME (note) [signals]"; the note is looked for from the end, since a name
// may hold anything.
std::string painted(const std::string& line, const std::string& subject, const std::set<std::string>& states,
                    const Style& style) {
  std::size_t at = std::string::npos;
  std::string note;
  for (const std::string& state : states) {
    const std::size_t found = line.rfind(fmt::format(" ({})", state));
    if (found == std::string::npos || (at != std::string::npos && found < at)) continue;
    at = found;
    note = state;
  }
  if (note.empty()) return line;
  std::string front = line.substr(0, at);
  if (!subject.empty() && front.ends_with(subject)) {
    front.erase(front.size() - subject.size());
    front += style.paint(Color::bold, subject);
  }
  const std::size_t after = at + note.size() + 3;
  return fmt::format("{} ({}){}", front, style.paint(state_color(note), note),
                     style.paint(Color::dim, line.substr(after)));
}

std::string tree_of(const graph::Plan& plan, const std::string& subject,
                    const std::vector<ServiceNote>& notes, const Style& style) {
  graph::TreeOptions options;
  options.ascii = !style.utf8;
  std::set<std::string> states;
  for (const ServiceNote& note : notes) {
    if (note.state.empty()) continue;
    const std::string state = text::replace_all(note.state, "_", " ");
    options.notes[note.process_name] = state;
    states.insert(state);
  }
  const std::string tree = graph::to_tree(plan, options);
  std::string out;
  for (const std::string& line : text::split(tree, '\n')) {
    if (!line.empty()) out += painted(printable(line), printable(subject), states, style) + '\n';
  }
  return out;
}

}  // namespace

std::string render_graph(const graph::Plan& plan, const std::string& subject,
                         const std::vector<ServiceNote>& notes, const Style& style) {
  std::string below;
  for (const ServiceNote& note : notes) {
    if (note.reason.empty()) continue;
    const Color color = note.state == "failed" ? Color::red : Color::yellow;
    below += style.paint(color, printable(fmt::format("{}: {}", note.process_name, note.reason))) + '\n';
  }
  below += render_troubles(plan.cycles, plan.missing, style);
  return tree_of(plan, subject, notes, style) + (below.empty() ? "" : '\n' + below);
}

}  // namespace dumb::cli
