#include <boost/json.hpp>

#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;

TEST_CASE("what running processes use is told, measured once for all who ask", "[server][LIF-171][LIF-172]") {
  json::object services;
  services["busy"] = child_block("Busy", {"--daemon", "--allocate", "32", "--burn", "60000"});
  services["off"] = child_block("Off", {});
  Stack stack(services);
  REQUIRE(stack.operate("start-service", "Busy").status == 200);
  const auto usage = [&] {
    const Answer answer = stack.get("/process/usage");
    REQUIRE(answer.status == 200);
    return json::parse(answer.body);
  };
  json::value first;
  REQUIRE(test::eventually([&] {
    first = usage();
    const auto& listed = first.at("services").as_array();
    return listed.size() == 1 && listed[0].at("memory_bytes").to_number<double>() >= 32 << 20;
  }));
  const json::object& busy = first.at("services").at(0).as_object();
  CHECK(busy.at("process_name") == "Busy");
  CHECK(busy.at("processes") == 2);
  CHECK(busy.at("restarts") == 0);
  CHECK(busy.at("cpu_percent").to_number<double>() > 0);
  CHECK(busy.at("cpu_seconds").to_number<double>() > 0);
  CHECK(busy.at("uptime_seconds").to_number<double>() > 0);
  CHECK(first.at("totals").at("processes") == 2);
  CHECK(first.at("totals").at("memory_bytes") == busy.at("memory_bytes"));
  CHECK(first.at("interval_seconds").to_number<double>() > 0);
  // A measurement stands for two seconds; then there is a new one.
  json::value next;
  REQUIRE(test::eventually([&] { return (next = usage()).at("sampled_at") != first.at("sampled_at"); }));
  CHECK(next.at("sampled_at").to_number<double>() - first.at("sampled_at").to_number<double>() >= 1.9);
  CHECK(next.at("interval_seconds").to_number<double>() >= 1.9);
  REQUIRE(stack.operate("stop-service", "Busy").status == 200);
}
