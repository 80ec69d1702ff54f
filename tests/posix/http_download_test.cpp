#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/http/transfer.hpp>

#include "support/archives.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/release_server.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::ReleaseServer, test::Said, test::Seen;

namespace {

struct Client {
  test::TempDir directory;
  asio::io_context context;
  asio::thread_pool workers{1};
  ~Client() { workers.join(); }

  http::Download what(const std::string& url) {
    http::Download out;
    out.request.url = http::parse_url(url).value();
    out.partial = directory / "file.part";
    out.workers = &workers;
    return out;
  }
  Result<http::Downloaded> download(const http::Download& what) {
    return test::run(context, http::download(what));
  }
  std::string partial() { return test::read_text(directory / "file.part"); }
};

std::string large() {
  std::string out;
  for (int i = 0; i < 300'000; ++i) out += std::to_string(i) + "\n";
  return out;
}

Said file(std::string body) {
  return {200, {}, std::move(body), std::string::npos, 0, true};
}

}  // namespace

TEST_CASE("a body goes to a file and is hashed on the way", "[http][SVC-57]") {
  ReleaseServer server;
  const std::string body = large();
  server.set_file("/f", file(body));
  Client client;
  const auto done = client.download(client.what(server.url() + "/f"));
  REQUIRE(done);
  CHECK(done->bytes == body.size());
  CHECK(done->sha256 == test::sha256_hex(body));
  CHECK_FALSE(done->resumed);
  CHECK(client.partial() == body);
}

TEST_CASE("an interrupted file goes on where it ended", "[http][SVC-57]") {
  ReleaseServer server;
  const std::string body = large();
  server.set_file("/f", file(body));
  server.set_fault([&](const Seen&, int earlier, Said& said) {
    if (earlier > 0) return false;
    said = file(body);
    said.cut = 1'500'000;
    return true;
  });
  Client client;
  const auto first = client.download(client.what(server.url() + "/f"));
  REQUIRE_FALSE(first);
  CHECK_THAT(first.error().message(), ContainsSubstring("ended early"));
  const auto second = client.download(client.what(server.url() + "/f"));
  REQUIRE(second);
  CHECK(second->resumed);
  CHECK(second->sha256 == test::sha256_hex(body));
  CHECK(server.requests()[1].headers.at("range") == "bytes=1500000-");
  CHECK(server.requests()[1].headers.count("if-range") == 1);
}

TEST_CASE("a file that has changed meanwhile, or a server without ranges, restarts from zero",
          "[http][SVC-57]") {
  ReleaseServer server;
  server.set_file("/f", file(std::string(100'000, 'b')));
  server.set_fault([&](const Seen&, int earlier, Said& said) {
    if (earlier > 0) return false;
    said = file(std::string(100'000, 'a'));
    said.cut = 70'000;
    return true;
  });
  Client client;
  REQUIRE_FALSE(client.download(client.what(server.url() + "/f")));
  const auto done = client.download(client.what(server.url() + "/f"));
  REQUIRE(done);
  CHECK_FALSE(done->resumed);
  CHECK(client.partial() == std::string(100'000, 'b'));
}

TEST_CASE("redirects are followed, and credentials stay with the host they are for",
          "[http][SVC-52][SVC-54]") {
  ReleaseServer server;
  const std::string elsewhere = "http://localhost:" + std::to_string(server.port());
  server.set_file("/same", {302, {{"Location", "/far"}}, ""});
  server.set_file("/far", {302, {{"Location", elsewhere + "/f?signature=x"}}, ""});
  server.set_file("/f?signature=x", file("content"));
  Client client;
  http::Download what = client.what(server.url() + "/same");
  what.request.headers.emplace_back("Authorization", "Bearer secret");
  what.request.headers.emplace_back("Accept", "application/octet-stream");
  const auto done = client.download(what);
  REQUIRE(done);
  CHECK(client.partial() == "content");
  const auto seen = server.requests();
  REQUIRE(seen.size() == 3);
  CHECK(seen[1].headers.count("authorization") == 1);
  CHECK(seen[2].headers.count("authorization") == 0);
  CHECK(seen[2].headers.at("accept") == "application/octet-stream");

  server.set_file("/loop", {302, {{"Location", "/loop"}}, ""});
  const auto loop = client.download(client.what(server.url() + "/loop"));
  REQUIRE_FALSE(loop);
  CHECK(server.count("/loop") == 6);
}

TEST_CASE("a redirect is resolved against the place it comes from, and never leaves https",
          "[http][SVC-54]") {
  const auto at = [](std::string_view from, std::string_view to) {
    return http::redirect_target(http::parse_url(from).value(), to);
  };
  CHECK(at("http://a/b/c?d", "/x").value().display() == "http://a/x");
  CHECK(at("http://a:8/b/c?d", "x").value().display() == "http://a:8/b/x");
  CHECK(at("http://a/b", "?q").value().target == "/b?q");
  CHECK(at("http://a/b", "//c/d").value().display() == "http://c/d");
  CHECK(at("http://a/b", "https://c/d?u=http://e").value().host == "c");
  CHECK(at("https://a/b", "http://a/b").error().is(Errc::unsupported));
  CHECK(at("http://a/b", "").error().is(Errc::invalid_argument));
  CHECK(at("http://a/b", "ftp://c").error().is(Errc::invalid_argument));
}

TEST_CASE("a file larger than allowed is refused before and while it is written", "[http][SVC-58]") {
  ReleaseServer server;
  server.set_file("/f", file(std::string(5000, 'x')));
  Client client;
  http::Download what = client.what(server.url() + "/f");
  what.max_bytes = 4999;
  CHECK(client.download(what).error().is(Errc::invalid_argument));
  what.max_bytes = 5000;
  what.room = [](std::optional<std::uint64_t> left) -> Result<void> {
    CHECK(left == 5000U);
    return Error(Errc::io, "no room");
  };
  CHECK(client.download(what).error().message() == "no room");
}

TEST_CASE("an answer that is no file says why, and leaves what was there", "[http][SVC-55]") {
  ReleaseServer server;
  server.set_file("/f", {403, {{"Retry-After", "60"}}, R"({"message":"slow down"})"});
  Client client;
  const auto done = client.download(client.what(server.url() + "/f"));
  REQUIRE(done);
  CHECK(done->head.status == 403);
  CHECK(done->head.header("retry-after") == "60");
  CHECK_THAT(done->head.body, ContainsSubstring("slow down"));
  CHECK(client.partial().empty());
}

TEST_CASE("a server that says nothing is given up in time, and a cancelled download ends at once",
          "[http][SVC-21][SVC-55]") {
  ReleaseServer server;
  Said slow = file("x");
  slow.delay_ms = 30'000;
  server.set_file("/f", slow);
  Client client;
  http::Download what = client.what(server.url() + "/f");
  what.limits.first_byte = 50ms;
  CHECK(client.download(what).error().is(Errc::timed_out));

  what.limits.first_byte = 60s;
  asio::cancellation_signal stop;
  asio::steady_timer timer(client.context);
  std::optional<Result<http::Downloaded>> ended;
  client.context.restart();
  asio::co_spawn(
      client.context, http::download(what),
      asio::bind_cancellation_slot(
          stop.slot(), [&](std::exception_ptr, Result<http::Downloaded> done) { ended = std::move(done); }));
  timer.expires_after(50ms);
  timer.async_wait([&](auto) { stop.emit(asio::cancellation_type::terminal); });
  const auto begun = std::chrono::steady_clock::now();
  client.context.run_for(20s);
  REQUIRE(ended);
  CHECK(ended->error().is(Errc::cancelled));
  CHECK(std::chrono::steady_clock::now() - begun < 10s);
}
