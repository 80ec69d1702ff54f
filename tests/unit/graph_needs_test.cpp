#include <dumb/graph/needs.hpp>

#include "support/catch.hpp"

using namespace dumb;
using graph::Needs;

namespace {

config::Snapshot snapshot(std::string_view text) {
  auto value = jsonx::parse(text);
  REQUIRE(value);
  return {value->as_object(), value->as_object(), 1};
}

Needs needs(const config::Snapshot& config) {
  std::set<std::string> all;
  for (const auto& ref : config.blocks()) all.insert(ref.process_name);
  return graph::needs_of(config, catalog::Catalog::embedded(), all);
}

}  // namespace

TEST_CASE("needs come from tables, flags, mounts and local URLs", "[graph][LIF-34][LIF-35]") {
  const auto config = snapshot(R"({
    "postgres":{"process_name":"PG"},"pgadmin":{"process_name":"PA"},
    "zurg":{"instances":{"Z":{"process_name":"Z","core_service":"riven_backend"}}},
    "rclone":{"instances":{"R":{"process_name":"R","core_service":"riven_backend","zurg_enabled":true,
      "mount_dir":"/mnt","mount_name":"riven"}}},
    "riven_backend":{"process_name":"RB","wait_for_dir":"/mnt/riven/__all__"},
    "plex":{"process_name":"Plex","port":32400,"wait_for_mounts":["/mnt/riven"]},
    "watcher":{"process_name":"W","command":["w"],"wait_for_url":[{"url":"http://localhost:32400/identity"}]},
    "after":{"process_name":"A","command":["a"],"depends_on":["W",{"process_name":"PG"}]}})");
  const Needs found = needs(config);
  CHECK(found.at("PA") == std::set<std::string>{"PG"});
  CHECK(found.at("R") == std::set<std::string>{"Z"});
  CHECK(found.at("RB") == std::set<std::string>{"PG", "R", "Z"});
  CHECK(found.at("Plex") == std::set<std::string>{"R"});
  CHECK(found.at("W") == std::set<std::string>{"Plex"});
  CHECK(found.at("A") == std::set<std::string>{"PG", "W"});
  CHECK(found.at("PG").empty());
}

TEST_CASE("needs never form a cycle", "[graph][LIF-38]") {
  const auto config = snapshot(R"({
    "a":{"process_name":"A","command":["x"],"depends_on":["B"]},
    "b":{"process_name":"B","command":["x"],"depends_on":["C"]},
    "c":{"process_name":"C","command":["x"],"depends_on":["A"]},
    "decypharr":{"process_name":"D","port":8282},
    "rclone":{"instances":{"R":{"process_name":"R","decypharr_enabled":true,"core_service":"decypharr"}}}})");
  const Needs found = needs(config);
  CHECK(found.at("A") == std::set<std::string>{"B"});
  CHECK(found.at("B") == std::set<std::string>{"C"});
  CHECK(found.at("C").empty());
  CHECK(found.at("R") == std::set<std::string>{"D"});
  CHECK(found.at("D").empty());
}

TEST_CASE("stopping follows the needs first, then the tiers", "[graph][LIF-73][DEP-44]") {
  using Groups = std::vector<std::vector<std::string>>;
  const Needs edges{{"Seerr", {"Plex"}}, {"Plex", {"rclone"}}, {"media", {"rclone"}}, {"rclone", {"dav"}}};
  const std::map<std::string, std::size_t> tiers{{"Seerr", 1},  {"Plex", 0}, {"media", 4},
                                                 {"rclone", 2}, {"dav", 4},  {"PG", 5}};
  CHECK(graph::stop_groups(tiers, edges) ==
        Groups{{"Seerr"}, {"Plex"}, {"media"}, {"rclone"}, {"dav"}, {"PG"}});
  CHECK(graph::stop_groups({{"b", 1}, {"a", 1}, {"c", 0}}, {}) == Groups{{"c"}, {"a", "b"}});
  CHECK(graph::stop_groups({{"a", 0}, {"b", 0}}, {{"a", {"b"}}, {"b", {"a"}}}) == Groups{{"a", "b"}});
}
