#include <dumb/graph/plan.hpp>

#include "support/catch.hpp"

using namespace dumb;
using graph::Needs;

namespace {

config::Snapshot snapshot(std::string_view text) {
  auto value = jsonx::parse(text);
  REQUIRE(value);
  return {value->as_object(), value->as_object(), 1};
}

Needs needs(std::string_view text) {
  const auto config = snapshot(text);
  std::set<std::string> all;
  for (const auto& ref : config.blocks()) all.insert(ref.process_name);
  return graph::start_needs(graph::Model(config, catalog::Catalog::embedded()), all);
}

std::set<std::string> names(const Needs& needs, const std::string& of) {
  std::set<std::string> out;
  for (const auto& [name, need] : needs.at(of)) out.insert(name);
  return out;
}

using Names = std::set<std::string>;
using Groups = std::vector<std::vector<std::string>>;

}  // namespace

TEST_CASE("what a start waits for comes from tables, flags, mounts and local URLs",
          "[graph][LIF-34][LIF-35][DEP-45]") {
  const Needs found = needs(R"({
    "postgres":{"process_name":"PG"},"pgadmin":{"process_name":"PA"},
    "zurg":{"instances":{"Z":{"process_name":"Z","core_service":"riven_backend"}}},
    "rclone":{"instances":{"R":{"process_name":"R","core_service":"riven_backend","zurg_enabled":true,
      "mount_dir":"/mnt","mount_name":"riven"}}},
    "riven_backend":{"process_name":"RB","wait_for_dir":"/mnt/riven/__all__"},
    "plex":{"process_name":"Plex","port":32400,"wait_for_mounts":["/mnt/riven"]},
    "watcher":{"process_name":"W","command":["w"],"wait_for_url":[{"url":"http://localhost:32400/identity"}]},
    "after":{"process_name":"A","command":["a"],"depends_on":["W",
      {"process_name":"PG","condition":"healthy"}]}})");
  CHECK(names(found, "PA") == Names{"PG"});
  CHECK(names(found, "R") == Names{"Z"});
  CHECK(names(found, "RB") == Names{"PG", "R", "Z"});
  CHECK(names(found, "Plex") == Names{"R"});
  CHECK(names(found, "W") == Names{"Plex"});
  CHECK(names(found, "A") == Names{"PG", "W"});
  CHECK(names(found, "PG").empty());
  CHECK(found.at("A").at("PG").condition == graph::Condition::healthy);
  CHECK(found.at("A").at("W").condition == graph::Condition::started);
}

TEST_CASE("members of a cycle start together, after what any of them needs",
          "[graph][LIF-38][DEP-40][DEP-44]") {
  const Needs found = needs(R"({
    "a":{"process_name":"A","command":["x"],"depends_on":["B"]},
    "b":{"process_name":"B","command":["x"],"depends_on":["C","Base"]},
    "c":{"process_name":"C","command":["x"],"depends_on":["A"]},
    "base":{"process_name":"Base","command":["x"]},
    "top":{"process_name":"Top","command":["x"],"depends_on":["B"]},
    "decypharr":{"process_name":"D","port":8282,"mount_type":"external_rclone"},
    "rclone":{"instances":{"R":{"process_name":"R","decypharr_enabled":true,"core_service":"decypharr"}}}})");
  for (const char* member : {"A", "B", "C"}) CHECK(names(found, member) == Names{"Base"});
  CHECK(names(found, "Top") == Names{"A", "B", "C"});
  CHECK(names(found, "Base").empty());
  CHECK(names(found, "R") == Names{"D"});
  CHECK(names(found, "D").empty());
  std::map<std::string, std::size_t> tiers;
  for (const auto& [name, waits] : found) tiers[name] = 0;
  CHECK(graph::stop_groups(tiers, found) == Groups{{"R", "Top"}, {"A", "B", "C", "D"}, {"Base"}});
}

TEST_CASE("needs are among the given processes, which need not be known", "[graph][DEP-44]") {
  const auto config = snapshot(R"({
    "a":{"process_name":"A","command":["x"],"depends_on":["B"]},
    "b":{"process_name":"B","command":["x"],"depends_on":["C"]},
    "c":{"process_name":"C","command":["x"]}})");
  const graph::Model model(config, catalog::Catalog::embedded());
  CHECK(graph::start_needs(model, {"A", "C", "pgAgent"}) == Needs{{"A", {}}, {"C", {}}, {"pgAgent", {}}});
  CHECK(graph::with_dependents(model, {"C"}, {"A", "B", "C"}) == Names{"A", "B", "C"});
  CHECK(graph::with_dependents(model, {"C"}, {"A", "C"}) == Names{"C"});
}

TEST_CASE("what a process needs is added when it is enabled", "[graph][DEP-36][DEP-37]") {
  const auto config = snapshot(R"({
    "dumb":{"api_service":{"process_name":"DUMB API","enabled":true}},
    "a":{"process_name":"A","command":["x"],"depends_on":["B","Off","DUMB API"]},
    "b":{"enabled":true,"process_name":"B","command":["x"],"depends_on":["C"]},
    "off":{"process_name":"Off","command":["x"],"depends_on":["D"]},
    "c":{"enabled":true,"process_name":"C","command":["x"]},
    "d":{"enabled":true,"process_name":"D","command":["x"]}})");
  const graph::Model model(config, catalog::Catalog::embedded());
  CHECK(graph::with_prerequisites(model, {"A"}) == Names{"A", "B", "C"});
  CHECK(names(graph::start_needs(model, {"A", "B", "DUMB API"}), "A") == Names{"B"});
}

TEST_CASE("stopping follows the needs first, then the tiers", "[graph][LIF-73][DEP-44]") {
  const Needs edges{{"Seerr", {{"Plex", {}}}},
                    {"Plex", {{"rclone", {}}}},
                    {"media", {{"rclone", {}}}},
                    {"rclone", {{"dav", {}}}}};
  const std::map<std::string, std::size_t> tiers{{"Seerr", 1},  {"Plex", 0}, {"media", 4},
                                                 {"rclone", 2}, {"dav", 4},  {"PG", 5}};
  CHECK(graph::stop_groups(tiers, edges) ==
        Groups{{"Seerr"}, {"Plex"}, {"media"}, {"rclone"}, {"dav"}, {"PG"}});
  CHECK(graph::stop_groups({{"b", 1}, {"a", 1}, {"c", 0}}, {}) == Groups{{"c"}, {"a", "b"}});
  CHECK(graph::stop_groups({{"a", 0}, {"b", 0}}, {{"a", {{"b", {}}}}, {"b", {{"a", {}}}}}) ==
        Groups{{"a", "b"}});
  const auto steps = graph::stop_steps(tiers, edges);
  CHECK(steps.at("rclone") == graph::StopStep{4, {"Plex", "media"}});
  CHECK(steps.at("dav") == graph::StopStep{4, {"rclone"}});
  CHECK(steps.at("Plex") == graph::StopStep{1, {"Seerr"}});
  CHECK(steps.at("PG") == graph::StopStep{5, {}});
}

TEST_CASE("the critical path is the chain that ends last", "[graph][DEP-45]") {
  const Needs edges{
      {"a", {}}, {"b", {{"a", {}}}}, {"c", {{"a", {}}}}, {"d", {{"b", {}}, {"c", {}}}}, {"e", {}}};
  const graph::CriticalPath path =
      graph::critical_path(edges, {{"a", 1}, {"b", 2}, {"c", 2.5}, {"d", 1}, {"e", 4}});
  CHECK(path.makespan == 4.5);
  CHECK(path.chain == std::vector<graph::CriticalStep>{{"a", 0, 1}, {"c", 1, 3.5}, {"d", 3.5, 4.5}});
  CHECK(graph::critical_path({}, {}).chain.empty());
  CHECK(graph::critical_path(edges, {}).makespan == 0);
}
