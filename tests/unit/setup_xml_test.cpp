#include "setup/xml.hpp"

#include <dumb/setup/setup.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::setup;

TEST_CASE("an edit of XML changes what is named and nothing else", "[setup][SVC-29][SVC-200]") {
  const std::string text =
      "\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<!-- mine -->\r\n<Config a='1'>\r\n\t<Port>8989</Port>\r\n"
      "\t<LogLevel>Info</LogLevel>\r\n\t<Empty/>\r\n\t<Theme>a &lt; b</Theme>\r\n</Config>\r\n";
  const auto edited = xml::edit(text, {{"/Config/Port", "9000"},
                                       {"/Config/LogLevel", "info", false, true},
                                       {"/Config/Empty", "x<&y"},
                                       {"/Config/InstanceName", "So \"narr\""},
                                       {"/Config/Theme", "other", true},
                                       {"/Config/@b", "2"}});
  REQUIRE(edited);
  CHECK(*edited ==
        "\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<!-- mine -->\r\n<Config a='1' b=\"2\">\r\n"
        "\t<Port>9000</Port>\r\n\t<LogLevel>Info</LogLevel>\r\n\t<Empty>x&lt;&amp;y</Empty>\r\n"
        "\t<Theme>a &lt; b</Theme>\r\n\t<InstanceName>So &quot;narr&quot;</InstanceName>\r\n</Config>\r\n");
  CHECK(*xml::edit(*edited, {{"/Config/Port", "9000"}, {"/Config/Empty", "x<&y"}, {"/Config/@b", "2"}}) ==
        *edited);
  CHECK(**xml::value(*edited, "/Config/Theme") == "a < b");
  CHECK(**xml::value(*edited, "/Config/@a") == "1");
  CHECK_FALSE(xml::value(*edited, "/Config/Absent")->has_value());
}

TEST_CASE("an empty document of one element grows lines", "[setup][SVC-29]") {
  CHECK(*xml::edit("<Config/>", {{"/Config/Port", "1"}, {"/Config/ApiKey", "k", true}}) ==
        "<Config>\n  <Port>1</Port>\n  <ApiKey>k</ApiKey>\n</Config>");
  CHECK(*xml::edit("<Preferences/>", {{"/Preferences/@FriendlyName", "a & b"}}) ==
        "<Preferences FriendlyName=\"a &amp; b\"/>");
  CHECK(*xml::edit("<a></a>", {{"/a/b/c", "1"}}) == "<a>\n  <b>\n    <c>1</c>\n  </b>\n</a>");
}

TEST_CASE("what is no XML is refused with its place", "[setup][SVC-31]") {
  for (const auto& [text, where] : std::vector<std::pair<std::string, std::string>>{
           {"", "line 1, column 1: there is no element"},
           {"<a>\n <b>\n</a>", "line 3, column 1: </a> closes nothing that is open"},
           {"<a", "line 1, column 3: the tag is not closed"},
           {"<a b=1/>", "line 1, column 6: a value must be quoted"},
           {"<a/><b/>", "line 1, column 5: a second root element"},
           {"<a>", "line 1, column 4: the element a is not closed"},
           {"text<a/>", "line 1, column 1: text outside the root element"}}) {
    INFO(text);
    const auto edited = xml::edit(text, {{"/a/b", "1"}});
    REQUIRE_FALSE(edited);
    CHECK(edited.error().code() == make_error_code(Failure::bad_file));
    CHECK(edited.error().message() == where);
  }
  CHECK(xml::edit("<Other/>", {{"/Config/Port", "1"}}).error().message() ==
        "line 1, column 1: the root element must be Config");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  CHECK_FALSE(xml::edit(deep, {{"/a/b", "1"}}));
}

TEST_CASE("the network of Jellyfin is made once and then only its ports change", "[setup][SVC-197]") {
  const auto made = xml::jellyfin_network("", 8096);
  REQUIRE(made);
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"InternalHttpPort", "8096"},
                                                        {"PublicHttpPort", "8096"},
                                                        {"InternalHttpsPort", "8920"},
                                                        {"EnableRemoteAccess", "true"},
                                                        {"IsRemoteIPFilterBlacklist", "false"},
                                                        {"KnownProxies", ""}}) {
    INFO(name);
    const auto found = xml::value(*made, "/NetworkConfiguration/" + name);
    REQUIRE(found);
    REQUIRE(*found);
    CHECK(**found == value);
  }
  CHECK(**xml::value(*made, "/NetworkConfiguration/VirtualInterfaceNames/string") == "veth");
  CHECK(*xml::jellyfin_network(*made, 8096) == *made);
  const auto moved =
      xml::jellyfin_network("<NetworkConfiguration><HttpPort>1</HttpPort></NetworkConfiguration>", 9);
  CHECK(*moved == "<NetworkConfiguration><HttpPort>9</HttpPort></NetworkConfiguration>");
  const auto added = xml::jellyfin_network("<NetworkConfiguration/>", 9);
  CHECK(**xml::value(*added, "/NetworkConfiguration/PublicHttpPort") == "9");
}

TEST_CASE("the ports of Emby follow the configuration", "[setup][SVC-199]") {
  CHECK(*xml::emby_system("<ServerConfiguration><PublicPort>1</PublicPort></ServerConfiguration>", 8097) ==
        "<ServerConfiguration><PublicPort>8097</PublicPort></ServerConfiguration>");
  const auto added = xml::emby_system("<ServerConfiguration>\n</ServerConfiguration>\n", 8097);
  CHECK(*added ==
        "<ServerConfiguration>\n  <HttpServerPortNumber>8097</HttpServerPortNumber>\n"
        "  <PublicPort>8097</PublicPort>\n</ServerConfiguration>\n");
}
