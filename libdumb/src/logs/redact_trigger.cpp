#include "logs/redact_trigger.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>

#include "logs/bytes.hpp"

namespace dumb::logs {

/// Hash, 15 bits, of three bytes without their letter case; reads four.
std::uint32_t Trigger::group(const char* at) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  word = std::endian::native == std::endian::little ? word & 0xFFFFFFU : word >> 8U;
  return ((word | 0x202020U) * 0x9E3779B1U) >> 17U;
}

bool Trigger::hit(std::string_view line) const noexcept {
  if (line.size() < 3) return false;
  const auto around = [&](std::size_t at) {
    const std::size_t begin = at < 2 ? 0 : at - 2;
    return search(line.substr(begin, at - begin + longest_));
  };
  std::size_t i = 0;
  for (; i + 12 < line.size(); i += 12) {
    const char* const at = line.data() + i;
    // Without a branch between the four: nearly always none is known.
    const unsigned any =
        unsigned{known(at)} | unsigned{known(at + 3)} | unsigned{known(at + 6)} | unsigned{known(at + 9)};
    if (any == 0) continue;
    for (std::size_t k = 0; k < 12; k += 3) {
      if (known(at + k) && around(i + k)) return true;
    }
  }
  std::array<char, 16> rest{};
  std::memcpy(rest.data(), line.data() + i, line.size() - i);
  for (std::size_t k = 0; k + 3 <= line.size() - i; k += 3) {
    if (known(rest.data() + k) && around(i + k)) return true;
  }
  return false;
}

bool Trigger::search(std::string_view part) const noexcept {
  const std::uint32_t* const table = table_.data();
  std::size_t row = 0;
  for (const char c : part) {
    row = table[row + class_[static_cast<unsigned char>(c)]];
    if (row == found) return true;
  }
  return false;
}

Trigger::Trigger(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    longest_ = std::max(longest_, word.size());
    for (std::size_t i = 0; i < 3 && i + 3 <= word.size(); ++i) {
      const std::string bytes = word.substr(i, 3) + '\0';
      const std::uint32_t hash = group(bytes.data());
      groups_[hash >> 6U] |= std::uint64_t{1} << (hash & 63U);
    }
  }
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
