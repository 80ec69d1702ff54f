// What holds for every configuration (DEP-51), tried on random ones. The seed of a failing one is printed.
#include <algorithm>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/graph/drawing.hpp>
#include <map>
#include <set>

#include "support/catch.hpp"
#include "support/graph_bench.hpp"
#include "support/graph_random.hpp"

using namespace dumb;
using graph::Index;
using graph::Model;
using graph::Plan;
using test::answer_of;
using test::plan_of;

namespace {

constexpr std::uint32_t cases = 400;

Model model_of(const json::object& document) {
  return {test::snapshot_of(document), catalog::Catalog::embedded()};
}

/// Calls check(model, plan of everything) for random configurations.
template <class F>
void each_stack(F check, std::uint32_t count = cases) {
  for (std::uint32_t seed = 1; seed <= count; ++seed) {
    INFO("seed " << seed);
    test::RandomStack random(seed);
    const Model model = model_of(random.document());
    check(model, plan_of(model, {.process_name = {}, .include_disabled = true}));
  }
}

/// By name: the unresolved cycle it is in, from 1; 0 for none.
std::map<std::string, std::size_t> circular(const std::vector<graph::Cycle>& cycles) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < cycles.size(); ++i) {
    if (cycles[i].resolved) continue;
    for (const auto& name : cycles[i].members) out[name] = i + 1;
  }
  return out;
}

/// Every edge with its signals and condition, seen from both ends, and every unmet need, as text.
std::string outline(const Model& model) {
  std::string out;
  for (const Index index : model.by_name()) {
    const graph::Process& own = model.process(index);
    out += own.name + "|" + own.key + "|" + own.instance + (own.enabled ? "|on\n" : "|off\n");
    std::map<std::string, std::string> around;
    for (const graph::Edge& edge : model.outgoing(index)) {
      around[model.process(edge.target).name] +=
          ">" + std::to_string(edge.signals.bits()) + "." + std::to_string(static_cast<int>(edge.condition));
    }
    for (const Index source : model.incoming(index)) around[model.process(source).name] += "<";
    for (const auto& [name, how] : around) out += " " + name + how;
    for (const graph::Missing& row : model.missing(index)) {
      out += " " + row.reference + "?" + std::to_string(static_cast<int>(row.signal)) + "." +
             std::to_string(static_cast<int>(row.reason)) + "." +
             std::to_string(static_cast<int>(row.severity));
    }
    out += "\n";
  }
  return out;
}

/// Everything there is to know of a model, as text.
std::string dump(const Model& model, bool with_starters = true) {
  std::string out;
  for (const bool all : {false, true}) {
    Plan plan = plan_of(model, {.process_name = {}, .include_disabled = all});
    plan.generation = 0;
    out += jsonx::print_compact(codec::encode(plan)) + "\n";
  }
  for (const Index index : model.by_name()) {
    auto answer = answer_of(model, model.process(index).name, graph::Scope::all);
    answer.dependency_truth_table.clear();
    for (auto& row : answer.dependency_rows) {
      if (!with_starters) row.starter_process_name.reset();
    }
    out += jsonx::print_compact(codec::encode(answer)) + "\n";
    std::map<std::string, graph::Condition> asked;
    for (const graph::Edge& edge : model.outgoing(index))
      asked[model.process(edge.target).name] = edge.condition;
    for (const auto& [name, condition] : asked)
      out += name + ": " + std::string(codec::enum_name(condition)) + "\n";
  }
  return out;
}

/// The first line in which two texts differ, and its other form; empty when they are equal.
std::string difference(const std::string& a, const std::string& b) {
  const auto left = text::split(a, '\n');
  const auto right = text::split(b, '\n');
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string one = i < left.size() ? left[i] : "(end)";
    const std::string two = i < right.size() ? right[i] : "(end)";
    if (one != two) return one + "\n" + two;
  }
  return {};
}

std::size_t count_lines(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (const std::string& line : text::split(text, '\n'))
    count += line.find(part) != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("levels respect every edge and are minimal", "[graph][DEP-38][DEP-39][DEP-40][DEP-51]") {
  each_stack([](const Model&, const Plan& plan) {
    std::map<std::string, std::int64_t> level;
    for (const auto& group : plan.groups) {
      for (const auto& name : group.members) level[name] = group.level;
    }
    const auto in_cycle = circular(plan.cycles);
    const auto cycle_of = [&](const std::string& name) {
      const auto found = in_cycle.find(name);
      return found == in_cycle.end() ? std::size_t(0) : found->second;
    };
    std::map<std::string, std::int64_t> least;
    for (const auto& edge : plan.edges) {
      if (edge.relaxed) continue;
      if (cycle_of(edge.source) != 0 && cycle_of(edge.source) == cycle_of(edge.target)) continue;
      CHECK(level.at(edge.source) > level.at(edge.target));
      std::int64_t& own = least[edge.source];
      own = std::max(own, level.at(edge.target) + 1);
    }
    for (const auto& [name, here] : level) {
      if (cycle_of(name) == 0) CHECK(here == least[name]);
    }
    CHECK(plan.order.size() == plan.node_count);
    CHECK(plan.edges.size() == plan.edge_count);
  });
}

TEST_CASE("both ends of an edge see the same one", "[graph][DEP-11][DEP-28][DEP-30][DEP-51]") {
  each_stack(
      [](const Model& model, const Plan&) {
        std::map<std::string, std::vector<graph::EdgeRow>> seen_by_source;
        std::map<std::string, std::vector<graph::EdgeRow>> seen_by_target;
        for (const Index index : model.by_name()) {
          const auto answer = answer_of(model, model.process(index).name, graph::Scope::all);
          for (const auto& edge : answer.edges) {
            CHECK(edge.source != edge.target);
            (edge.source == answer.process_name ? seen_by_source : seen_by_target)[edge.source].push_back(
                edge);
          }
        }
        for (auto& [name, edges] : seen_by_target) {
          std::sort(edges.begin(), edges.end(),
                    [](const auto& a, const auto& b) { return a.target < b.target; });
        }
        CHECK(seen_by_source == seen_by_target);
      },
      cases / 2);
}

TEST_CASE("an answer's nodes and stages hold together", "[graph][DEP-29][DEP-31][DEP-51][DEP-52]") {
  each_stack(
      [](const Model& model, const Plan& plan) {
        const auto in_cycle = circular(plan.cycles);
        for (const Index index : model.by_name()) {
          const auto answer = answer_of(model, model.process(index).name, graph::Scope::all);
          std::set<std::string> nodes;
          for (const auto& node : answer.nodes) nodes.insert(node.id);
          for (const auto& edge : answer.edges)
            CHECK((nodes.contains(edge.source) && nodes.contains(edge.target)));
          std::map<std::string, std::int64_t> stage_of;
          for (const auto& stage : answer.startup_stages) {
            for (const auto& name : stage.members) CHECK(stage_of.emplace(name, stage.stage).second);
          }
          CHECK(stage_of.at(answer.process_name) == 0);
          for (const auto& edge : plan.edges) {
            const auto source = stage_of.find(edge.source);
            const auto target = stage_of.find(edge.target);
            if (edge.relaxed || source == stage_of.end() || target == stage_of.end()) continue;
            const auto cycle = in_cycle.find(edge.source);
            const auto other = in_cycle.find(edge.target);
            if (cycle != in_cycle.end() && other != in_cycle.end() && cycle->second == other->second)
              continue;
            CHECK(source->second > target->second);
          }
        }
      },
      cases / 2);
}

TEST_CASE("a cycle's path is a closed walk from its smallest member", "[graph][DEP-41][DEP-51]") {
  std::size_t found = 0;
  each_stack([&](const Model& model, const Plan& plan) {
    for (const graph::Cycle& cycle : plan.cycles) {
      ++found;
      CHECK(std::is_sorted(cycle.members.begin(), cycle.members.end()));
      REQUIRE(cycle.path.size() >= 3);
      CHECK(cycle.path.front() == cycle.members.front());
      CHECK(cycle.path.back() == cycle.members.front());
      CHECK(std::set<std::string>(cycle.path.begin(), cycle.path.end()).size() == cycle.path.size() - 1);
      for (std::size_t i = 1; i < cycle.path.size(); ++i) {
        const graph::Edge* edge = model.edge(*model.find(cycle.path[i - 1]), *model.find(cycle.path[i]));
        REQUIRE(edge != nullptr);
        CHECK(edge->signals.hard());
        CHECK(cycle.edges.at(i - 1) == model.row(*edge));
      }
      CHECK(cycle.message == text::join(cycle.path, " -> "));
    }
  });
  CHECK(found > cases / 20);
}

TEST_CASE("what starts first stops last", "[graph][DEP-44][DEP-45][DEP-51]") {
  each_stack([](const Model& model, const Plan& plan) {
    CHECK(std::equal(plan.order.rbegin(), plan.order.rend(), plan.shutdown_order.begin(),
                     plan.shutdown_order.end()));
    CHECK(std::equal(plan.groups.rbegin(), plan.groups.rend(), plan.shutdown_groups.begin(),
                     plan.shutdown_groups.end()));
    const std::set<std::string> all(plan.order.begin(), plan.order.end());
    const graph::Needs needs = graph::start_needs(model, all);
    std::map<std::string, std::size_t> tiers;
    for (const auto& name : all) tiers[name] = std::hash<std::string>{}(name) % 3;
    const auto steps = graph::stop_steps(tiers, needs);
    std::map<std::string, std::size_t> stopped;
    std::size_t turn = 0;
    for (const auto& group : graph::stop_groups(tiers, needs)) {
      for (const auto& name : group) stopped[name] = turn;
      ++turn;
    }
    CHECK(stopped.size() == all.size());
    for (const auto& [name, waits] : needs) {
      for (const auto& [needed, how] : waits) {
        CHECK(steps.at(needed).after.contains(name));
        CHECK(steps.at(needed).tier >= steps.at(name).tier);
        CHECK(stopped.at(needed) > stopped.at(name));
      }
    }
  });
}

TEST_CASE("a model that followed changes equals a new one", "[graph][DEP-46][DEP-51]") {
  for (std::uint32_t seed = 1; seed <= cases; ++seed) {
    INFO("seed " << seed);
    test::RandomStack random(seed);
    json::object document = random.document();
    Model followed = model_of(document);
    Model told = followed;
    for (int step = 0; step < 5; ++step) {
      INFO("step " << step);
      const std::vector<std::string> changed = random.change(document);
      const config::Snapshot next = test::snapshot_of(document, 2);
      followed.update(next);
      told.update(next, changed);
      const std::string fresh = outline(model_of(document));
      REQUIRE(difference(outline(followed), fresh) == "");
      REQUIRE(difference(outline(told), fresh) == "");
      CHECK(told.generation() == 2);
    }
    if (seed % 10 == 0) REQUIRE(difference(dump(told), dump(model_of(document))) == "");
  }
}

TEST_CASE("the order of the document makes no difference", "[graph][DEP-48][DEP-51]") {
  for (std::uint32_t seed = 1; seed <= cases; ++seed) {
    INFO("seed " << seed);
    test::RandomStack random(seed);
    const json::object document = random.document();
    const std::string drawn = outline(model_of(document));
    REQUIRE(difference(drawn, outline(model_of(random.permuted(document)))) == "");
    if (seed % 10 != 0) continue;
    const std::string here = dump(model_of(document), false);
    REQUIRE(difference(here, dump(model_of(random.permuted(document)), false)) == "");
    REQUIRE(difference(here, dump(model_of(document), false)) == "");
  }
}

TEST_CASE("drawings have one line per node and edge", "[graph][DEP-49][DEP-50][DEP-51]") {
  each_stack([](const Model&, const Plan& plan) {
    const std::string dot = graph::to_dot(plan);
    CHECK(count_lines(dot, ",style=") == plan.edge_count);
    CHECK(count_lines(dot, "    n") == plan.node_count);
    for (const std::string& name : plan.order) {  // every name is whole and in quotes, whatever is in it
      std::string label;
      for (const char c : name) {
        if (c == '\n') label += "\\n";
        if (c == '"' || c == '\\') label += '\\';
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) label += c;
      }
      CHECK(count_lines(dot, " [label=\"" + label + "\"];") >= 1);
    }
    CHECK(text::split(dot, '\n').size() == 5 + 3 * plan.groups.size() + plan.node_count + plan.edge_count);
    const std::string mermaid = graph::to_mermaid(plan);
    CHECK(text::split(mermaid, '\n').size() ==
          2 + 2 * plan.groups.size() + plan.node_count + plan.edge_count);
    CHECK(count_lines(mermaid, "    n") == plan.node_count);
    const std::string tree = graph::to_tree(plan, {});
    for (const std::string& name : plan.order) {
      std::string plain = name;
      for (char& c : plain) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
      CHECK(tree.find(plain) != std::string::npos);
    }
    // Every edge, and every root once.
    CHECK(text::split(tree, '\n').size() <= 1 + plan.edge_count + plan.node_count);
  });
}
