#pragma once

#include <dumb/graph/answer.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::test {

config::Snapshot snapshot_of(std::string_view text, std::uint64_t generation = 1);
config::Snapshot snapshot_of(json::object document, std::uint64_t generation = 1);
graph::Model model_of(std::string_view text);
/// The plan of the enabled processes at a fixed time.
graph::Plan plan_of(const graph::Model& model, const graph::PlanOptions& options = {});
/// The form of the worked examples: "D -> P | signals | strength", "0: A, B", "cycle: …", "missing: …".
std::string plan_text(const graph::Plan& plan);
/// The answer about one process, which must be there.
graph::GraphAnswer answer_of(const graph::Model& model, std::string_view process,
                             graph::Scope scope = graph::Scope::runtime,
                             const graph::Statuses& statuses = {});

/// A worked example of the specification: the first JSON block and the text blocks below its heading.
struct Example {
  std::string config;
  std::vector<std::string> texts;
};
Example example(std::string_view name);

template <class Rows>
std::vector<std::string> keys_of(const Rows& rows) {
  std::vector<std::string> keys;
  for (const auto& row : rows) keys.push_back(row.key);
  return keys;
}
template <class Rows>
std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows) names.push_back(row.process_name);
  return names;
}
/// "pre_core: A, B; core_target: C".
std::string groups_text(const graph::GraphAnswer& answer);
/// "-1: A, B; 0: C".
std::string stages_text(const graph::GraphAnswer& answer);

}  // namespace dumb::test
