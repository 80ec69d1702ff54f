#include <dumb/base/text.hpp>

#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("shell words follow POSIX quoting without a shell", "[base][LIF-52][SVC-25]") {
  using Words = std::vector<std::string>;
  CHECK(text::shell_words("a 'b c' \"d e\" f\\ g").value() == Words{"a", "b c", "d e", "f g"});
  CHECK(text::shell_words("  ").value().empty());
  CHECK(text::shell_words("''").value() == Words{""});
  CHECK(text::shell_words(R"("a\"b\$c\d")").value() == Words{R"(a"b$c\d)"});
  CHECK(text::shell_words("$HOME;ls").value() == Words{"$HOME;ls"});
  CHECK_FALSE(text::shell_words("'open"));
  CHECK_FALSE(text::shell_words("end\\"));
  const Words awkward{"plain", "two words", "it's", "", "$x"};
  CHECK(text::shell_words(text::shell_join(awkward)).value() == awkward);
}

TEST_CASE("invalid UTF-8 becomes one replacement per invalid part", "[base][LIF-105]") {
  CHECK(text::to_utf8("ok \xC3\xA9") == "ok \xC3\xA9");
  CHECK(text::to_utf8("a\xFFz") == "a\xEF\xBF\xBDz");
  CHECK(text::to_utf8("\xE2\x82") == "\xEF\xBF\xBD");
  CHECK(text::to_utf8("\xE2\x82z") == "\xEF\xBF\xBDz");
  CHECK(text::to_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK_FALSE(text::is_utf8("\xC0\x80"));
}

TEST_CASE("numbers and booleans are read as a whole or not at all", "[base][API-11][CFG-45]") {
  CHECK(text::to_int("+12") == 12);
  CHECK(text::to_int("-3") == -3);
  CHECK_FALSE(text::to_int("12x"));
  CHECK_FALSE(text::to_int("+-3"));
  CHECK_FALSE(text::to_int(""));
  CHECK(text::to_double("1.5e2") == 150.0);
  CHECK_FALSE(text::to_double("nan"));
  CHECK(text::to_bool("YES") == true);
  CHECK(text::to_bool("off") == false);
  CHECK_FALSE(text::to_bool("maybe"));
}

TEST_CASE("names fold, slug and decode as the API needs them", "[base][LIF-83][UI-10]") {
  CHECK(text::fold("DUMB API") == "dumbapi");
  CHECK(text::slug("My Instance/1") == "my_instance1");
  CHECK(text::percent_decode("rclone+w%2F+RealDebrid", text::Plus::blank) == "rclone w/ RealDebrid");
  CHECK_FALSE(text::percent_decode("%4"));
  CHECK(text::percent_encode("a b/ü") == "a%20b%2F%C3%BC");
  CHECK(text::base64url_encode("\xFF\xFE") == "__4");
  CHECK(text::base64_decode("Zm9vYg==") == "foob");
}
