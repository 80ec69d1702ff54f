#include "setup/edits.hpp"

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::setup;

TEST_CASE("a PostgreSQL setting is changed where it stands, with its comment", "[setup][SVC-29][SVC-115]") {
  const std::string before =
      "# PostgreSQL configuration\n"
      "listen_addresses = 'localhost'\t# what to listen on\n"
      "#port = 5432\t\t\t\t# (change requires restart)\n"
      "max_connections 100\n"
      "Shared_Buffers = 128MB\t\t\t# min 128kB\n";
  const auto after =
      edit_kv(before, {{"port", "5433"}, {"max_connections", "250"}, {"shared_buffers", "256MB"}});
  REQUIRE(after);
  CHECK(*after ==
        "# PostgreSQL configuration\n"
        "listen_addresses = 'localhost'\t# what to listen on\n"
        "port = 5433\t\t\t\t# (change requires restart)\n"
        "max_connections 250\n"
        "Shared_Buffers = 256MB\t\t\t# min 128kB\n");
}

TEST_CASE("an edit that changes nothing returns the text as it was", "[setup][SVC-29]") {
  const std::string conf = "port = '5432'  # quoted\r\n\r\n# end";
  CHECK(*edit_kv(conf, {{"port", "5432"}, {"shared_buffers", std::nullopt}}) == conf);
  const std::string yaml = "zurg: v1\ntoken: 'abc'\nport: 9090";
  CHECK(*edit_yaml(yaml, {{"token", "abc", true}, {"port", "9090", false}}, "zurg") == yaml);
  const std::string ini = "; top\n[a]\nx=1\n";
  CHECK(*replace_ini_section(ini, "a", {{"x", "1"}}) == ini);
  CHECK(ensure_lines("user_allow_other", {"user_allow_other"}) == "user_allow_other");
}

TEST_CASE("the last active line of a setting counts, and prose about it is no setting", "[setup][SVC-115]") {
  const std::string before = "# port of the server\nport = 1\nport = 2\n";
  CHECK(*edit_kv(before, {{"port", "3"}}) == "# port of the server\nport = 1\nport = 3\n");
  CHECK(*edit_kv("# port of the server\n", {{"port", "3"}}) == "# port of the server\nport = 3\n");
  CHECK(*edit_kv("no_newline = on", {{"port", "3"}}) == "no_newline = on\nport = 3\n");
}

TEST_CASE("a blank value comments the setting out", "[setup][SVC-115]") {
  const auto after = edit_kv("port = 1\nshared_buffers = 1MB # x\nshared_buffers = 2MB\n",
                             {{"shared_buffers", std::nullopt}});
  CHECK(*after == "port = 1\n#shared_buffers = 1MB # x\n#shared_buffers = 2MB\n");
}

TEST_CASE("a value that needs quotes gets them, and reads back", "[setup][SVC-115]") {
  const auto after = edit_kv("", {{"unix_socket_directories", "/srv/it's \\ here"}});
  REQUIRE(after);
  CHECK(*after == "unix_socket_directories = '/srv/it''s \\\\ here'\n");
  CHECK(**kv_value(*after, "UNIX_socket_directories") == "/srv/it's \\ here");
  CHECK_FALSE(edit_kv("", {{"a", "two\nlines"}}));
}

TEST_CASE("a configuration that cannot be read is refused with its place", "[setup][SVC-31]") {
  const auto open_quote = edit_kv("port = 1\nlisten_addresses = 'x\n", {{"port", "2"}});
  REQUIRE_FALSE(open_quote);
  CHECK(open_quote.error().code() == make_error_code(Failure::bad_file));
  CHECK_THAT(open_quote.error().message(), ContainsSubstring("line 2, column 20"));
  const auto extra = edit_kv("port = 1 2\n", {{"port", "2"}});
  REQUIRE_FALSE(extra);
  CHECK_THAT(extra.error().message(), ContainsSubstring("line 1, column 10"));
  const auto encrypted =
      replace_ini_section("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0\nAbC\n", "a", {});
  REQUIRE_FALSE(encrypted);
  CHECK_THAT(encrypted.error().message(), ContainsSubstring("line 3, column 1"));
  const auto header = replace_ini_section("[a\n", "a", {});
  REQUIRE_FALSE(header);
  CHECK_THAT(header.error().message(), ContainsSubstring("line 1"));
  const auto yaml = edit_yaml("zurg: v1\ntoken: \"open\n", {{"token", "x"}}, "zurg");
  REQUIRE_FALSE(yaml);
  CHECK_THAT(yaml.error().message(), ContainsSubstring("line 2, column 8"));
}

TEST_CASE("an INI section is replaced as a whole, the rest and every comment stays",
          "[setup][SVC-29][SVC-130]") {
  const std::string before =
      "# mine\n"
      "[other]\n"
      "type = local\n"
      "\n"
      "; about the remote\n"
      "[rd]\n"
      "type = webdav\n"
      "# keep me\n"
      "pass = old\n"
      "extra = gone\n"
      "\n"
      "[last]\n"
      "type: alias\n";
  const auto after = replace_ini_section(before, "rd", {{"type", "ftp"}, {"host", "h"}});
  REQUIRE(after);
  CHECK(*after ==
        "# mine\n"
        "[other]\n"
        "type = local\n"
        "\n"
        "; about the remote\n"
        "[rd]\n"
        "type = ftp\n"
        "host = h\n"
        "# keep me\n"
        "\n"
        "[last]\n"
        "type: alias\n");
  CHECK(*replace_ini_section(*after, "rd", {{"type", "ftp"}, {"host", "h"}}) == *after);
  CHECK(**ini_section(*after, "last") == Entries{{"type", "alias"}});
}

TEST_CASE("a new INI section is appended behind a blank line", "[setup][SVC-130]") {
  CHECK(*replace_ini_section("", "a", {{"x", "1"}}) == "[a]\nx = 1\n");
  CHECK(*replace_ini_section("[b]\ny = 2", "a", {{"x", "1"}}) == "[b]\ny = 2\n\n[a]\nx = 1\n");
  CHECK(*replace_ini_section("[a]\nx = 0\n[b]\n[a]\ny = 2\n", "a", {{"x", "1"}}) == "[a]\nx = 1\n[b]\n");
}

TEST_CASE("only top-level YAML keys are edited", "[setup][SVC-143]") {
  const std::string before =
      "# Zurg configuration\n"
      "zurg: v1\n"
      "token: old # from the site\n"
      "# port: 9999\n"
      "directories:\n"
      "  shows:\n"
      "    port: 1\n"
      "    password: nested\n";
  const auto after =
      edit_yaml(before, {{"port", "9191", false}, {"token", "n3w", true}, {"username", "me"}}, "zurg");
  REQUIRE(after);
  CHECK(*after ==
        "# Zurg configuration\n"
        "zurg: v1\n"
        "username: me\n"
        "token: n3w # from the site\n"
        "port: 9191\n"
        "directories:\n"
        "  shows:\n"
        "    port: 1\n"
        "    password: nested\n");
  CHECK(*edit_yaml(*after, {{"port", "9191", false}, {"token", "n3w", true}, {"username", "me"}}, "zurg") ==
        *after);
}

TEST_CASE("absent YAML keys are added after the anchor in their order", "[setup][SVC-143]") {
  const auto after = edit_yaml("# c\nzurg: v1\nhost: a\n", {{"port", "1", false}, {"token", "t"}}, "zurg");
  CHECK(*after == "# c\nzurg: v1\nport: 1\ntoken: t\nhost: a\n");
  CHECK(*edit_yaml("---\nhost: a\n", {{"port", "1", false}}, "zurg") == "---\nport: 1\nhost: a\n");
}

TEST_CASE("a YAML key without value is commented out with what belongs to it", "[setup][SVC-143]") {
  const auto after = edit_yaml("username: u\npassword:\n  - x\nhost: h\n",
                               {{"username", std::nullopt}, {"password", std::nullopt}}, "zurg");
  CHECK(*after == "# username: u\n# password:\n#   - x\nhost: h\n");
  CHECK(comment_out_yaml("on_library_update: sh plex_update.sh \"$@\"\n", "on_library_update",
                         "plex_update.sh") == "# on_library_update: sh plex_update.sh \"$@\"\n");
  CHECK(comment_out_yaml("on_library_update: mine.sh\n", "on_library_update", "plex_update.sh") ==
        "on_library_update: mine.sh\n");
}

TEST_CASE("YAML strings are quoted when YAML would read something else", "[setup][SVC-143]") {
  CHECK(yaml_scalar("plain-text_1", true) == "plain-text_1");
  CHECK(yaml_scalar("0123", true) == "\"0123\"");
  CHECK(yaml_scalar("Yes", true) == "\"Yes\"");
  CHECK(yaml_scalar("", true) == "\"\"");
  CHECK(yaml_scalar("a: b # \"c\"", true) == "\"a: b # \\\"c\\\"\"");
  CHECK(yaml_scalar("9090", false) == "9090");
  const auto quoted = edit_yaml("password: 0123\n", {{"password", "0123", true}}, "zurg");
  CHECK(*quoted == "password: \"0123\"\n");
  CHECK(**yaml_value(*quoted, "password") == "0123");
}

TEST_CASE("a wanted line is uncommented or appended", "[setup][SVC-128]") {
  CHECK(ensure_lines("# a\n#user_allow_other\n# b\n", {"user_allow_other"}) ==
        "# a\nuser_allow_other\n# b\n");
  CHECK(ensure_lines("mount_max = 5", {"user_allow_other"}) == "mount_max = 5\nuser_allow_other\n");
  CHECK(ensure_lines("", {"user_allow_other"}) == "user_allow_other\n");
  CHECK(ensure_lines("  user_allow_other  \n", {"user_allow_other"}) == "  user_allow_other  \n");
  CHECK(ensure_lines("a\r\n", {"b"}) == "a\r\nb\r\n");
}
