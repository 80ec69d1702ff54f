#include "message.hpp"
#include "support/catch.hpp"

using namespace dumb::server;

TEST_CASE("a target is taken apart into authority, path and query", "[server][API-2]") {
  const Target plain = parse_target("/process?process_name=a%20b&x=1");
  CHECK(plain.path == "/process");
  CHECK(plain.query == "process_name=a%20b&x=1");
  CHECK_FALSE(plain.authority);
  const Target absolute = parse_target("http://evil.example:80/config/?x#top");
  CHECK(absolute.authority == "evil.example:80");
  CHECK(absolute.path == "/config/");
  CHECK(absolute.query == "x");
  CHECK(parse_target("http://host?x=1").path == "/");
  CHECK(parse_target("*").path == "*");
  CHECK(parse_target("/a?b=http://c/d").query == "b=http://c/d");
  CHECK_FALSE(parse_target("/a?b=http://c/d").authority);
  CHECK(parse_target("").path == "/");
}

TEST_CASE("query parameters are percent- and plus-decoded and keep their order", "[server][UI-10]") {
  const QueryParameters query =
      parse_query("process_name=rclone+w%2F+RealDebrid&name%5B%5D=a&name[]=b&&flag&x=");
  REQUIRE(query.size() == 5);
  CHECK(query[0] == std::pair<std::string, std::string>("process_name", "rclone w/ RealDebrid"));
  CHECK(query[1] == std::pair<std::string, std::string>("name[]", "a"));
  CHECK(query[2] == std::pair<std::string, std::string>("name[]", "b"));
  CHECK(query[3] == std::pair<std::string, std::string>("flag", ""));
  CHECK(query[4] == std::pair<std::string, std::string>("x", ""));
}

TEST_CASE("a bad escape stays as it is and invalid UTF-8 is replaced", "[server][UI-10]") {
  CHECK(decode_part("100%", true) == "100%");
  CHECK(decode_part("%4", true) == "%4");
  CHECK(decode_part("%zz%41", true) == "%zzA");
  CHECK(decode_part("%ff", true) == "\xEF\xBF\xBD");
  CHECK(decode_part("a+b", false) == "a+b");
  CHECK(decode_part("%c3%bc", false) == "\xC3\xBC");
}

TEST_CASE("the head of an answer carries length, date and connection", "[server][API-6]") {
  Response response;
  response.status = 404;
  response.headers.add("Content-Type", "application/json");
  response.body = "{}";
  CHECK(head_text(response, "close", "Sun, 06 Nov 1994 08:49:37 GMT") ==
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n");
  CHECK(head_text({}, "", "") == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("header fields are found in any letter case", "[server]") {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.add("content-type", "b");
  REQUIRE(headers.find("CONTENT-TYPE") != nullptr);
  CHECK(*headers.find("CONTENT-TYPE") == "a");
  CHECK(headers.count("Content-type") == 2);
  CHECK(headers.find("Host") == nullptr);
}
