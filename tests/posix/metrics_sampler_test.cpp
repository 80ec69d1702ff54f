#include <dumb/metrics/sampler.hpp>

#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>
#include <chrono>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::metrics;
namespace asio = boost::asio;

namespace {

Look own_look(const test::TempDir& dir) {
  Look look;
  Managed own;
  own.name = "Own";
  own.pid = ::getpid();
  own.paths = {{"/shown", dir.path()}, {"/", "/"}, {"/missing", dir / "missing"}};
  own.ports = {1, 2};
  look.managed.push_back(own);
  Managed gone;
  gone.name = "Gone";
  gone.pid = 0x3fffff;
  look.managed.push_back(gone);
  return look;
}

}  // namespace

TEST_CASE("a look at the machine finds its figures and this process", "[metrics][UI-110][UI-111]") {
  const test::TempDir dir;
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket client(context);
  client.connect(acceptor.local_endpoint());
  Sampler sampler;
  const Snapshot first = sampler.take(own_look(dir)).snapshot;
  CHECK_FALSE(first.dumb_managed.at(0).cpu_percent);
  volatile std::uint64_t spent = 0;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);
       std::chrono::steady_clock::now() < end;)
    spent = spent + 1;
  const Sample second = sampler.take(own_look(dir));
  const System& system = second.snapshot.system;
  CHECK((system.scope == "host" || system.scope == "cgroup"));
  CHECK(system.cpu_count > 0);
  CHECK(system.mem.total > system.mem.used);
  CHECK(system.mem.used > 0);
  CHECK(system.disk.path == "/");
  CHECK(system.disk.percent > 0);
  CHECK(system.boot_time > 1.5e9);
  CHECK(system.container_start_time >= system.boot_time);
  CHECK(second.snapshot.timestamp > first.timestamp);

  const ProcessUsage& own = second.snapshot.dumb_managed.at(0);
  CHECK(own.name == "Own");
  CHECK(own.pid == ::getpid());
  CHECK(own.cpu_percent.value_or(0) > 0);
  CHECK(own.rss.value_or(0) > 1 << 20);
  CHECK(own.vms.value_or(0) >= own.rss.value_or(0));
  CHECK(own.threads.value_or(0) >= 1);
  CHECK(own.start_time.value_or(0) >= system.boot_time);
  CHECK(own.ports_config == std::vector<std::int64_t>{1, 2});
  const std::int64_t port = acceptor.local_endpoint().port();
  CHECK(std::count(own.ports.begin(), own.ports.end(), port) == 1);
  const bool connected =
      std::any_of(own.net_connections.begin(), own.net_connections.end(), [&](const auto& one) {
        return one.raddr == json::array{"127.0.0.1", port} && one.status == "ESTABLISHED";
      });
  CHECK(connected);
  CHECK_FALSE(own.container_id);

  const ProcessUsage& gone = second.snapshot.dumb_managed.at(1);
  CHECK(gone.name == "Gone");
  CHECK_FALSE(gone.rss);
}

TEST_CASE("file systems are asked here only when nobody can be kept waiting", "[metrics][UI-112][UI-114]") {
  const test::TempDir dir;
  Sampler sampler;
  Look look = own_look(dir);
  const Sample unknown = sampler.take(look);
  REQUIRE(unknown.snapshot.dumb_managed.at(0).disk_paths);
  const PathUsages& paths = *unknown.snapshot.dumb_managed.at(0).disk_paths;
  REQUIRE(paths.paths.size() == 3);
  CHECK(paths.paths[0].path == "/shown");
  REQUIRE(paths.paths[0].usage);
  CHECK(paths.paths[0].usage->total > 0);
  CHECK(paths.paths[2].exists);  // nobody has said otherwise yet
  CHECK_FALSE(paths.paths[2].usage);
  CHECK(std::count(unknown.unasked.begin(), unknown.unasked.end(), (dir / "missing").native()) == 1);
  PathAnswer missing;
  missing.exists = false;
  look.known[(dir / "missing").native()] = missing;
  const Sample known = sampler.take(look);
  CHECK_FALSE(known.snapshot.dumb_managed.at(0).disk_paths->paths[2].exists);
  // Two paths on one file system count once.
  const Managed::Path same{"/again", dir.path()};
  Look twice;
  Managed own;
  own.pid = ::getpid();
  own.paths = {{"/shown", dir.path()}, same};
  twice.managed.push_back(own);
  const PathUsages both = *sampler.take(twice).snapshot.dumb_managed.at(0).disk_paths;
  REQUIRE(both.paths[0].usage);
  CHECK(both.used_total <= both.paths[0].usage->used + both.paths[1].usage->used / 2);
}

TEST_CASE("other processes are shown, the busiest first, and at most twenty", "[metrics][UI-110]") {
  Sampler sampler;
  Look look;
  sampler.take(look);
  const Snapshot seen = sampler.take(look).snapshot;
  CHECK(seen.external.size() <= 20);
  REQUIRE_FALSE(seen.external.empty());
  CHECK(std::is_sorted(seen.external.begin(), seen.external.end(), [](const auto& a, const auto& b) {
    return a.cpu_percent.value_or(0) > b.cpu_percent.value_or(0);
  }));
  Look own;
  own.managed.push_back({"Own", ::getpid(), {}, {}});
  const Snapshot other = sampler.take(own).snapshot;
  CHECK(std::none_of(other.external.begin(), other.external.end(),
                     [](const auto& one) { return one.pid == ::getpid(); }));
}
