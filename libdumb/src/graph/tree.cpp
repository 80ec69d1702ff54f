#include <algorithm>
#include <dumb/base/codec.hpp>
#include <dumb/graph/drawing.hpp>
#include <unordered_map>

namespace dumb::graph {
namespace {

constexpr std::size_t deepest = 64;

std::string plain(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

class Tree {
 public:
  Tree(const std::vector<std::string>& names, const std::vector<EdgeRow>& edges, const TreeOptions& options)
      : names_(names),
        options_(options),
        below_(names.size()),
        needed_(names.size(), 0),
        drawn_(names.size(), 0),
        open_(names.size(), 0) {
    std::sort(names_.begin(), names_.end());
    for (std::size_t i = 0; i < names_.size(); ++i) place_.emplace(names_[i], i);
    for (const EdgeRow& edge : edges) {
      const auto source = place_.find(edge.source);
      const auto target = place_.find(edge.target);
      if (source == place_.end() || target == place_.end()) continue;
      below_[source->second].push_back({target->second, &edge});
      ++needed_[target->second];
    }
    for (auto& list : below_) {
      std::sort(list.begin(), list.end(), [](const Branch& a, const Branch& b) { return a.node < b.node; });
    }
  }

  std::string run() {
    if (!options_.root.empty()) {
      if (const auto root = place_.find(options_.root); root != place_.end()) draw(root->second);
      return std::move(out_);
    }
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (needed_[i] == 0) draw(i);
    }
    // What is left is needed only by members of cycles.
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (drawn_[i] == 0) draw(i);
    }
    return std::move(out_);
  }

 private:
  struct Branch {
    std::size_t node = 0;
    const EdgeRow* edge = nullptr;
  };
  struct Frame {
    std::size_t node = 0;
    std::size_t next = 0;
  };

  /// The rest of the line of a node; true when what lies below it is drawn here.
  bool line(std::size_t node, const EdgeRow* edge) {
    out_ += plain(names_[node]);
    if (const auto note = options_.notes.find(names_[node]); note != options_.notes.end())
      out_ += " (" + plain(note->second) + ")";
    if (edge != nullptr) {
      out_ += " [" + label_of(edge->signals, edge->condition);
      out_ += edge->strength == Strength::soft_linkage ? "; linked]" : "]";
    }
    const bool here = drawn_[node] == 0;
    if (open_[node] != 0) {
      out_ += " (cycle)";
    } else if (!here && !below_[node].empty()) {
      out_ += " (see above)";
    } else if (frames_.size() >= deepest && !below_[node].empty()) {
      out_ += " ...";
      out_ += '\n';
      return false;
    }
    out_ += '\n';
    drawn_[node] = 1;
    return here;
  }

  void enter(std::size_t node, const EdgeRow* edge) {
    if (!line(node, edge)) return;
    open_[node] = 1;
    frames_.push_back({node, 0});
  }

  void draw(std::size_t root) {
    enter(root, nullptr);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      const std::vector<Branch>& branches = below_[frame.node];
      if (frame.next == branches.size()) {
        open_[frame.node] = 0;
        frames_.pop_back();
        continue;
      }
      const Branch branch = branches[frame.next++];
      for (std::size_t i = 0; i + 1 < frames_.size(); ++i) {
        const bool more = frames_[i].next < below_[frames_[i].node].size();
        out_ += more ? (options_.ascii ? "|   " : "\u2502   ") : "    ";
      }
      const bool last = frame.next == branches.size();
      if (options_.ascii) {
        out_ += last ? "`-- " : "|-- ";
      } else {
        out_ += last ? "\u2514\u2500\u2500 " : "\u251c\u2500\u2500 ";
      }
      enter(branch.node, branch.edge);
    }
  }

  std::vector<std::string> names_;
  const TreeOptions& options_;
  std::unordered_map<std::string_view, std::size_t> place_;
  std::vector<std::vector<Branch>> below_;
  std::vector<std::size_t> needed_;
  std::vector<char> drawn_, open_;
  std::vector<Frame> frames_;
  std::string out_;
};

}  // namespace

std::string to_tree(const std::vector<std::string>& names, const std::vector<EdgeRow>& edges,
                    const TreeOptions& options) {
  return Tree(names, edges, options).run();
}

std::string to_tree(const Plan& plan, const TreeOptions& options) {
  std::vector<EdgeRow> edges;
  edges.reserve(plan.edges.size());
  for (const PlanEdge& edge : plan.edges)
    edges.push_back(
        {edge.source, edge.target, edge.signals, edge.strength, edge.classification, edge.condition});
  return to_tree(plan.order, edges, options);
}

}  // namespace dumb::graph
