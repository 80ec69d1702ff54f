#include <boost/json.hpp>
#include <dumb/base/codec_text.hpp>
#include <limits>

#include "support/catch.hpp"

namespace dumb::codec_text_test {

enum class Colour { red, dark_green };
BOOST_DESCRIBE_ENUM(Colour, red, dark_green)

struct Inner {
  std::string note;
  std::optional<std::int64_t> number;
  std::vector<std::string> omitted;
  std::optional<std::string> choice;
  json::value any;
  bool flag = false;
  std::int64_t kept = 0;
  static constexpr std::array<std::string_view, 6> omit_empty{"note", "omitted", "choice",
                                                              "any",  "flag",    "kept"};
};
BOOST_DESCRIBE_STRUCT(Inner, (), (note, number, omitted, choice, any, flag, kept))

struct Hidden {
  std::string note;
  static constexpr std::array<std::string_view, 1> omit_empty{"note"};
};
BOOST_DESCRIBE_STRUCT(Hidden, (), (note))

struct Everything {
  bool yes = true;
  bool no = false;
  int negative = -7;
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  double fraction = 1.7e9 + 0.1;
  double whole = 3;
  double huge = 1e300;
  std::string text;
  Colour colour = Colour::dark_green;
  Colour nameless = static_cast<Colour>(7);
  std::optional<double> nothing;
  std::vector<Inner> inner;
  std::map<std::string, int> table;
  std::map<std::string, Inner, std::less<>> inners;
  Hidden hidden;
  json::value any;
  json::object object;
  json::array array;
  static constexpr std::array<std::string_view, 1> omit_empty{"hidden"};
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (yes, no, negative, least, largest, fraction, whole, huge, text, colour, nameless,
                       nothing, inner, table, inners, hidden, any, object, array))

template <class T>
void check_same(const T& value) {
  CHECK(codec::to_text(value) == jsonx::print_compact(codec::encode(value)));
}

TEST_CASE("the text of a described value is that of its tree", "[base][API-6]") {
  Everything value;
  check_same(value);
  for (const std::string text : {"plain", "", "\"quoted\" \\ back", "line\nend\ttab \x01 \x7f \b\f\r",
                                 "\xC3\xA4 \xF0\x9F\x98\x80", "</script>"}) {
    CAPTURE(text);
    value.text = text;
    value.hidden.note = text;
    value.nothing = 0.5;
    value.any = json::value(json::string(text));
    value.object[text] = text;
    value.array.push_back(json::value(2.5));
    value.table[text] = 3;
    value.inners[text].note = text;
    value.inner.push_back({text, 5, {}, "", nullptr, true, 1});
    value.inner.push_back({"", std::nullopt, {text, text}, text, json::object(), false, 0});
    value.inner.push_back({"", std::nullopt, {}, std::nullopt, json::value(text), false, 0});
    check_same(value);
  }
  check_same(std::vector<int>{});
  check_same(std::vector<std::string>{"a", "b"});
  check_same(std::map<std::string, int>{});
  check_same(Inner{});
  check_same(Hidden{});
  check_same(json::object());
}

TEST_CASE("a text is added behind what is there", "[base][API-6]") {
  std::string out = "x";
  codec::append_text(out, std::optional<int>(3));
  jsonx::append_string(out, "a\"b");
  jsonx::append_compact(out, json::parse(R"([1, {"a b": null}])"));
  CHECK(out == R"(x3"a\"b"[1,{"a b":null}])");
}

}  // namespace dumb::codec_text_test
