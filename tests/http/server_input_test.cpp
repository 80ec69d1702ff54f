#include "answers.hpp"
#include "golden.hpp"
#include "input.hpp"

#include <array>

using namespace dumb;
using namespace dumb::server;

namespace {

struct Rule {
  std::string from_prefix, to_prefix;
  static constexpr std::array<std::string_view, 2> required{"from_prefix", "to_prefix"};
};
BOOST_DESCRIBE_STRUCT(Rule, (), (from_prefix, to_prefix))

struct Everything {
  std::string process_name;
  bool flag = false;
  std::int64_t number = 7;
  std::optional<std::string> note;
  std::vector<Rule> rules;
  json::object updates;
  std::string password;
  std::map<std::string, std::int64_t> api_keys;
  static constexpr std::array<std::string_view, 2> required{"process_name", "updates"};
};
BOOST_DESCRIBE_STRUCT(Everything, (), (process_name, flag, number, note, rules, updates, password, api_keys))

struct Strict {
  std::string name;
  static constexpr bool forbid_unknown = true;
};
BOOST_DESCRIBE_STRUCT(Strict, (), (name))

struct Parameters {
  std::string process_name;
  bool include_health = false;
  std::optional<std::int64_t> cursor;
  std::vector<std::string> optional_services;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(Parameters, (), (process_name, include_health, cursor, optional_services))

Request post(std::string body, std::optional<std::string> type = "application/json") {
  Request request;
  request.method = "POST";
  if (type) request.headers.add("Content-Type", *type);
  request.body = std::move(body);
  return request;
}

template <class T>
json::value faults_of(const Request& request) {
  codec::Faults faults;
  read_body<T>(request, faults);
  REQUIRE_FALSE(faults.empty());
  const Response response = fault_response(faults);
  CHECK(response.status == 422);
  return test::parsed(response.body);
}

}  // namespace

TEST_CASE("a body counts as JSON by its content type", "[server][API-9]") {
  CHECK(is_json_type(nullptr));
  for (const std::string type :
       {"application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json", " "}) {
    INFO(type);
    CHECK(is_json_type(&type));
  }
  for (const std::string type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json",
        "application/jsonx", "application/xml"}) {
    INFO(type);
    CHECK_FALSE(is_json_type(&type));
  }
}

TEST_CASE("a form post is refused and its text not repeated", "[server][API-9][API-13]") {
  CHECK_GOLDEN("422-content-type", faults_of<Everything>(post("process_name=x&password=secret",
                                                              "application/x-www-form-urlencoded")));
}

TEST_CASE("an empty body is missing whatever its content type", "[server][API-9][API-10][UI-9]") {
  const json::value expected = faults_of<Everything>(post(""));
  CHECK_GOLDEN("422-no-body", expected);
  CHECK(faults_of<Everything>(post("", "application/x-www-form-urlencoded")) == expected);
  CHECK(faults_of<Everything>(post("", std::nullopt)) == expected);
  codec::Faults faults;
  read_body<Nothing>(post("", "application/x-www-form-urlencoded"), faults);
  CHECK(faults.empty());
}

TEST_CASE("a body that is not JSON names the byte offset and the parser's words", "[server][API-10]") {
  CHECK_GOLDEN("422-json-invalid", faults_of<Everything>(post("{\"process_name\": }")));
  CHECK(faults_of<Everything>(post("  ")).at("detail").at(0).at("type") == "json_invalid");
  CHECK(faults_of<Everything>(post("{\"a\":\"\xff\"}")).at("detail").at(0).at("type") == "json_invalid");
  CHECK(faults_of<Everything>(post("{} {}")).at("detail").at(0).at("loc").at(1) == 3);
  const std::string deep(100, '[');
  CHECK(faults_of<Everything>(post(deep)).at("detail").at(0).at("type") == "json_invalid");
}

TEST_CASE("a JSON body that is no object is told so", "[server][API-10]") {
  CHECK_GOLDEN("422-no-object", faults_of<Everything>(post("[1,2]")));
  CHECK(faults_of<Everything>(post("null")).at("detail").at(0).at("type") == "model_attributes_type");
}

TEST_CASE("every fault of a body is listed in field order", "[server][API-10][API-11][API-13]") {
  CHECK_GOLDEN("422-every-fault", faults_of<Everything>(post(R"({
    "api_keys": {"a": "not a number"}, "password": 5, "updates": [], "rules": [{"from_prefix": "/a"}, 3], "note": 1,
    "number": "x", "flag": "maybe", "debrid_key": "s3cret"})")));
  CHECK_GOLDEN("422-wrong-types",
               faults_of<Everything>(
                   post(R"({"process_name": 5, "flag": {}, "number": [1], "rules": {}, "updates": null})")));
}

TEST_CASE("booleans accept their words and strings are strict", "[server][API-11]") {
  for (const std::string word : {"true", "1", "\"YES\"", "\"on\"", "\"t\"", "\"Y\"", "\"1\"", "\"True\""}) {
    codec::Faults faults;
    INFO(word);
    CHECK(
        read_body<Everything>(post(R"({"process_name":"a","updates":{},"flag":)" + word + "}"), faults).flag);
    CHECK(faults.empty());
  }
  for (const std::string word : {"2", "\"\"", "\"maybe\"", "0.5"}) {
    INFO(word);
    const auto body = post(R"({"process_name":"a","updates":{},"flag":)" + word + "}");
    CHECK(faults_of<Everything>(body).at("detail").at(0).at("type") == "bool_parsing");
  }
  const auto nothing = post(R"({"process_name":null,"updates":{},"flag":null})");
  CHECK(faults_of<Everything>(nothing).at("detail").at(0).at("type") == "string_type");
  CHECK(faults_of<Everything>(nothing).at("detail").at(1).at("type") == "bool_type");
}

TEST_CASE("unknown fields are ignored unless the body forbids them", "[server][API-12]") {
  codec::Faults faults;
  const auto body =
      read_body<Everything>(post(R"({"process_name":"a","updates":{},"note":null,"else":1})"), faults);
  CHECK(faults.empty());
  CHECK(body.process_name == "a");
  CHECK(body.number == 7);
  CHECK_GOLDEN("422-unknown-field", faults_of<Strict>(post(R"({"name":"a","else":1,"token":"t"})")));
}

TEST_CASE("secrets are masked at any depth of what a fault shows", "[server][API-13]") {
  const auto shown = faults_of<Everything>(
      post(R"({"core":[{"api_key":"k","x":{"plex_token":["t"]}}],"jwt_secret":null,"username":"u"})"));
  const json::value& input = shown.at("detail").at(0).at("input");
  CHECK(jsonx::print_compact(input) ==
        R"({"core":[{"api_key":"***","x":{"plex_token":"***"}}],"jwt_secret":"***","username":"u"})");
}

TEST_CASE("query parameters are decoded by the same rules", "[server][API-10][API-11][API-12][UI-10]") {
  const auto read = [](std::string_view text, codec::Faults& faults) {
    return read_query<Parameters>(parse_query(text), faults);
  };
  codec::Faults faults;
  const auto good = read(
      "process_name=a&process_name=b&include_health=Yes&cursor=12&optional_services%5B%5D=x&optional_"
      "services=y&z=1",
      faults);
  CHECK(faults.empty());
  CHECK(good.process_name == "b");
  CHECK(good.include_health);
  CHECK(good.cursor == 12);
  CHECK(good.optional_services == std::vector<std::string>{"x", "y"});
  read("include_health=perhaps&cursor=1.5", faults);
  CHECK_GOLDEN("422-query", test::parsed(fault_response(faults).body));
}

TEST_CASE("an error has one status", "[server][API-14][API-15]") {
  const auto status = [](Errc code) { return status_of(Error(code, "x")); };
  CHECK(status(Errc::not_found) == 404);
  CHECK(status(Errc::invalid_argument) == 400);
  CHECK(status(Errc::invalid_config) == 400);
  CHECK(status(Errc::unsupported) == 400);
  CHECK(status(Errc::conflict) == 409);
  CHECK(status(Errc::cancelled) == 409);
  CHECK(status(Errc::unavailable) == 503);
  for (const Errc code :
       {Errc::cycle, Errc::spawn_failed, Errc::timed_out, Errc::io, Errc::setup_failed, Errc::stop_failed}) {
    CHECK(status(code) == 500);
  }
  // Values of errno that equal a code of ours by number stay what they are.
  CHECK(status_of(system_error(2, "open /x")) == 500);
  const Response response =
      error_response(Error(Errc::not_found, "there is no process of that name", "Zurg"));
  CHECK(response.status == 404);
  CHECK(test::parsed(response.body).as_object().size() == 1);
  CHECK(test::parsed(response.body).at("detail").is_string());
}
