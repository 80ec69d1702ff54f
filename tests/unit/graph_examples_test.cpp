// The worked examples of the specification, read from it, with every statement below them.
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

#include "support/catch.hpp"
#include "support/graph_bench.hpp"

using namespace dumb;
using graph::RowState;
using graph::Scope;
using graph::Signal;
using Names = std::vector<std::string>;
using test::answer_of;
using test::example;
using test::groups_text;
using test::keys_of;
using test::model_of;
using test::names_of;
using test::plan_of;
using test::plan_text;
using test::stages_text;

namespace {

/// The plan of example `name`, which must be as the specification has it.
graph::Model checked(std::string_view name) {
  const test::Example found = example(name);
  graph::Model model = model_of(found.config);
  CHECK(plan_text(plan_of(model)) == found.texts.at(0));
  return model;
}

Names pairs(const std::vector<graph::EdgeRow>& edges) {
  Names out;
  for (const auto& edge : edges) out.push_back(edge.source + " -> " + edge.target);
  return out;
}

}  // namespace

TEST_CASE("W1: Seerr waits on Plex's URL",
          "[graph][DEP-14][DEP-22][DEP-24][DEP-28][DEP-29][DEP-30][DEP-31][DEP-35]") {
  const graph::Model model = checked("W1");
  const graph::Statuses running{{"Seerr Main", "running"}, {"Plex Media Server", "running"}};
  const auto seerr = answer_of(model, "Seerr Main", Scope::runtime, running);
  CHECK(seerr.config_key == "seerr");
  CHECK(codec::encode(seerr.context) ==
        json::parse(
            R"({"mode":"core","key":"seerr","core":{"key":"seerr","name":"Seerr","dependencies":[]}})"));
  REQUIRE(seerr.startup_order.size() == 1);
  CHECK(seerr.startup_order[0].key == "seerr");
  CHECK(seerr.startup_order[0].label == "Seerr");
  CHECK(seerr.startup_order[0].state == RowState::running);
  CHECK(seerr.dependency_rows.empty());
  CHECK(seerr.dependent_rows.empty());
  CHECK(codec::encode(seerr.linked_outgoing_rows) == json::parse(R"([{"process_name":"Plex Media Server",
    "key":"plex","label":"Plex Media Server","state":"running","signals":["wait_for_url"],
    "classification":"hard","strength":"hard_runtime"}])"));
  CHECK(seerr.linked_incoming_rows.empty());
  const json::value edges = json::parse(R"([{"source":"Seerr Main","target":"Plex Media Server",
    "signals":["wait_for_url"],"strength":"hard_runtime","classification":"hard"}])");
  CHECK(codec::encode(seerr.edges) == edges);
  CHECK(names_of(seerr.nodes) == Names{"Plex Media Server", "Seerr Main"});
  CHECK(groups_text(seerr) == "pre_core: Plex Media Server; core_target: Seerr Main");
  for (const char* asked : {"Plex Media Server", "plex"}) {
    const auto plex = answer_of(model, asked, Scope::runtime, running);
    CHECK(plex.process_name == "Plex Media Server");
    CHECK(codec::encode(plex.edges) == edges);
    CHECK(groups_text(plex) == "core_target: Plex Media Server; post_core: Seerr Main");
  }
  const graph::Model tied = model_of(
      text::replace_all(example("W1").config, "\"core_service\": \"\"", "\"core_service\": \"plex\""));
  CHECK(answer_of(tied, "plex").edges[0].signals ==
        std::vector<Signal>{Signal::core_service_fields, Signal::wait_for_url});
}

TEST_CASE("W2: Riven with rclone, zurg, PostgreSQL and frontend",
          "[graph][DEP-6][DEP-18][DEP-25][DEP-26][DEP-27][DEP-31][DEP-44][DEP-52]") {
  const graph::Model model = checked("W2");
  const graph::Plan plan = plan_of(model);
  CHECK(plan.shutdown_groups[0].members == Names{"Riven Frontend"});
  CHECK(plan.shutdown_groups[1].members == Names{"Riven Backend"});
  CHECK(plan.shutdown_groups[2].members == Names{"Rclone w/ Riven"});
  CHECK(plan.shutdown_groups[3].members == Names{"PostgreSQL", "Zurg w/ Riven"});

  const auto riven = answer_of(model, "Riven Backend");
  CHECK(keys_of(riven.startup_order) == Names{"zurg", "rclone", "postgres", "riven_backend"});
  CHECK(keys_of(riven.dependency_rows) == Names{"zurg", "rclone", "postgres"});
  for (const auto& row : riven.dependency_rows) {
    CHECK(row.process_count == 1);
    CHECK(row.order == "before");
    CHECK(row.scoped == (row.key != "postgres"));
  }
  CHECK(names_of(riven.linked_outgoing_rows) == Names{"Rclone w/ Riven", "Zurg w/ Riven"});
  CHECK(names_of(riven.linked_incoming_rows) == Names{"Riven Frontend"});
  CHECK(riven.edges.size() == 4);
  CHECK(groups_text(riven) ==
        "pre_core: PostgreSQL, Rclone w/ Riven, Zurg w/ Riven; core_target: Riven Backend; post_core: Riven "
        "Frontend");
  CHECK(stages_text(riven) ==
        "-2: Zurg w/ Riven; -1: PostgreSQL, Rclone w/ Riven; 0: Riven Backend; 1: Riven Frontend");

  const auto frontend = answer_of(model, "Riven Frontend");
  CHECK(frontend.context.mode == "core");
  CHECK(keys_of(frontend.startup_order) == Names{"riven_backend", "riven_frontend"});
  CHECK(frontend.edges.size() == 1);
  CHECK(groups_text(frontend) == "pre_core: Riven Backend; core_target: Riven Frontend");
  CHECK(stages_text(frontend) ==
        "-3: Zurg w/ Riven; -2: PostgreSQL, Rclone w/ Riven; -1: Riven Backend; 0: Riven Frontend");

  const auto postgres = answer_of(model, "PostgreSQL");
  CHECK(postgres.context.mode == "dependency");
  CHECK(keys_of(postgres.dependent_rows) == Names{"riven_backend"});
  CHECK(postgres.dependent_rows[0].missing_deps == Names{"zurg", "rclone", "postgres"});
  CHECK(pairs(postgres.edges) == Names{"Riven Backend -> PostgreSQL"});
  CHECK(groups_text(postgres) == "core_target: PostgreSQL; post_core: Riven Backend");
  CHECK(stages_text(postgres) == "0: PostgreSQL; 1: Riven Backend; 2: Riven Frontend");
}

TEST_CASE("W3: Decypharr with each mount type", "[graph][DEP-5][DEP-8][DEP-18][DEP-25][DEP-27]") {
  const test::Example found = example("W3");
  const auto model = [&](const std::string& type, const std::string& enabled) {
    return model_of(
        text::replace_all(text::replace_all(found.config, "\"MT\"", "\"" + type + "\""), "\"RC\"", enabled));
  };
  for (const char* type : {"dfs", "rclone", ""}) {
    INFO(type);
    CHECK(plan_text(plan_of(model(type, "false"))) == found.texts.at(0));
  }
  CHECK(plan_text(plan_of(model("external_rclone", "true"))) == found.texts.at(1));
  CHECK(plan_text(plan_of(model("none", "false"))) == found.texts.at(2));
  for (const char* type : {"dfs", "rclone", "", "none"}) {
    const auto decypharr = answer_of(model(type, "false"), "Decypharr");
    CHECK(decypharr.dependency_rows.empty());
    CHECK(keys_of(decypharr.startup_order) == Names{"decypharr"});
  }
  const auto decypharr = answer_of(model("external_rclone", "true"), "Decypharr");
  REQUIRE(decypharr.dependency_rows.size() == 1);
  CHECK(decypharr.dependency_rows[0].key == "rclone");
  CHECK(decypharr.dependency_rows[0].order == "after");
  CHECK(keys_of(decypharr.startup_order) == Names{"decypharr", "rclone"});
  CHECK(groups_text(decypharr) ==
        "core_target: Decypharr; post_core: Radarr 4K, Radarr HD, Rclone w/ Decypharr");

  json::object alone =
      json::parse(text::replace_all(found.config, "\"MT\"", "\"external_rclone\"")).as_object();
  alone.erase("rclone");
  const graph::Model without(test::snapshot_of(alone), catalog::Catalog::embedded());
  const auto lone = answer_of(without, "Decypharr");
  CHECK(codec::encode(lone.missing) ==
        json::parse(R"([{"process_name":"Decypharr","signal":"core_service_map",
    "reference":"rclone","reason":"missing","severity":"error"}])"));
  REQUIRE(lone.dependency_rows.size() == 1);
  CHECK(lone.dependency_rows[0].state == RowState::missing);
  CHECK(lone.dependency_rows[0].process_count == 0);
  CHECK_FALSE(lone.dependency_rows[0].starter_process_name);
}

TEST_CASE("W4: rclone with NzbDAV", "[graph][DEP-4][DEP-12][DEP-17][DEP-22][DEP-32]") {
  const graph::Model model = checked("W4");
  auto answer = answer_of(model, "NzbDAV");
  REQUIRE(answer.dependency_rows.size() == 1);
  CHECK(answer.dependency_rows[0].key == "rclone");
  CHECK(answer.dependency_rows[0].order == "after");
  CHECK(keys_of(answer.startup_order) == Names{"nzbdav", "rclone"});
  const config::Snapshot config = test::snapshot_of(example("W4").config);
  for (const auto& ref : config.blocks()) answer.processes.push_back(graph::shown_config(config.block(ref)));
  const std::string body = jsonx::print_compact(codec::encode(answer));
  CHECK(body.find("http://127.0.0.1:8080/") != std::string::npos);
  CHECK(body.find("secret-1") == std::string::npos);
}

TEST_CASE("W5: Zilean and PostgreSQL, soft links",
          "[graph][DEP-20][DEP-22][DEP-26][DEP-31][DEP-49][DEP-52]") {
  const graph::Model model = checked("W5");
  CHECK(answer_of(model, "Zilean").edges.size() == 1);
  CHECK(stages_text(answer_of(model, "Zilean")) == "-1: PostgreSQL; 0: Zilean");
  const auto all = answer_of(model, "Zilean", Scope::all);
  REQUIRE(pairs(all.edges) == Names{"Sonarr Shows -> Zilean", "Zilean -> PostgreSQL"});
  CHECK(all.edges[0].signals == std::vector<Signal>{Signal::zilean_optional_integration});
  CHECK(all.edges[0].strength == graph::Strength::soft_linkage);
  CHECK(all.edges[0].classification == graph::Classification::linkage);
  CHECK(names_of(all.linked_incoming_rows) == Names{"Sonarr Shows"});
  CHECK(groups_text(all) == "pre_core: PostgreSQL; core_target: Zilean; post_core: Sonarr Shows");
  CHECK(stages_text(all) == "-1: PostgreSQL; 0: Zilean");

  const auto postgres = answer_of(model, "PostgreSQL");
  CHECK(names_of(postgres.nodes) == Names{"PostgreSQL", "Zilean", "pgAdmin4"});
  CHECK(postgres.nodes[2].state == RowState::disabled);
  CHECK(keys_of(postgres.dependent_rows) == Names{"pgadmin", "zilean"});
  CHECK(postgres.dependent_rows[0].state == RowState::disabled);
  CHECK(postgres.dependent_rows[1].state == RowState::stopped);
  CHECK(groups_text(postgres) == "core_target: PostgreSQL; post_core: Zilean, pgAdmin4");
  CHECK(stages_text(postgres) == "0: PostgreSQL; 1: Zilean");
}

TEST_CASE("W6: riven_frontend needs riven_backend", "[graph][DEP-6][DEP-12][DEP-25][DEP-42][DEP-43]") {
  const graph::Model model = checked("W6");
  CHECK_FALSE(plan_of(model).ok);
  const auto answer = answer_of(model, "Riven Frontend");
  CHECK(pairs(answer.edges) == Names{"Riven Frontend -> Riven Backend"});
  CHECK(answer.nodes[0].process_name == "Riven Backend");
  CHECK(answer.nodes[0].state == RowState::disabled);
  REQUIRE(answer.dependency_rows.size() == 1);
  CHECK(answer.dependency_rows[0].starter_process_name == "Riven Backend");
}

TEST_CASE("W7: two rclone instances scoped to two core services",
          "[graph][DEP-2][DEP-13][DEP-17][DEP-18][DEP-26][DEP-42]") {
  const graph::Model model = checked("W7");
  CHECK(plan_of(model).ok);
  const auto answer = answer_of(model, "Rclone B");
  CHECK(keys_of(answer.dependent_rows) == Names{"cli_debrid"});
  CHECK(pairs(answer.edges) == Names{"CLI Debrid -> Rclone B", "Rclone B -> Zurg B"});
  json::object config = json::parse(example("W7").config).as_object();
  config["zurg"].as_object()["instances"].as_object().erase("B");
  const graph::Model without(test::snapshot_of(config), catalog::Catalog::embedded());
  const auto lone = answer_of(without, "Rclone B");
  CHECK(pairs(lone.edges) == Names{"CLI Debrid -> Rclone B"});
  REQUIRE(lone.missing.size() == 1);
  CHECK(lone.missing[0].signal == Signal::rclone_provider_zurg);
  CHECK(lone.missing[0].reference == "zurg");
  CHECK(lone.missing[0].reason == graph::Reason::missing);
}

TEST_CASE("W8: waits under an rclone mount", "[graph][DEP-5][DEP-12][DEP-16][DEP-42]") {
  checked("W8");
}

TEST_CASE("W9: host forms of wait_for_url", "[graph][DEP-14][DEP-15][DEP-42]") {
  struct Row {
    std::string entry;
    Names targets;
    std::string missing;
  };
  const auto url = [](const std::string& text) { return R"({"url":")" + text + R"("})"; };
  const Names plex{"Plex Media Server"};
  const std::vector<Row> rows = {
      {url("http://127.0.0.1:32400/identity"), plex, ""},
      {url("http://localhost:32400"), plex, ""},
      {url("HTTP://LocalHost.:32400/"), plex, ""},
      {url("http://[::1]:32400"), plex, ""},
      {url("http://[::ffff:127.0.0.1]:32400/"), plex, ""},
      {url("http://0.0.0.0:32400"), plex, ""},
      {url("http://127.8.8.8:32400"), plex, ""},
      {url("http://192.168.7.20:32400/identity"), {}, "192.168.7.20 external"},
      {url("http://plex.lan:32400"), {}, "plex.lan external"},
      {url("http://plex:32400/identity"), plex, ""},
      {url("http://127.0.0.1:32401/"), {}, "32401 unresolved"},
      {url("http://localhost/"), {}, "80 unresolved"},
      {url("127.0.0.1:32400/identity"), {}, "127.0.0.1:32400/identity invalid"},
      {url("http://127.0.0.1:99999/"), {}, "http://127.0.0.1:99999/ invalid"},
      {url("http://127.0.0.1:18080/ui/plex%5fmedia_server"), {"Plex Media Server", "Traefik"}, ""},
      {R"({"url":"http://192.168.7.20:32400/","core_service":"plex"})", plex, ""},
  };
  for (const Row& row : rows) {
    INFO(row.entry);
    const graph::Model model = model_of(R"({
      "plex":{"enabled":true,"process_name":"Plex Media Server","port":32400},
      "traefik":{"enabled":true,"process_name":"Traefik","port":18080},
      "whisparr":{"instances":{"W":{"enabled":true,"process_name":"Whisparr","port":6969,"wait_for_url":[)" +
                                        row.entry + "]}}}}");
    Names targets;
    for (const auto& edge : answer_of(model, "Whisparr").edges) targets.push_back(edge.target);
    CHECK(targets == row.targets);
    std::string missing;
    for (const auto& one : answer_of(model, "Whisparr").missing)
      missing += one.reference + " " + std::string(codec::enum_name(one.reason));
    CHECK(missing == row.missing);
  }
}

TEST_CASE("W10: a cycle that stays", "[graph][DEP-40][DEP-41][DEP-43][DEP-52]") {
  const graph::Model model = checked("W10");
  const graph::Plan plan = plan_of(model);
  CHECK_FALSE(plan.ok);
  const auto alpha = answer_of(model, "Alpha");
  CHECK(alpha.cycles == plan.cycles);
  CHECK(alpha.cycles.at(0).members == Names{"Alpha", "Bravo", "Charlie"});
  CHECK(pairs(alpha.cycles.at(0).edges) == Names{"Alpha -> Bravo", "Bravo -> Charlie", "Charlie -> Alpha"});
  CHECK(groups_text(alpha) == "pre_core: Bravo; core_target: Alpha; post_core: Charlie, Delta");
  CHECK(stages_text(alpha) == "-1: Bravo, Charlie; 0: Alpha; 1: Delta");
}

TEST_CASE("W11: a cycle broken by relaxing", "[graph][DEP-40][DEP-41][DEP-43]") {
  const graph::Model model = checked("W11");
  const graph::Plan plan = plan_of(model);
  CHECK(plan.ok);
  CHECK(codec::encode(plan.cycles.at(0).relaxed_edges) ==
        json::parse(R"([{"source":"Sonarr Shows","target":"Decypharr"}])"));
  CHECK(plan.edges.at(1).relaxed);
  CHECK_FALSE(plan.edges.at(0).relaxed);
}

TEST_CASE("W12: the conditional map fills gaps only", "[graph][DEP-12][DEP-19][DEP-20]") {
  const graph::Model model = checked("W12");
  Names soft;
  for (const auto& edge : answer_of(model, "Seerr Home", Scope::all).edges) {
    if (edge.strength != graph::Strength::soft_linkage) continue;
    CHECK(edge.signals == std::vector<Signal>{Signal::documented_integration});
    soft.push_back(edge.target);
  }
  CHECK(soft == Names{"Radarr", "Sonarr 4K", "Sonarr HD"});
}
