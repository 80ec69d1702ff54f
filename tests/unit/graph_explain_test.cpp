#include <dumb/graph/explain.hpp>

#include "support/catch.hpp"
#include "support/graph_bench.hpp"
#include "support/support.hpp"

using namespace dumb;
using test::model_of;

TEST_CASE("a reason names the chain to the root cause", "[graph][DEP-45][LIF-45]") {
  const graph::Model model = model_of(R"({
    "zurg":{"instances":{"R":{"enabled":true,"core_service":"riven","process_name":"Zurg w/ Riven","port":9090}}},
    "rclone":{"instances":{"R":{"enabled":true,"core_service":"riven","process_name":"Rclone w/ Riven",
      "zurg_enabled":true,"mount_dir":"/mnt/debrid","mount_name":"riven",
      "wait_for_url":[{"url":"http://u:pw@localhost:9090/dav/"}]}}},
    "plex":{"enabled":true,"process_name":"Plex","wait_for_mounts":["/mnt/debrid/riven"]},
    "after":{"enabled":true,"process_name":"After","command":["x"],
      "depends_on":[{"process_name":"Plex","condition":"healthy"},{"process_name":"Job","condition":"completed_successfully"}]},
    "job":{"enabled":true,"process_name":"Job","command":["x"]},
    "ring1":{"enabled":true,"process_name":"Ring 1","command":["x"],"depends_on":["Ring 2"]},
    "ring2":{"enabled":true,"process_name":"Ring 2","command":["x"],"depends_on":["Ring 1"]}})");
  const auto why = [&](const char* name, const graph::ProcessStates& states) {
    return graph::why_waiting(model, graph::order_of(model), states, *model.find(name));
  };
  graph::ProcessStates states{{"Plex", {.state = "waiting"}}, {"Rclone w/ Riven", {"failed", "exit code 1"}}};
  CHECK(why("Plex", states) ==
        "waits for mount /mnt/debrid/riven, provided by Rclone w/ Riven, which failed: exit code 1");
  states["Rclone w/ Riven"] = {.state = "waiting"};
  states["Zurg w/ Riven"] = {"backoff", "signal 11"};
  CHECK(why("Plex", states) ==
        "waits for mount /mnt/debrid/riven, provided by Rclone w/ Riven, which waits for "
        "http://localhost:9090/dav/, served by Zurg w/ Riven, which failed and is about to be restarted: "
        "signal 11");
  states["Zurg w/ Riven"] = states["Rclone w/ Riven"] = {.state = "running"};
  CHECK(why("Plex", states).empty());
  states["Plex"] = {.state = "running"};
  states["Job"] = {.state = "running"};
  CHECK(why("After", states) == "waits for Job, which has not ended yet");
  states["Job"] = {.state = "stopped", .completed = true};
  CHECK(why("After", states) == "waits for Plex, which is running but not healthy yet");
  states["Plex"].settled = false;
  CHECK(why("After", states) == "waits for Plex, which is running but not ready yet");
  states["Plex"].settled = true;
  states["Plex"].reason = "no answer on 127.0.0.1:32400";
  CHECK(why("After", states) ==
        "waits for Plex, which is running but not healthy yet: no answer on 127.0.0.1:32400");
  states["Plex"].healthy = true;
  CHECK(why("After", states).empty());
  std::string line;
  graph::ProcessStates waiting;
  for (int i = 10; i < 50; ++i) {
    const std::string name = "L" + std::to_string(i);
    line += ",\"" + name + R"(":{"enabled":true,"process_name":")" + name + R"(","depends_on":["L)" +
            std::to_string(i + 1) + "\"]}";
    waiting[name] = {.state = "waiting"};
  }
  const graph::Model deep = model_of("{" + line.substr(1) + "}");
  CHECK(graph::blocking_chain(deep, graph::order_of(deep), waiting, *deep.find("L10")).size() == 16);
  CHECK(why("Ring 1", {{"Ring 1", {.state = "waiting"}}, {"Ring 2", {.state = "waiting"}}}) ==
        "waits for Ring 2, which is waiting");
}

TEST_CASE("what is left out to break a cycle is no reason to wait while there is another one",
          "[graph][DEP-40][DEP-45]") {
  const graph::Model model = model_of(R"({
    "sonarr":{"instances":{"s":{"enabled":true,"process_name":"Sonarr","port":8989,"core_service":"decypharr",
      "depends_on":["Job"]}}},
    "decypharr":{"enabled":true,"process_name":"Decypharr","port":8282,"mount_type":"dfs","mount_path":"/mnt/dfs",
      "wait_for_url":[{"url":"http://127.0.0.1:8989/ping"}]},
    "job":{"enabled":true,"process_name":"Job","command":["x"]}})");
  const graph::ProcessStates states{{"Decypharr", {"failed", "exit code 1"}}, {"Job", {.state = "starting"}}};
  const graph::Ordering ordering = graph::order_of(model);
  REQUIRE(ordering.relaxed(*model.edge(*model.find("Sonarr"), *model.find("Decypharr"))));
  CHECK(graph::why_waiting(model, ordering, states, *model.find("Sonarr")) ==
        "waits for Job, which is starting");
}
