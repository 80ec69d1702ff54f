#include <dumb/base/json.hpp>

#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("strings and names keep the escapes they were written with", "[base][CFG-59]") {
  const std::string text =
      "{\n    \"a\\u00fc\": \"\\u00e9\\/ \\\"x\\\\\",\n    \"b\": [\n        \"\\u0041\",\n        \"plain "
      "\xC3\xA9\",\n"
      "        {},\n        []\n    ],\n    \"c\": {\n        \"d\": 1.50,\n        \"e\": \"\\n\",\n        "
      "\"f\": true\n"
      "    }\n}\n";
  jsonx::Spelling spelling;
  auto value = jsonx::parse("\xEF\xBB\xBF" + text, spelling);
  REQUIRE(value);
  CHECK(value->at("b").at(0) == "A");
  CHECK(jsonx::print(*value, spelling) == text);
  value->as_object()["b"].as_array()[0] = "B";
  CHECK_THAT(jsonx::print(*value, spelling), ContainsSubstring("\"B\","));
  CHECK_THAT(jsonx::print(*value, spelling), ContainsSubstring("\"a\\u00fc\": \"\\u00e9\\/"));
}

TEST_CASE("any layout of a text is followed for its spellings", "[base][CFG-59]") {
  jsonx::Spelling spelling;
  const auto value = jsonx::parse(
      " { \"a\" : [ 1 , \"\\u0061\" , [ ] , { } , null ] ,\"b\":{\"c\":\"\\t\"},\"\\u0062\\\\\":2 } ",
      spelling);
  REQUIRE(value);
  CHECK(spelling.strings.at("/a/1") == "\"\\u0061\"");
  CHECK(spelling.strings.at("/b/c") == "\"\\t\"");
  CHECK(spelling.keys.size() == 1);
  CHECK(spelling.strings.size() == 2);
  for (const char* scalar : {"\"\\u0061\"", " 5 ", "null", "[]", "{}"}) {
    jsonx::Spelling own;
    CHECK(jsonx::parse(scalar, own).has_value());
  }
}

TEST_CASE("of two equal keys the spelling of the last counts", "[base][CFG-8][CFG-59]") {
  jsonx::Spelling spelling;
  const auto value = jsonx::parse("{\"a\":\"\\u0061\",\"a\":\"a\"}", spelling);
  REQUIRE(value);
  CHECK(jsonx::print(*value, spelling) == "{\n    \"a\": \"a\"\n}\n");
}
