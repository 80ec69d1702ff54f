#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/graph/drawing.hpp>
#include <dumb/graph/explain.hpp>

#include "graph/address.hpp"
#include "support/catch.hpp"
#include "support/graph_bench.hpp"
#include "support/support.hpp"

using namespace dumb;
using graph::Condition;
using graph::RowState;
using graph::Signal;
using test::answer_of;
using test::model_of;
using test::plan_of;
using test::plan_text;
using Names = std::vector<std::string>;

namespace {

/// "B (wait_for_url)" for every edge from `source`, by name.
std::string edges_from(const graph::Model& model, std::string_view source) {
  std::string out;
  for (const auto& edge : answer_of(model, source, graph::Scope::all).edges) {
    if (edge.source != source) continue;
    out += (out.empty() ? "" : ", ") + edge.target + " (";
    for (const Signal signal : edge.signals)
      out += (signal == edge.signals.front() ? "" : " ") + std::string(codec::enum_name(signal));
    out += ")";
  }
  return out;
}

std::string missing_of(const graph::Model& model, std::string_view process) {
  std::string out;
  for (const auto& row : answer_of(model, process).missing) {
    out += (out.empty() ? "" : ", ") + std::string(codec::enum_name(row.signal)) + " " + row.reference + " " +
           std::string(codec::enum_name(row.reason)) + " " + std::string(codec::enum_name(row.severity));
  }
  return out;
}

}  // namespace

TEST_CASE("processes are collected in document order, the first of two with one name",
          "[graph][DEP-1][DEP-43]") {
  const graph::Model model = model_of(R"({
    "dumb":{"api_service":{"process_name":"DUMB API"},"frontend":{"process_name":" Web ","enabled":true}},
    "plex":{"process_name":"Plex","dbrepair":{"process_name":"Repair"}},
    "sonarr":{"instances":{"A":{"process_name":"S","enabled":true},"B":{"process_name":"Plex"}}},
    "blank":{"process_name":"  "}})");
  Names names;
  for (const graph::Index index : model.by_name()) names.push_back(model.process(index).name);
  CHECK(names == Names{"DUMB API", "Plex", "S", "Web"});
  CHECK(model.process(*model.find("Web")) == graph::Process{"Web", "dumb_frontend", "", true});
  CHECK(model.process(*model.find("S")) == graph::Process{"S", "sonarr", "A", true});
  CHECK_FALSE(model.process(*model.find("Plex")).enabled);
  CHECK(plan_of(model).duplicates == Names{"Plex"});
}

TEST_CASE("references are tokens, aliases and lists in every form", "[graph][DEP-2][DEP-3][DEP-13]") {
  const graph::Model model = model_of(R"({
    "plex":{"enabled":true,"process_name":"sonarr"},
    "nzbdav":{"enabled":true,"process_name":"Dav"},
    "cli_debrid":{"enabled":true,"process_name":"Cli"},
    "custom":{"enabled":true,"process_name":"My Tool","command":["x"]},
    "sonarr":{"instances":{
      "A":{"enabled":true,"process_name":"S1","core_service":" PLEX MEDIA SERVER , InfiniDysk,, my tool "},
      "B":{"enabled":true,"process_name":"S2","core_services":["CLID, plex", 7, null, "Riven"]},
      "C":{"enabled":true,"process_name":"S3","core_service":"sonarr"}}},
    "radarr":{"instances":{"R":{"enabled":true,"process_name":"R1",
      "wait_for_url":[{"url":"http://10.0.0.1","process_name":"sonarr"},
                      {"url":"http://10.0.0.2","core_service":"sonarr"}]}}}})");
  CHECK(edges_from(model, "S1") ==
        "Dav (core_service_fields), My Tool (core_service_fields), sonarr (core_service_fields)");
  CHECK(edges_from(model, "S2") == "Cli (core_service_fields), sonarr (core_service_fields)");
  CHECK(missing_of(model, "S2") == "core_service_fields riven_backend unresolved warning");
  CHECK(edges_from(model, "S3").empty());
  CHECK(missing_of(model, "S3").empty());
  // The name wins in process_name, the key in the others, where one named like a key hides nothing.
  CHECK(edges_from(model, "R1") ==
        "S1 (wait_for_url), S2 (wait_for_url), S3 (wait_for_url), sonarr (wait_for_url)");
}

TEST_CASE("published ports are integers and digits in range", "[graph][DEP-4][DEP-14]") {
  const auto target = [](const std::string& block, const std::string& port) {
    return edges_from(model_of(R"({"a":{"enabled":true,"process_name":"A","command":["x"],)" + block +
                               R"(},"b":{"enabled":true,"process_name":"B","command":["x"],
                               "wait_for_url":"http://localhost:)" +
                               port + "\"}}"),
                      "B");
  };
  for (const char* field : {"port", "frontend_port", "backend_port", "web_port", "ui_port", "http_port",
                            "https_port", "external_port"}) {
    CHECK(target("\"" + std::string(field) + "\":8001", "8001") == "A (wait_for_url)");
  }
  CHECK(target(R"("port":"8001")", "8001") == "A (wait_for_url)");
  CHECK(target(R"("ports":[1,"8001"])", "8001") == "A (wait_for_url)");
  CHECK(target(R"("port":true)", "1").empty());
  CHECK(target(R"("port":"+8001")", "8001").empty());
  CHECK(target(R"("host_port":8001)", "8001").empty());
}

TEST_CASE("paths are compared by whole components, after normalising", "[graph][DEP-5][DEP-16]") {
  CHECK(graph::normal_path("//mnt/./a//b/../c/") == "/mnt/a/c");
  CHECK(graph::normal_path("/../..").empty());
  CHECK(graph::normal_path(".").empty());
  CHECK(graph::normal_path("a/../../b") == "../b");
  CHECK(graph::within("/mnt/a/b", "/mnt/a"));
  CHECK_FALSE(graph::within("/mnt/ab", "/mnt/a"));
  CHECK_FALSE(graph::within("/mnt", ""));
  const graph::Model model = model_of(R"({
    "rclone":{"instances":{
      "A":{"enabled":true,"process_name":"Outer","mount_dir":"/mnt","mount_name":"/x/"},
      "B":{"enabled":true,"process_name":"Inner","mount_dir":"/mnt/x","mount_name":"y"}}},
    "root":{"enabled":true,"process_name":"Root","command":["x"],"mount_path":"/"},
    "w1":{"enabled":true,"process_name":"Deep","command":["x"],"wait_for_mounts":"/mnt/x/y/z"},
    "w2":{"enabled":true,"process_name":"High","command":["x"],"wait_for_mounts":["/mnt"]},
    "w3":{"enabled":true,"process_name":"Dirs","command":["x"],
      "wait_for_dir":[{"dir":"/mnt/x/q"},{"directory":"/srv"},{"value":"/mnt/x/y","process_name":"Deep"},"/"]}})");
  CHECK(edges_from(model, "Deep") == "Inner (wait_for_mounts), Outer (wait_for_mounts)");
  CHECK(edges_from(model, "High") == "Inner (wait_for_mounts), Outer (wait_for_mounts)");
  CHECK(edges_from(model, "Dirs") == "Deep (wait_for_dir), Inner (wait_for_dir), Outer (wait_for_dir)");
  CHECK(missing_of(model, "Dirs").empty());
}

TEST_CASE("the truth table has thirteen rows in order", "[graph][DEP-10][CFG-21]") {
  const auto& rows = graph::truth_table();
  REQUIRE(rows.size() == 13);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(static_cast<std::size_t>(rows[i].signal) == i);
    CHECK_FALSE(rows[i].description.empty());
    const bool soft = i == 8 || i == 11;
    CHECK((rows[i].classification == graph::Classification::linkage) == soft);
    CHECK(rows[i].strength == (soft     ? graph::Strength::soft_linkage
                               : i == 1 ? graph::Strength::hard_configured
                                        : graph::Strength::hard_runtime));
  }
  CHECK(codec::enum_name(rows[12].signal) == "depends_on");
}

TEST_CASE("depends_on names processes and conditions", "[graph][DEP-10][DEP-42][CFG-21]") {
  const graph::Model model = model_of(R"({
    "a":{"enabled":true,"process_name":"A","command":["x"],
      "depends_on":["B, postgres",{"process_name":"C","condition":"completed_successfully"},
                    {"process_name":"B","condition":"healthy"},{"process_name":"D","condition":"later"},
                    "Nobody","A",{"condition":"healthy"},5]},
    "b":{"enabled":true,"process_name":"B","command":["x"]},
    "c":{"enabled":true,"process_name":"C","command":["x"]},
    "d":{"enabled":false,"process_name":"D","command":["x"]},
    "postgres":{"enabled":true,"process_name":"PG"}})");
  CHECK(edges_from(model, "A") == "B (depends_on), C (depends_on), D (depends_on), PG (depends_on)");
  const auto condition = [&](const char* name) {
    return model.edge(*model.find("A"), *model.find(name))->condition;
  };
  CHECK(condition("B") == Condition::healthy);
  CHECK(condition("C") == Condition::completed_successfully);
  CHECK(condition("PG") == Condition::started);
  const graph::Plan plan = plan_of(model);
  std::map<std::string, std::string> shown;
  for (const graph::PlanEdge& edge : plan.edges) {
    shown[edge.target] = graph::label_of(edge.signals, edge.condition);
    CHECK(codec::encode(edge).as_object().contains("condition") ==
          (edge.target == "B" || edge.target == "C"));
  }
  CHECK(shown["B"] == "depends_on: healthy");
  CHECK(shown["C"] == "depends_on: completed_successfully");
  CHECK(shown["PG"] == "depends_on");
  CHECK(graph::to_dot(plan).find("label=\"depends_on: healthy\"") != std::string::npos);
  CHECK(graph::to_mermaid(plan).find("|depends_on: healthy|") != std::string::npos);
  CHECK(graph::to_tree(plan, {.root = "A"}).find("B [depends_on: healthy]") != std::string::npos);
  CHECK(missing_of(model, "A") ==
        "depends_on  invalid error, depends_on A invalid error, depends_on D disabled error, depends_on D "
        "invalid "
        "error, depends_on Nobody missing error");
}

TEST_CASE("an rclone instance finds its zurg by refs, file, name or takes all", "[graph][DEP-17]") {
  const auto zurgs = [](const std::string& members) {
    return edges_from(model_of(R"({"zurg":{"instances":{
        "One":{"enabled":true,"process_name":"Z1","config_file":"/z/1","core_service":"plex_debrid"},
        "Two":{"enabled":true,"process_name":"Z2","config_file":"/z/2"},
        "Off":{"enabled":false,"process_name":"Z3","config_file":"/z/2"}}},
      "rclone":{"instances":{"Two":{"enabled":true,"process_name":"R","zurg_enabled":true)" +
                               members + "}}}}"),
                      "R");
  };
  CHECK(zurgs(R"(,"core_service":"plex_debrid")") == "Z1 (rclone_provider_zurg)");
  CHECK(zurgs(R"(,"zurg_config_file":"/z/1")") == "Z1 (rclone_provider_zurg)");
  CHECK(zurgs(R"(,"zurg_config_file":"/z/9")") == "Z2 (rclone_provider_zurg)");
  CHECK(zurgs("") == "Z2 (rclone_provider_zurg)");
  const graph::Model nzbdav = model_of(R"({"nzbdav":{"enabled":true,"process_name":"N"},
    "rclone":{"instances":{"A":{"enabled":true,"process_name":"R","core_service":"nzbdav","zurg_enabled":1}}}})");
  CHECK(edges_from(nzbdav, "R") == "N (conditional_startup_map core_service_fields)");
}

TEST_CASE("what starts after what depends on fields and refs", "[graph][DEP-19]") {
  const graph::Model model = model_of(R"({
    "plex":{"enabled":true,"process_name":"Plex"},"jellyfin":{"enabled":true,"process_name":"Jelly"},
    "emby":{"enabled":false,"process_name":"Emby"},"tautulli":{"enabled":true,"process_name":"Taut"},
    "seerr":{"instances":{"A":{"enabled":true,"process_name":"Seerr"},
                          "B":{"enabled":true,"process_name":"Narrow","core_service":"Plex, emby"}}},
    "sonarr":{"instances":{"A":{"enabled":true,"process_name":"S","use_huntarr":true},
                           "B":{"enabled":true,"process_name":"S off"}}},
    "radarr":{"instances":{"A":{"enabled":true,"process_name":"R"}}},
    "huntarr":{"instances":{"A":{"enabled":true,"process_name":"Hunt"}}},
    "bazarr":{"instances":{"A":{"enabled":true,"process_name":"Baz"}}}})");
  CHECK(edges_from(model, "Taut") == "Plex (conditional_startup_map)");
  CHECK(edges_from(model, "Seerr").find("Jelly (conditional_startup_map), Plex (conditional_startup_map)") ==
        0);
  CHECK(edges_from(model, "Narrow").find("Emby (core_service_fields), Plex (core_service_fields)") == 0);
  CHECK(edges_from(model, "Hunt") == "S (conditional_startup_map)");
  CHECK(edges_from(model, "Baz") ==
        "R (conditional_startup_map), S (conditional_startup_map), S off (conditional_startup_map)");
}

TEST_CASE("a process is asked for by name, folded name, key or alias", "[graph][DEP-21][API-16]") {
  const graph::Model model = model_of(R"({"plex":{"process_name":"Plex Media Server"},
    "sonarr":{"instances":{"A":{"process_name":"S1"},"B":{"process_name":"S2"}}}})");
  for (const char* asked : {"Plex Media Server", " plexmediaserver ", "plex", "PLEX"}) {
    REQUIRE(model.resolve(asked));
    CHECK(model.process(*model.resolve(asked)).name == "Plex Media Server");
  }
  CHECK(model.resolve("sonarr").error().is(Errc::not_found));
  CHECK(model.resolve("nobody").error().is(Errc::not_found));
  CHECK(model.resolve(" ").error().is(Errc::invalid_argument));
  CHECK(graph::parse_scope("").value() == graph::Scope::runtime);
  CHECK(graph::parse_scope(" ALL ").value() == graph::Scope::all);
  CHECK(graph::parse_scope("most").error().is(Errc::invalid_argument));
}

TEST_CASE("the state of a set of processes", "[graph][DEP-23]") {
  const graph::Model model = model_of(R"({"a":{"enabled":true,"process_name":"A","command":["x"]},
    "b":{"enabled":false,"process_name":"B","command":["x"]}})");
  const graph::Index a = *model.find("A");
  const graph::Index b = *model.find("B");
  CHECK(graph::state_of(model, {}, {}) == RowState::missing);
  CHECK(graph::state_of(model, {{"B", "running"}}, {a, b}) == RowState::running);
  CHECK(graph::state_of(model, {{"A", "idle"}}, {a, b}) == RowState::stopped);
  CHECK(graph::state_of(model, {{"A", "unknown"}}, {a}) == RowState::unknown);
  CHECK(graph::state_of(model, {{"B", "stopped"}}, {a, b}) == RowState::unknown);
  CHECK(graph::state_of(model, {{"B", "stopped"}}, {b}) == RowState::disabled);
}

TEST_CASE("a shown configuration holds no credentials and little else", "[graph][DEP-32]") {
  const json::object block =
      json::parse(R"({"enabled":true,"process_name":"P","api_key":"key-1","port":1,"ports":[2],
    "mount_dir":"/m","env":{"A":"b"},"command":["x"],"core_service":"plex","wait_for_url":["http://u:pw-1@h/a",
    {"url":"https://u:pw-2@h:1/b","auth":{"user":"u","password":"pw-3"},"probe_headers":{"X":"pw-4"},
    "timeout":3}]})")
          .as_object();
  CHECK(json::value(graph::shown_config(block)) ==
        json::parse(
            R"({"enabled":true,"process_name":"P","port":1,"ports":[2],"mount_dir":"/m","core_service":"plex",
    "wait_for_url":["http://h/a",{"url":"https://h:1/b","timeout":3}]})"));
  CHECK(graph::without_user_info("u:pw@host:1/x") == "host:1/x");
}

TEST_CASE("the answer has every field in order", "[graph][DEP-22][DEP-34][DEP-43]") {
  const graph::Model model = model_of(test::example("W2").config);
  const auto members = [](const json::value& value) {
    Names names;
    for (const auto& [name, member] : value.as_object()) names.emplace_back(name);
    return names;
  };
  const auto answer = answer_of(model, "Riven Backend");
  CHECK(members(codec::encode(answer)) == Names{"process_name",
                                                "config_key",
                                                "scope",
                                                "context",
                                                "startup_order",
                                                "dependency_rows",
                                                "dependent_rows",
                                                "linked_outgoing_rows",
                                                "linked_incoming_rows",
                                                "nodes",
                                                "edges",
                                                "parallel_groups",
                                                "startup_stages",
                                                "updated_at",
                                                "dependency_truth_table",
                                                "core_services",
                                                "processes",
                                                "statuses",
                                                "edge_direction",
                                                "cycles",
                                                "missing"});
  CHECK(answer.updated_at == "2026-02-11T12:00:00Z");
  CHECK(answer.edge_direction == "depends_on");
  CHECK(answer.statuses.size() == 5);
  const auto small = graph::process_graph(model, *model.find("Riven Backend"), graph::Scope::runtime);
  CHECK(small.edges == answer.edges);
  CHECK(small.parallel_groups.size() == 3);
  CHECK(members(codec::encode(plan_of(model))) ==
        Names{"ok", "generation", "updated_at", "node_count", "edge_count", "groups", "order", "edges",
              "shutdown_groups", "shutdown_order", "cycles", "missing", "duplicates", "edge_direction"});
}

TEST_CASE("a plan is of the enabled processes, or of what one needs", "[graph][DEP-36][DEP-37]") {
  const graph::Model model = model_of(R"({
    "dumb":{"api_service":{"process_name":"DUMB API","enabled":true,"port":8000}},
    "a":{"enabled":true,"process_name":"A","command":["x"],"wait_for_url":"http://localhost:8000/","depends_on":["B"]},
    "b":{"enabled":true,"process_name":"B","command":["x"],"depends_on":["Off"]},
    "c":{"enabled":true,"process_name":"C","command":["x"]},
    "off":{"enabled":false,"process_name":"Off","command":["x"],"depends_on":["C"]}})");
  CHECK(plan_of(model).order == Names{"B", "C", "A"});
  CHECK(plan_of(model, {.process_name = {}, .include_disabled = true}).order == Names{"C", "Off", "B", "A"});
  CHECK(plan_of(model, {.process_name = "A"}).order == Names{"B", "A"});
  CHECK(plan_of(model, {.process_name = "Off"}).order == Names{"C", "Off"});
  CHECK(plan_of(model, {.process_name = "DUMB API"}).order.empty());
  CHECK(missing_of(model, "A").empty());
  CHECK(graph::plan(model, {.process_name = "X"}, WallTime{}).error().is(Errc::not_found));
}

TEST_CASE("a chain of a hundred thousand needs no stack", "[graph][DEP-47]") {
  constexpr int length = 100'000;
  json::object document;
  document.reserve(length);
  for (int i = 0; i < length; ++i) {
    json::object block;
    block["enabled"] = true;
    block["process_name"] = "P" + std::to_string(1'000'000 + i);
    if (i > 0) block["depends_on"] = json::array{json::value("P" + std::to_string(1'000'000 + i - 1))};
    document["k" + std::to_string(i)] = std::move(block);
  }
  const graph::Model model(config::Snapshot(std::move(document), {}, 1), catalog::Catalog::embedded());
  const graph::Plan plan = plan_of(model);
  CHECK(plan.groups.size() == length);
  CHECK(plan.edge_count == length - 1);
  const std::string last = "P" + std::to_string(1'000'000 + length - 1);
  const graph::Ordering ordering = graph::order_of(model);
  const auto answer =
      graph::answer(model, ordering, {}, *model.find(last), graph::Scope::runtime, WallTime{});
  CHECK(answer.startup_stages.size() == length);
  CHECK(
      graph::blocking_chain(model, graph::order_of(model), {{last, {.state = "waiting"}}}, *model.find(last))
          .size() == 1);
  CHECK(text::split(graph::to_tree(plan, {.root = last}), '\n').size() == 66);
}

TEST_CASE("DOT and Mermaid of a plan are the golden ones", "[graph][DEP-49][DEP-50]") {
  const graph::Plan plan = plan_of(model_of(test::example("W5").config));
  const std::string spec = test::read_text(std::string(DUMB_SOURCE_DIR) + "/docs/spec/dependency-graph.md");
  const auto block = [&](const std::string& kind) {
    const std::size_t begin = spec.find("```" + kind + "\n") + kind.size() + 4;
    return spec.substr(begin, spec.find("```", begin) - begin);
  };
  CHECK(graph::to_dot(plan) == block("dot"));
  CHECK(graph::to_mermaid(plan) == block("mermaid"));
  const graph::Plan cyclic = plan_of(model_of(test::example("W10").config));
  CHECK(graph::to_dot(cyclic).find("n0 -> n1 [label=\"wait_for_url\",style=solid,color=red];") !=
        std::string::npos);
  const graph::Plan relaxed = plan_of(model_of(test::example("W11").config));
  CHECK(graph::to_dot(relaxed).find("[label=\"core_service_fields\",style=dashed,color=gray];") !=
        std::string::npos);
  CHECK(graph::to_mermaid(relaxed).find("n0 -.->|core_service_fields| n1") != std::string::npos);
  const graph::Plan hostile =
      plan_of(model_of(R"({"a":{"enabled":true,"process_name":"A \"x\" <b> #1\n&","command":["x"]}})"));
  CHECK(graph::to_mermaid(hostile).find("n0[\"A #quot;x#quot; #lt;b#gt; #35;1 #amp;\"]") !=
        std::string::npos);
  CHECK(graph::to_dot(hostile).find("n0 [label=\"A \\\"x\\\" <b> #1\\n&\"];") != std::string::npos);
}

TEST_CASE("a tree shows what needs what, once", "[graph][DEP-36]") {
  const graph::Plan plan = plan_of(model_of(test::example("W2").config));
  CHECK(graph::to_tree(plan, {.notes = {{"PostgreSQL", "running"}}}) ==
        "Riven Frontend\n"
        "└── Riven Backend [non_core_dependency_map]\n"
        "    ├── PostgreSQL (running) [core_service_map]\n"
        "    ├── Rclone w/ Riven [core_service_fields, core_service_map, wait_for_dir]\n"
        "    │   └── Zurg w/ Riven [rclone_provider_zurg]\n"
        "    └── Zurg w/ Riven [core_service_fields, core_service_map]\n");
  CHECK(graph::to_tree(plan_of(model_of(test::example("W10").config)), {.ascii = true}) ==
        "Delta\n"
        "`-- Alpha [wait_for_url]\n"
        "    `-- Bravo [wait_for_url]\n"
        "        `-- Charlie [wait_for_mounts]\n"
        "            `-- Alpha [wait_for_url] (cycle)\n"
        "Echo\n");
  CHECK(graph::to_tree(plan, {.root = "Zurg w/ Riven"}) == "Zurg w/ Riven\n");
  CHECK(graph::to_tree(plan, {.root = "Nobody"}).empty());
}
