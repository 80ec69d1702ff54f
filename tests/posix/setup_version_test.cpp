#include <dumb/setup/version.hpp>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
namespace asio = boost::asio;
using Found = std::optional<std::string>;

namespace {

struct Fixture {
  test::TempDir root;
  test::FakeClock clock;
  asio::io_context context;
  asio::thread_pool workers{2};
  json::object document = catalog::Catalog::embedded().default_document();
  std::unique_ptr<setup::VersionCache> cache;

  explicit Fixture(config::Environment environment = {{"PATH", "/usr/bin:/bin"}}) {
    setup::VersionOptions options;
    options.catalog = &catalog::Catalog::embedded();
    options.root = Root(root.path());
    environment["PATH"] = (root / "bin").native() + ":" + environment["PATH"];
    options.environment = std::move(environment);
    options.build_version = "0.1.0";
    options.workers = &workers;
    options.clock = &clock;
    cache = std::make_unique<setup::VersionCache>(context.get_executor(), std::move(options));
  }
  ~Fixture() {
    cache.reset();
    context.restart();
    context.run();
    workers.join();
  }

  setup::VersionQuery query(const std::string& key, const std::string& instance = {}) {
    setup::VersionQuery query;
    query.config = std::make_shared<const config::Snapshot>(document, document, 1);
    query.block.config_key = key;
    query.block.instance = instance;
    return query;
  }
  /// Runs the queries at the same time, until all have ended.
  std::vector<Found> all(const std::vector<setup::VersionQuery>& queries) {
    std::vector<std::future<Found>> futures;
    for (const auto& one : queries)
      futures.push_back(asio::co_spawn(context, cache->get(one), asio::use_future));
    context.restart();
    context.run();
    std::vector<Found> found;
    for (auto& future : futures) found.push_back(future.get());
    return found;
  }
  Found get(const std::string& key, const std::string& instance = {}) {
    return all({query(key, instance)}).front();
  }

  void write(std::string_view path, std::string_view text) {
    test::write_text(root.path() / path.substr(1), text);
  }
  /// A program that notes each run in `<path>.runs`.
  void program(std::string_view path, const std::string& body) {
    const auto file = root.path() / path.substr(1);
    test::write_text(file, "#!/bin/sh\necho run >>'" + file.native() + ".runs'\n" + body + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  std::size_t runs(std::string_view path) {
    const auto file = root.path() / (std::string(path.substr(1)) + ".runs");
    return std::filesystem::exists(file) ? static_cast<std::size_t>(std::filesystem::file_size(file)) / 4 : 0;
  }
};

}  // namespace

TEST_CASE("a version file beneath the root is read, and again when it changes", "[setup][API-90][API-101]") {
  Fixture fixture;
  CHECK(fixture.get("decypharr") == Found());
  fixture.write("/decypharr/version.txt", "v1.0.0\n");
  CHECK(fixture.get("decypharr") == Found("v1.0.0"));
  const auto file = fixture.root / "decypharr/version.txt";
  const auto changed = std::filesystem::last_write_time(file);
  // Same path, size and time: what was read stays.
  fixture.write("/decypharr/version.txt", "v9.9.9\n");
  std::filesystem::last_write_time(file, changed);
  CHECK(fixture.get("decypharr") == Found("v1.0.0"));
  std::filesystem::last_write_time(file, changed + std::chrono::seconds(1));
  CHECK(fixture.get("decypharr") == Found("v9.9.9"));
  std::filesystem::remove(file);
  CHECK(fixture.get("decypharr") == Found());
}

TEST_CASE("a forgotten file is read again though it looks the same", "[setup][API-101]") {
  Fixture fixture;
  fixture.write("/nzbdav/version.txt", "1.0.0");
  CHECK(fixture.get("nzbdav") == Found("1.0.0"));
  const auto file = fixture.root / "nzbdav/version.txt";
  const auto changed = std::filesystem::last_write_time(file);
  fixture.write("/nzbdav/version.txt", "2.0.0");
  std::filesystem::last_write_time(file, changed);
  fixture.cache->forget("zilean");
  CHECK(fixture.get("nzbdav") == Found("1.0.0"));
  fixture.cache->forget("nzbdav");
  CHECK(fixture.get("nzbdav") == Found("2.0.0"));
}

TEST_CASE("pgAdmin's version file is found below any Python", "[setup][API-98d]") {
  Fixture fixture;
  fixture.write("/pgadmin/venv/lib/python3.12/site-packages/pgadmin4/version.py",
                "APP_RELEASE = 9\nAPP_REVISION = 2\nAPP_SUFFIX = ''\n");
  CHECK(fixture.get("pgadmin") == Found("9.2"));
}

TEST_CASE("an Arr application is read where it runs from", "[setup][API-98e][API-99]") {
  Fixture fixture;
  fixture.write("/opt/sonarr/Sonarr/Sonarr.Core.dll", "MZ Sonarr.Common, Version=4.0.1.0");
  CHECK(fixture.get("sonarr", "Default") == Found("4.0.1.0"));
  auto& block = fixture.document["sonarr"].as_object()["instances"].as_object()["Default"].as_object();
  block["release_version_enabled"] = true;
  CHECK(fixture.get("sonarr", "Default") == Found("4.0.1.0"));
  fixture.write("/opt/sonarr/instances/default/Sonarr/Sonarr.Core.dll", "MZ Sonarr.Common, Version=4.0.2.0");
  CHECK(fixture.get("sonarr", "Default") == Found("4.0.2.0"));
}

TEST_CASE("a command is run once for all who ask and again after a minute",
          "[setup][API-96][API-97][API-101]") {
  Fixture fixture;
  fixture.program("/bin/rclone", "echo 'rclone v1.65.1'");
  auto& instances = fixture.document["rclone"].as_object()["instances"].as_object();
  instances["Second"] = instances.at("RealDebrid");
  const auto found = fixture.all({fixture.query("rclone", "RealDebrid"), fixture.query("rclone", "Second"),
                                  fixture.query("rclone", "RealDebrid")});
  CHECK(found == std::vector<Found>(3, Found("1.65.1")));
  CHECK(fixture.runs("/bin/rclone") == 1);

  fixture.clock.advance(std::chrono::seconds(59));
  CHECK(fixture.get("rclone", "Second") == Found("1.65.1"));
  CHECK(fixture.runs("/bin/rclone") == 1);

  // The call that finds the value too old does not wait for the new one.
  fixture.program("/bin/rclone", "echo 'rclone v1.66.0'");
  fixture.clock.advance(std::chrono::seconds(1));
  CHECK(fixture.get("rclone", "Second") == Found("1.65.1"));
  CHECK(fixture.runs("/bin/rclone") == 2);
  CHECK(fixture.get("rclone", "RealDebrid") == Found("1.66.0"));
  CHECK(fixture.runs("/bin/rclone") == 2);
}

TEST_CASE("different sources are asked at the same time", "[setup][API-101]") {
  Fixture fixture;
  // Each program ends only when the other one has been started.
  const std::string zurg = (fixture.root / "zurg/RD/zurg.runs").native();
  const std::string rclone = (fixture.root / "bin/rclone.runs").native();
  fixture.program("/zurg/RD/zurg", "until [ -s '" + rclone + "' ]; do :; done; echo 'Version: v0.9.3'");
  fixture.program("/bin/rclone", "until [ -s '" + zurg + "' ]; do :; done; echo 'rclone v1.65.1'");
  fixture.write("/decypharr/version.txt", "v1.0.0");
  auto future = asio::co_spawn(
      fixture.context,
      fixture.cache->get_all({fixture.query("zurg", "RealDebrid"), fixture.query("custom"),
                              fixture.query("rclone", "RealDebrid"), fixture.query("decypharr")}),
      asio::use_future);
  fixture.context.run();
  CHECK(future.get() == std::vector<Found>{Found("v0.9.3"), Found(), Found("1.65.1"), Found("v1.0.0")});
}

TEST_CASE("a restarted service is asked anew", "[setup][API-101]") {
  Fixture fixture;
  fixture.program("/zurg/RD/zurg", "[ \"$1\" = version ] && echo 'Version: v0.9.3'");
  CHECK(fixture.get("zurg", "RealDebrid") == Found("v0.9.3"));
  fixture.program("/zurg/RD/zurg", "echo 'Version: v0.9.4'");
  CHECK(fixture.get("zurg", "RealDebrid") == Found("v0.9.3"));
  fixture.cache->forget("zurg", "Other");
  CHECK(fixture.get("zurg", "RealDebrid") == Found("v0.9.3"));
  fixture.cache->forget("zurg", "RealDebrid");
  CHECK(fixture.get("zurg", "RealDebrid") == Found("v0.9.4"));
}

TEST_CASE("what is forgotten while it is fetched is fetched once more", "[setup][API-101]") {
  Fixture fixture;
  fixture.program("/bin/rclone", "echo 'rclone v1.65.1'");
  auto future = asio::co_spawn(fixture.context, fixture.cache->get(fixture.query("rclone", "RealDebrid")),
                               asio::use_future);
  REQUIRE(test::eventually([&] {
    fixture.context.restart();
    fixture.context.poll_one();
    return fixture.runs("/bin/rclone") == 1;
  }));
  fixture.cache->forget("rclone");
  fixture.context.restart();
  fixture.context.run();
  CHECK(future.get() == Found("1.65.1"));
  CHECK(fixture.runs("/bin/rclone") == 2);
}

TEST_CASE("a command that fails, is missing or is silent tells no version", "[setup][API-87][API-100]") {
  Fixture fixture;
  CHECK(fixture.get("zurg", "RealDebrid") == Found());
  fixture.cache->forget("zurg");
  fixture.program("/zurg/RD/zurg", "echo 'Version: v0.9.3'; exit 3");
  CHECK(fixture.get("zurg", "RealDebrid") == Found());
  fixture.cache->forget("zurg");
  fixture.program("/zurg/RD/zurg", "exit 0");
  CHECK(fixture.get("zurg", "RealDebrid") == Found());
  CHECK(fixture.runs("/zurg/RD/zurg") == 2);
  // A failure is remembered like a version.
  CHECK(fixture.get("zurg", "RealDebrid") == Found());
  CHECK(fixture.runs("/zurg/RD/zurg") == 2);
}

TEST_CASE("commands have no input and no shell, and their output is capped", "[setup][API-100]") {
  Fixture fixture;
  fixture.program("/zurg/a b;$(touch x)/zurg",
                  "read line && exit 9\nyes 'a long line of noise' | head -c 300000\necho 'Version: v1'");
  auto& block = fixture.document["zurg"].as_object()["instances"].as_object()["RealDebrid"].as_object();
  block["config_dir"] = "/zurg/a b;$(touch x)";
  CHECK(fixture.get("zurg", "RealDebrid") == Found("v1"));
}

TEST_CASE("a command that does not end is killed", "[setup][API-87][API-100]") {
  Fixture fixture;
  fixture.program("/zurg/RD/zurg", "echo 'Version: v1'\nexec sleep 1000");
  const auto before = std::chrono::steady_clock::now();
  CHECK(fixture.get("zurg", "RealDebrid") == Found());
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(60));
}

TEST_CASE("destroying the cache ends what is under way", "[setup][API-100]") {
  Fixture fixture;
  fixture.program("/zurg/RD/zurg", "exec sleep 1000");
  auto future = asio::co_spawn(fixture.context, fixture.cache->get(fixture.query("zurg", "RealDebrid")),
                               asio::use_future);
  REQUIRE(test::eventually([&] {
    fixture.context.restart();
    fixture.context.poll_one();
    return fixture.runs("/zurg/RD/zurg") == 1;
  }));
  const auto before = std::chrono::steady_clock::now();
  fixture.cache.reset();
  fixture.context.restart();
  fixture.context.run();
  CHECK(future.get() == Found());
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(4));
}

TEST_CASE("without a package jellyfin is asked over HTTP", "[setup][API-98c]") {
  Fixture fixture;
  asio::ip::tcp::acceptor acceptor(fixture.context, {asio::ip::address_v4::loopback(), 0});
  fixture.document["jellyfin"].as_object()["port"] = acceptor.local_endpoint().port();
  fixture.program("/bin/dpkg-query", "exit 1");
  const auto serve = [&](asio::ip::tcp::acceptor& from) -> asio::awaitable<void> {
    auto socket = co_await from.async_accept(asio::use_awaitable);
    std::array<char, 4096> request{};
    co_await socket.async_read_some(asio::buffer(request), asio::use_awaitable);
    const std::string body = R"({"Version": "10.10.3"})";
    const std::string reply =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
  };
  auto served = asio::co_spawn(fixture.context, serve(acceptor), asio::use_future);
  CHECK(fixture.get("jellyfin") == Found("10.10.3"));
  served.get();
  CHECK(fixture.runs("/bin/dpkg-query") == 1);
  // From the cache: nobody listens any more.
  CHECK(fixture.get("jellyfin") == Found("10.10.3"));

  fixture.cache->forget("jellyfin");
  fixture.program("/bin/dpkg-query", "printf '10.11.0+deb12'");
  CHECK(fixture.get("jellyfin") == Found("10.11.0+deb12"));
}

TEST_CASE("the environment names the server's version", "[setup][API-88]") {
  Fixture with_name({{"PATH", "/usr/bin:/bin"}, {"DUMB_VERSION", "2.0-test"}});
  CHECK(with_name.get("dumb_api_service") == Found("2.0-test"));
  Fixture without;
  CHECK(without.get("dumb_api_service") == Found("0.1.0"));
}

TEST_CASE("unknown services and blocks have no version", "[setup][API-23][API-98f]") {
  Fixture fixture;
  CHECK(fixture.get("custom") == Found());
  CHECK(fixture.get("sonarr", "Missing") == Found());
  CHECK(fixture.get("bazarr", "Default") == Found());
  CHECK(fixture.all({setup::VersionQuery()}).front() == Found());
}
