#pragma once

#include <dumb/graph/answer.hpp>
#include <dumb/graph/plan.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// A plan as text. Its JSON is codec::encode(plan). Pure; hostile names cannot break out of their label.
namespace dumb::graph {

/// Graphviz (DEP-49).
std::string to_dot(const Plan& plan);
/// Mermaid (DEP-50).
std::string to_mermaid(const Plan& plan);

/// The surroundings of one process in the shape of a plan, for drawing: its parallel groups, then what is
/// only linked, and the edges of the answer.
Plan surroundings(const GraphAnswer& answer);

struct TreeOptions {
  /// Only this process and what it needs; "" = every process that nothing needs, and cycles.
  std::string root{};
  bool ascii = false;                          ///< "|-- " instead of box characters
  std::map<std::string, std::string> notes{};  ///< name -> text behind it, such as "running"
};
/// What needs what as an indented text, dependencies below their dependents. What was already drawn is
/// drawn once more without what lies below it; at most 64 levels deep; control characters become blanks. A
/// `root` that is not among `names` gives an empty text.
std::string to_tree(const std::vector<std::string>& names, const std::vector<EdgeRow>& edges,
                    const TreeOptions& options);
std::string to_tree(const Plan& plan, const TreeOptions& options);

}  // namespace dumb::graph
