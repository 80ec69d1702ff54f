#include <unistd.h>

#include <boost/json.hpp>
#include <ctime>

#include "golden.hpp"
#include "socket_client.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

json::object services() {
  json::object all;
  all["echo"] = child_block("Echo", {});
  return all;
}

json::value body_of(const Answer& answer) {
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return parsed(answer.body);
}

/// Two snapshots of the last minutes, on disk.
void write_history(const Stack& stack, double since) {
  std::string lines;
  for (int i = 0; i < 2; ++i) {
    lines += R"({"timestamp":)" + std::to_string(since + 100 * i) + R"(,"system":{"cpu_percent":)" +
             std::to_string(10 * (i + 1)) +
             R"(,"cpu_count":2,"mem":{"percent":5.0},"disk":{"percent":6.0},)" +
             R"("disk_io":{"read_bytes":)" + std::to_string(1000 * i) + R"(,"write_bytes":0},)" +
             R"("net_io":{"sent_bytes":0,"recv_bytes":0}},"dumb_managed":[],"external":[]})" + "\n";
  }
  write_text(stack.root() / "config/metrics/metrics-20260101-000.jsonl", lines);
}

}  // namespace

TEST_CASE("metrics show the machine and the running services", "[server][UI-43][UI-110][UI-111]") {
  Stack stack(services());
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  const json::value metrics = body_of(stack.get("/metrics"));
  CHECK(metrics.at("system").at("cpu_count").to_number<double>() > 0);
  CHECK(metrics.at("system").at("mem").at("total").as_int64() > 0);
  const json::array& managed = metrics.at("dumb_managed").as_array();
  REQUIRE(managed.size() == 2);  // the API itself comes first in the document
  CHECK(managed[0].at("pid").as_int64() == ::getpid());
  const json::value& echo = managed[1];
  CHECK(echo.at("name") == "Echo");
  CHECK(echo.at("rss").as_int64() > 0);
  CHECK(echo.at("disk_paths").at("paths").as_array().size() >= 1);
  CHECK(metrics.at("external").as_array().size() <= 20);
  // Who asks within a second gets the same.
  CHECK(eventually([&] {
    const json::value once = body_of(stack.get("/metrics"));
    return body_of(stack.get("/metrics")).at("timestamp") == once.at("timestamp");
  }));
}

TEST_CASE("history is answered whole and as series", "[server][UI-119][UI-120][UI-121][UI-122]") {
  Stack stack({});
  CHECK(body_of(stack.get("/metrics/history")) == parsed(R"({"items":[],"truncated":false})"));
  const json::value none = body_of(stack.get("/metrics/history_series"));
  CHECK(none.at("stats").is_null());
  const double since = static_cast<double>(std::time(nullptr)) - 160;
  write_history(stack, since);
  const json::value whole = body_of(stack.get("/metrics/history"));
  REQUIRE(whole.at("items").as_array().size() == 2);
  CHECK(whole.at("items").at(0).at("timestamp").to_number<double>() == Approx(since));
  const json::value series = body_of(stack.get("/metrics/history_series?full=true&max_points=0"));
  CHECK(series.at("series").at("cpu") == parsed("[10.0,20.0]"));
  CHECK(series.at("series").at("disk_read_rate") == parsed("[null,10.0]"));
  CHECK(body_of(stack.get("/metrics/history?limit=1")).at("truncated") == true);
  CHECK(stack.get("/metrics/history?since=soon").status == 422);
  CHECK(stack.get("/metrics/history_series?max_points=x").status == 422);
}

TEST_CASE("the metrics channel begins with the history it is asked for and goes on with snapshots",
          "[server][UI-90][UI-98][UI-99][UI-100]") {
  Stack stack({});
  write_history(stack, static_cast<double>(std::time(nullptr)) - 160);
  SocketClient charts(stack.port(),
                      "/ws/metrics?interval=0.5&bootstrap=true&history_points=600&history_bucket=5");
  REQUIRE(charts.status() == 101);
  const auto first = charts.receive();
  REQUIRE(first);
  const json::value bootstrap = parsed(*first);
  CHECK(bootstrap.at("type") == "bootstrap");
  CHECK(bootstrap.at("snapshot").at("system").is_object());
  CHECK(bootstrap.at("items").as_array().size() == 2);
  CHECK(bootstrap.at("timestamps").as_array().size() == 2);
  CHECK(bootstrap.at("bucket_seconds").as_int64() == 36);
  double last = 0;
  for (int i = 0; i < 3; ++i) {
    const auto next = charts.receive();
    REQUIRE(next);
    const json::value message = parsed(*next);
    REQUIRE(message.at("type") == "snapshot");
    const double at = message.at("data").at("timestamp").to_number<double>();
    CHECK(at > last);
    last = at;
  }
  SocketClient whole(stack.port(), "/ws/metrics?history=1&history_limit=1");
  const json::value history = parsed(whole.receive().value());
  CHECK(history.at("type") == "history");
  CHECK(history.at("items").as_array().size() == 1);
  CHECK(history.at("truncated") == true);
  SocketClient plain(stack.port(), "/ws/metrics");
  CHECK(parsed(plain.receive().value()).at("type") == "snapshot");
}

TEST_CASE("the history is written while it is enabled", "[server][UI-116]") {
  json::object document;
  json::object& dumb = document["dumb"].emplace_object();
  dumb["frontend"].emplace_object()["enabled"] = false;
  dumb["metrics"].emplace_object()["history_interval_sec"] = 0.5;
  Stack stack(document);
  stack.loop().await([&] { return stack.engine().boot(); });
  CHECK(eventually(
      [&] { return body_of(stack.get("/metrics/history?full=true")).at("items").as_array().size() >= 2; }));
}
