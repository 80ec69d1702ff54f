#include <dumb/graph/drawing.hpp>

#include "support/catch.hpp"
#include "support/graph_bench.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::graph;
using Names = std::vector<std::string>;

namespace {

Plan plan_of(const std::vector<Names>& levels,
             const std::vector<std::pair<std::string, std::string>>& edges) {
  Plan plan;
  for (const Names& members : levels) {
    PlanGroup group;
    group.level = static_cast<std::int64_t>(plan.groups.size());
    group.members = members;
    plan.order.insert(plan.order.end(), members.begin(), members.end());
    plan.groups.push_back(group);
  }
  for (const auto& [source, target] : edges)
    plan.edges.push_back(
        {source, target, {Signal::depends_on}, Strength::hard_runtime, Classification::hard, false});
  return plan;
}

}  // namespace

TEST_CASE("the longest chain of a plan has one process per level", "[graph][DEP-38]") {
  CHECK(longest_chain(Plan()).empty());
  CHECK(longest_chain(plan_of({{"a", "b"}}, {})) == Names{"a"});
  CHECK(longest_chain(plan_of({{"a", "b", "c"}, {"d", "e"}, {"f"}},
                              {{"d", "b"}, {"d", "c"}, {"e", "a"}, {"f", "a"}, {"f", "e"}, {"f", "d"}})) ==
        Names{"b", "d", "f"});
}

TEST_CASE("links and relaxed edges are no part of the longest chain", "[graph][DEP-38][DEP-40]") {
  Plan plan = plan_of({{"a", "b"}, {"c"}}, {{"c", "a"}, {"c", "b"}});
  plan.edges[0].strength = Strength::soft_linkage;
  CHECK(longest_chain(plan) == Names{"b", "c"});
  plan.edges[0].strength = Strength::hard_configured;
  plan.edges[0].relaxed = true;
  CHECK(longest_chain(plan) == Names{"b", "c"});
}

TEST_CASE("the longest chain leads through a cycle by what any member of it needs", "[graph][DEP-40]") {
  const Plan plan =
      plan_of({{"z"}, {"a", "b", "c"}, {"d"}}, {{"a", "b"}, {"b", "c"}, {"c", "a"}, {"c", "z"}, {"d", "a"}});
  CHECK(longest_chain(plan) == Names{"z", "a", "d"});
}

TEST_CASE("the surroundings of a process are a plan to draw", "[graph][DEP-29][DEP-31]") {
  GraphAnswer answer;
  answer.process_name = "b";
  answer.parallel_groups = {{"pre_core", "Parallel prerequisites", "parallel", {"a", "c"}},
                            {"core_target", "Core target", "serial", {"b"}},
                            {"post_core", "Dependents", "parallel", {"c", "d"}}};
  for (const char* name : {"a", "b", "c", "d", "e"}) answer.nodes.push_back({name, name, name, name, {}});
  answer.edges = {
      {"b", "a", {Signal::depends_on}, Strength::hard_runtime, Classification::hard},
      {"e", "b", {Signal::documented_integration}, Strength::soft_linkage, Classification::linkage}};
  const Plan plan = surroundings(answer);
  REQUIRE(plan.groups.size() == 4);
  CHECK(plan.groups[0].members == Names{"a", "c"});
  CHECK(plan.groups[2].members == Names{"d"});
  CHECK(plan.groups[3].label == "Linked");
  CHECK(plan.groups[3].members == Names{"e"});
  CHECK(plan.order == Names{"a", "c", "b", "d", "e"});
  CHECK(plan.edge_count == 2);
  CHECK(plan.edges[1].source == "e");
}

TEST_CASE("a plan shows what is only linked when asked for, and orders nothing by it",
          "[graph][DEP-20][DEP-36]") {
  const Model model = test::model_of(test::example("W5").config);
  const Plan plain = test::plan_of(model);
  PlanOptions options;
  options.scope = Scope::all;
  const Plan all = test::plan_of(model, options);
  CHECK(all.groups == plain.groups);
  REQUIRE(plain.edges.size() == 1);
  REQUIRE(all.edges.size() == 2);
  CHECK(all.edge_count == 2);
  CHECK(all.edges[0].source == "Sonarr Shows");
  CHECK(all.edges[0].target == "Zilean");
  CHECK(all.edges[0].strength == Strength::soft_linkage);
  CHECK(all.edges[1] == plain.edges[0]);
}
