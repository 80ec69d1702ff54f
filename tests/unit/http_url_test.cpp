#include <dumb/http/client.hpp>

#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("a URL is taken apart and defaults are filled in", "[http][LIF-44]") {
  const auto plain = http::parse_url(" HTTP://Example.org ");
  REQUIRE(plain);
  CHECK(plain->scheme == "http");
  CHECK(plain->host == "Example.org");
  CHECK(plain->port == 80);
  CHECK(plain->target == "/");
  CHECK(plain->display() == "http://Example.org/");

  const auto full = http::parse_url("https://us%40er:p%3Aw@127.0.0.1:8443/a b/c?x=1&token=t#part");
  REQUIRE(full);
  CHECK(full->scheme == "https");
  CHECK(full->user == "us@er");
  CHECK(full->password == "p:w");
  CHECK(full->host == "127.0.0.1");
  CHECK(full->port == 8443);
  CHECK(full->target == "/a%20b/c?x=1&token=t");
  CHECK(full->display() == "https://127.0.0.1:8443/a%20b/c");

  CHECK(http::parse_url("https://host")->port == 443);
  CHECK(http::parse_url("http://host?x=1")->target == "/?x=1");
  CHECK(http::parse_url("http://host:/x")->port == 80);
}

TEST_CASE("an IPv6 address stands in brackets", "[http]") {
  const auto url = http::parse_url("http://[::1]:9090/ping");
  REQUIRE(url);
  CHECK(url->host == "::1");
  CHECK(url->port == 9090);
  CHECK(url->display() == "http://[::1]:9090/ping");
  CHECK_FALSE(http::parse_url("http://[::1"));
  CHECK_FALSE(http::parse_url("http://[::1]9090/"));
  CHECK_FALSE(http::parse_url("http://[host]/"));
}

TEST_CASE("what is no http URL is refused without repeating its password", "[http]") {
  for (const char* text : {"", "host", "ftp://host/", "http://", "http:///path", "http://host:0/",
                           "http://host:70000/", "http://host:8o/", "http://host:+80/", "http://ho st/",
                           "http://host/\r\nX: y", "file:///etc", "http://user:%zz@host/"}) {
    CAPTURE(text);
    const auto url = http::parse_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().is(Errc::invalid_argument));
  }
  const auto secret = http::parse_url("http://user:hunter22@host:99999/?token=abcd");
  REQUIRE_FALSE(secret);
  CHECK(secret.error().to_string().find("hunter22") == std::string::npos);
  CHECK(secret.error().to_string().find("abcd") == std::string::npos);
  CHECK_THAT(secret.error().to_string(), ContainsSubstring("http://host:99999/"));
}

TEST_CASE("response headers are found in any case", "[http]") {
  http::Response response;
  response.headers = {{"Content-Type", "text/plain"}, {"X-A", "1"}, {"x-a", "2"}};
  CHECK(response.header("content-type") == "text/plain");
  CHECK(response.header("X-a") == "1");
  CHECK(response.header("missing").empty());
}
