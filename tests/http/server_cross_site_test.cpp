#include "cross_site.hpp"
#include "support/catch.hpp"

using namespace dumb::server;

TEST_CASE("loopback, private, link-local and unique-local literals are local", "[server][API-5]") {
  const LocalNames none;
  for (const char* host :
       {"127.0.0.1", "127.9.9.9:8000", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.2:80",
        "169.254.1.1", "[::1]", "[::1]:8000", "[fe80::1]", "[fe80::1%25eth0]:80", "[febf::1]", "[fc00::1]",
        "[fdab::1]:443", "[::ffff:192.168.0.1]", "[::ffff:127.0.0.1]:8000"}) {
    INFO(host);
    CHECK(is_local_host(host, none));
  }
}

TEST_CASE("public address literals are not local, however they are spelt", "[server][API-5]") {
  const LocalNames none;
  for (const char* host : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.64.0.1", "0.0.0.0",
                           "[2001:db8::1]", "[::]", "[fec0::1]", "[::ffff:8.8.8.8]", "134744072",
                           "0x08080808", "0x7f.0.0.1", "127.1", "10.0.0.1.2", "[::1", "[127.0.0.1]", "::1"}) {
    INFO(host);
    CHECK_FALSE(is_local_host(host, none));
  }
}

TEST_CASE("names without a dot and names of home networks are local", "[server][API-5]") {
  const LocalNames none;
  for (const char* host :
       {"localhost", "LOCALHOST:8000", "localhost.", "nas", "dumb_frontend:3005", "app.localhost",
        "nas.local", "nas.LAN", "tv.home", "x.home.arpa", "api.internal", "a.b.local."}) {
    INFO(host);
    CHECK(is_local_host(host, none));
  }
  for (const char* host :
       {"evil.example", "evil.example:8000", "localhost.evil.example", "local.example", "notlocal.com",
        "x.homearpa.com", "internal.example.org", "127.0.0.1.nip.io", "", ":80", ".", "..", "a..local",
        "user@localhost", "a b", "nas:port", "nas:123456", "nas/x", "n\xC3\xA4s"}) {
    INFO(host);
    CHECK_FALSE(is_local_host(host, none));
  }
}

TEST_CASE("the own name and allowed hosts are local", "[server][API-5]") {
  LocalNames names;
  names.own_name = "Media.Example.Org";
  names.allowed_hosts = {"dumb.example.com", "stack.example.com:8443", "[2001:db8::1]", "2001:db8::2",
                         " spaced.example "};
  CHECK(is_local_host("media.example.org:8000", names));
  CHECK_FALSE(is_local_host("other.example.org", names));
  CHECK(is_local_host("DUMB.example.com", names));
  CHECK(is_local_host("dumb.example.com:1234", names));
  CHECK(is_local_host("stack.example.com:8443", names));
  CHECK_FALSE(is_local_host("stack.example.com", names));
  CHECK_FALSE(is_local_host("sub.dumb.example.com", names));
  CHECK(is_local_host("[2001:DB8::1]:80", names));
  CHECK(is_local_host("[2001:db8::2]", names));
  CHECK(is_local_host("spaced.example", names));
}

TEST_CASE("an origin is local when its host is, for http and https only", "[server][API-5]") {
  const LocalNames none;
  CHECK(is_local_origin("http://localhost:3005", none));
  CHECK(is_local_origin("https://[::1]", none));
  CHECK(is_local_origin("HTTP://192.168.1.5", none));
  for (const char* origin :
       {"null", "", "http://evil.example", "https://evil.example:8000", "chrome-extension://abcdef",
        "file://", "http://", "localhost", "http://localhost/path", "http://a@localhost"}) {
    INFO(origin);
    CHECK_FALSE(is_local_origin(origin, none));
  }
}

TEST_CASE("host and origin are judged apart and need not agree", "[server][API-5][UI-6]") {
  const LocalNames none;
  const std::string backend = "dumb:8000";
  const std::string browser = "http://192.168.1.5:3005";
  const std::string evil_host = "evil.example:8000";
  const std::string evil_origin = "http://evil.example:8000";
  CHECK_FALSE(refuse_cross_site(&backend, &browser, none));
  CHECK_FALSE(refuse_cross_site(&backend, nullptr, none));
  CHECK_FALSE(refuse_cross_site(nullptr, nullptr, none));
  // A rebound name: the page and the server agree, and neither is local.
  const auto rebound = refuse_cross_site(&evil_host, &evil_origin, none);
  REQUIRE(rebound);
  CHECK_THAT(*rebound, ContainsSubstring("evil.example:8000"));
  CHECK_THAT(*rebound, ContainsSubstring("dumb.api_service.allowed_hosts"));
  const auto foreign = refuse_cross_site(&backend, &evil_origin, none);
  REQUIRE(foreign);
  CHECK_THAT(*foreign, ContainsSubstring("dumb.api_service.allowed_hosts"));
  CHECK(refuse_cross_site(nullptr, &evil_origin, none));
}

TEST_CASE("a refusal shows no control characters and is short", "[server][API-5]") {
  const std::string host = "evil\x1B[31m" + std::string(5000, 'x') + ".example";
  const auto sentence = refuse_cross_site(&host, nullptr, {});
  REQUIRE(sentence);
  CHECK(sentence->find('\x1B') == std::string::npos);
  CHECK(sentence->size() < 300);
}
