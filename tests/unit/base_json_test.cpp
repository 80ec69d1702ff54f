#include <dumb/base/codec.hpp>
#include <dumb/base/json.hpp>

#include <array>

#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("numbers keep the spelling they were read with", "[base][CFG-59]") {
  jsonx::NumberText numbers;
  const std::string text =
      "{\n    \"a\": 1.50,\n    \"b\": 1e5,\n    \"c\": 0.1,\n    \"d\": [\n        2.0,\n        7\n    "
      "]\n}\n";
  auto value = jsonx::parse(text, &numbers);
  REQUIRE(value);
  CHECK(jsonx::print(*value, &numbers) == text);
  value->as_object()["a"] = 2.5;
  CHECK_THAT(jsonx::print(*value, &numbers), ContainsSubstring("\"a\": 2.5,"));
}

TEST_CASE("doubles survive a round trip exactly", "[base][CFG-59]") {
  const auto value = jsonx::parse("[0.30000000000000004,1.7976931348623157e308,5e-324]");
  REQUIRE(value);
  CHECK(jsonx::print_compact(*value) == "[0.30000000000000004,1.7976931348623157e+308,5e-324]");
}

TEST_CASE("a syntax error names line and column", "[base][CFG-33]") {
  const auto value = jsonx::parse("{\n  \"a\": 1,\n  \"b\": }\n");
  REQUIRE_FALSE(value);
  CHECK(value.error().is(Errc::bad_json));
  CHECK_THAT(value.error().message(), ContainsSubstring("line 3, column 8"));
  CHECK_FALSE(jsonx::parse(""));
  CHECK_FALSE(jsonx::parse("{} x"));
  CHECK_FALSE(jsonx::parse("[1,]"));
  CHECK_FALSE(jsonx::parse("[NaN]"));
  CHECK(jsonx::parse("\xEF\xBB\xBF{}"));
}

TEST_CASE("a syntax error tells the byte it stopped at", "[base][API-10]") {
  const auto offset_of = [](std::string_view text) {
    std::size_t offset = 999;
    CHECK_FALSE(jsonx::parse(text, nullptr, &offset));
    return offset;
  };
  CHECK(offset_of("{\"a\": }") == 6);
  CHECK(offset_of("{\n \"a\" 1}") == 7);
  CHECK(offset_of("\xEF\xBB\xBF{]") == 4);
  CHECK(offset_of("{} x") == 3);
  CHECK(offset_of("{\"a\":1") == 6);
  CHECK(offset_of("") == 0);
}

TEST_CASE("the last of two equal keys wins", "[base][CFG-8]") {
  const auto value = jsonx::parse(R"({"a":1,"b":2,"a":3})");
  REQUIRE(value);
  CHECK(jsonx::print_compact(*value) == R"({"a":3,"b":2})");
}

TEST_CASE("members are set and erased by path, order kept", "[base]") {
  auto value = jsonx::parse(R"({"a":1,"b":{"c":2},"d":3})");
  REQUIRE(value);
  json::object& root = value->as_object();
  jsonx::set(root, {"b", "x", "y"}, true);
  CHECK(jsonx::erase(root, {"a"}));
  CHECK_FALSE(jsonx::erase(root, {"b", "nothing"}));
  CHECK(jsonx::print_compact(root) == R"({"b":{"c":2,"x":{"y":true}},"d":3})");
  CHECK(jsonx::find(root, {"b", "c"})->to_number<int>() == 2);
  CHECK(jsonx::find(root, {"b", "c", "e"}) == nullptr);
  CHECK(jsonx::pointer({"a/b", "~x"}) == "/a~1b/~0x");
  CHECK(jsonx::parse_pointer("/a~1b/~0x").value() == JsonPath{"a/b", "~x"});
}

namespace {
struct Inner {
  int count = 4;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (count))
struct Outer {
  std::string process_name;
  bool flag = false;
  std::optional<std::string> note;
  std::vector<Inner> inner;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(Outer, (), (process_name, flag, note, inner))
}  // namespace

TEST_CASE("a described struct reports every fault with type and place", "[base][API-10][API-11]") {
  Outer out;
  codec::Faults faults;
  json::array loc;
  loc.emplace_back("body");
  const auto value =
      json::parse(R"({"flag":"maybe","note":5,"inner":[{"count":"x"},{"count":2}],"other":1})");
  CHECK_FALSE(codec::decode(value, loc, faults, out));
  REQUIRE(faults.size() == 4);
  CHECK(faults[0].type == "missing");
  CHECK(jsonx::print_compact(faults[0].loc) == R"(["body","process_name"])");
  CHECK(faults[1].type == "bool_parsing");
  CHECK(faults[2].type == "string_type");
  CHECK(faults[3].type == "int_parsing");
  CHECK(jsonx::print_compact(faults[3].loc) == R"(["body","inner",0,"count"])");
}

TEST_CASE("what is missing keeps its default, what is written comes back", "[base]") {
  const auto read = codec::from_json<Outer>(json::parse(R"({"process_name":"x","inner":[{}]})"));
  REQUIRE(read);
  CHECK(read->inner.at(0).count == 4);
  CHECK(jsonx::print_compact(codec::encode(*read)) ==
        R"({"process_name":"x","flag":false,"note":null,"inner":[{"count":4}]})");
}

namespace {
struct Sparse {
  std::optional<int> always, number;
  std::vector<int> list;
  std::string text;
  static constexpr std::array<std::string_view, 3> omit_empty{"number", "list", "text"};
};
BOOST_DESCRIBE_STRUCT(Sparse, (), (always, number, list, text))
}  // namespace

TEST_CASE("members named in omit_empty are written only when they hold something", "[base][API-33]") {
  CHECK(jsonx::print_compact(codec::encode(Sparse{})) == R"({"always":null})");
  Sparse full;
  full.number = 0;
  full.list = {1};
  full.text = "x";
  CHECK(jsonx::print_compact(codec::encode(full)) == R"({"always":null,"number":0,"list":[1],"text":"x"})");
}
