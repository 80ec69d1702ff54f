#include "config/json_schema.hpp"

#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;

namespace {

std::vector<Problem> faults(std::string_view value, std::string_view node) {
  schema::Faults found;
  JsonPath path;
  schema::check(json::parse(std::string(value)), object(node), path, found);
  CHECK(path.empty());
  schema::sort_by_path(found);
  return schema::to_problems(found);
}
std::string first(std::string_view value, std::string_view node) {
  const auto found = faults(value, node);
  return found.empty() ? "" : found.front().where + " " + found.front().message;
}

}  // namespace

TEST_CASE("an integer may be written 5.0 but is never a boolean", "[config][CFG-48]") {
  CHECK(first("5", R"({"type": "integer"})").empty());
  CHECK(first("5.0", R"({"type": "integer"})").empty());
  CHECK(first("5.5", R"({"type": "integer"})") == " must be an integer, is a number");
  CHECK(first("true", R"({"type": "integer"})") == " must be an integer, is a boolean");
  CHECK(first("true", R"({"type": "number"})") == " must be a number, is a boolean");
  CHECK(first("1e3", R"({"type": "number"})").empty());
  CHECK(first("\"5\"", R"({"type": "number"})") == " must be a number, is a string");
  CHECK(first("null", R"({"type": ["string", "array"]})") == " must be a string or a list, is null");
  CHECK(first("[]", R"({"type": ["string", "array"]})").empty());
}

TEST_CASE("enumerations, patterns and ranges are checked", "[config][CFG-48]") {
  CHECK(first("\"x\"", R"({"enum": ["a", "b"]})") == " must be one of \"a\", \"b\"");
  CHECK(first("\"b\"", R"({"enum": ["a", "b"]})").empty());
  const std::string clock = R"({"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$"})";
  CHECK(first("\"23:59\"", clock).empty());
  CHECK_FALSE(first("\"24:00\"", clock).empty());
  CHECK_FALSE(first("\"4:00\"", clock).empty());
  CHECK(first("3", R"({"minimum": 10})") == " must be at least 10, is 3");
  CHECK(first("10", R"({"minimum": 10, "maximum": 10})").empty());
  CHECK(first("11", R"({"maximum": 10})") == " must be at most 10, is 11");
}

TEST_CASE("a missing member is reported at the object that lacks it", "[config][CFG-50]") {
  const std::string node = R"({"properties": {"a": {"type": "object", "required": ["b", "c"]}}})";
  const auto found = faults(R"({"a": {}})", node);
  REQUIRE(found.size() == 2);
  CHECK(found[0] == Problem{"/a", "has no \"b\", which is required"});
  CHECK(found[1] == Problem{"/a", "has no \"c\", which is required"});
  CHECK(first("{}", R"({"required": ["x"]})") == " has no \"x\", which is required");
}

TEST_CASE("every fault is reported, ordered by path", "[config][CFG-50]") {
  const std::string node = R"({"type": "object",
      "properties": {"z": {"type": "string"}, "list": {"type": "array", "items": {"type": "integer"}},
                     "sub": {"type": "object", "additionalProperties": {"type": "boolean"}}},
      "patternProperties": {"^p_": {"type": "number"}}})";
  const auto found = faults(
      R"({"z": 1, "sub": {"b/c": 1, "a": 2}, "list": [0,"x",2,3,4,5,6,7,8,9,"y"], "p_q": "no", "other": 1})",
      node);
  std::vector<std::string> places;
  for (const auto& problem : found) places.push_back(problem.where);
  CHECK(places == std::vector<std::string>{"/list/1", "/list/10", "/p_q", "/sub/a", "/sub/b~1c", "/z"});
}

TEST_CASE("unknown members are faults only where the schema forbids them", "[config][CFG-48]") {
  CHECK(first(R"({"x": 1})", R"({"properties": {}})").empty());
  CHECK(first(R"({"x": 1})", R"({"properties": {"y": {}}, "additionalProperties": false})") ==
        "/x is not known here");
  CHECK(first(R"({"y": 1})", R"({"properties": {"y": true}, "additionalProperties": false})").empty());
}

TEST_CASE("of several forms the one of the value's own type is explained", "[config][CFG-50]") {
  const std::string node = R"({"type": "array", "items": {"anyOf": [
      {"type": "string"}, {"type": "object", "required": ["process_name"]}]}})";
  CHECK(first(R"(["Zilean", {"process_name": "X"}])", node).empty());
  CHECK(first(R"([{}])", node) == "/0 has no \"process_name\", which is required");
  CHECK(first(R"(["a", 5])", node) == "/1 must be a string or an object, is an integer");
}

TEST_CASE("no message repeats a string", "[config][CFG-52]") {
  for (const std::string node : {R"({"type": "integer"})", R"({"enum": ["a"]})", R"({"pattern": "^x$"})",
                                 R"({"anyOf": [{"type": "object"}]})", R"({"minLength": 40})"}) {
    const std::string message = first("\"hunter2\"", node);
    CHECK_FALSE(message.empty());
    CHECK(message.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a schema is followed by path through every kind of member", "[config][CFG-74]") {
  const auto node =
      object(R"({"properties": {"a": {"additionalProperties": {"properties": {"b": {"type": "array",
      "items": {"properties": {"c": {"type": "integer"}}}}}}}}, "patternProperties": {"^p": {"type": "boolean"}}})");
  const auto* leaf = schema::at(node, {"a", "any name", "b", "3", "c"});
  REQUIRE(leaf != nullptr);
  CHECK(schema::kinds(leaf).integer);
  CHECK(schema::kinds(schema::at(node, {"part"})).boolean);
  CHECK(schema::at(node, {"a", "x", "nothing"}) == nullptr);
  CHECK(schema::at(node, {"b"}) == nullptr);
}

TEST_CASE("a pattern that is none is a fault of its own, not a crash", "[config][CFG-48]") {
  CHECK_THAT(first("\"x\"", R"({"pattern": "(["})"), ContainsSubstring("is no valid pattern"));
  CHECK(schema::at(object(R"({"patternProperties": {"([": {}}})"), {"x"}) == nullptr);
}
