#include "logs/redact_trigger.hpp"

#include <deque>

#include "logs/bytes.hpp"

namespace dumb::logs {

Trigger::Trigger(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    for (const char c : word) {
      const char low = lower_of(c);
      auto& number = class_[static_cast<unsigned char>(low)];
      if (number == 0) number = static_cast<std::uint8_t>(classes_++);
      if (low >= 'a' && low <= 'z') class_[static_cast<unsigned char>(low - 32)] = number;
    }
  }
  // The trie, a node per row; 0 stands for "no child" since the root is nobody's child.
  struct Node {
    std::vector<std::size_t> next;
    std::size_t fail = 0;
    bool end = false;
  };
  std::vector<Node> nodes(1);
  nodes[0].next.resize(classes_);
  for (const std::string& word : words) {
    if (word.empty()) continue;
    std::size_t at = 0;
    for (const char c : word) {
      const std::size_t symbol = class_[static_cast<unsigned char>(c)];
      if (nodes[at].next[symbol] == 0) {
        nodes[at].next[symbol] = nodes.size();
        nodes.emplace_back().next.resize(classes_);
      }
      at = nodes[at].next[symbol];
    }
    nodes[at].end = true;
  }
  // Breadth first: a missing child is the child of the longest suffix that is in the trie.
  std::deque<std::size_t> queue;
  for (const std::size_t child : nodes[0].next) {
    if (child != 0) queue.push_back(child);
  }
  while (!queue.empty()) {
    const std::size_t at = queue.front();
    queue.pop_front();
    nodes[at].end = nodes[at].end || nodes[nodes[at].fail].end;
    for (std::size_t symbol = 0; symbol < classes_; ++symbol) {
      const std::size_t through_suffix = nodes[nodes[at].fail].next[symbol];
      std::size_t& child = nodes[at].next[symbol];
      if (child == 0) {
        child = through_suffix;
      } else {
        nodes[child].fail = through_suffix;
        queue.push_back(child);
      }
    }
  }
  table_.resize(nodes.size() * classes_);
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    for (std::size_t symbol = 0; symbol < classes_; ++symbol) {
      const std::size_t next = nodes[at].next[symbol];
      table_[at * classes_ + symbol] = nodes[next].end ? found : static_cast<std::uint32_t>(next * classes_);
    }
  }
}

}  // namespace dumb::logs
