#include "arguments.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::server;

namespace {

ParsedArguments parse(std::vector<std::string> words, config::Environment environment = {{"HOME", "/home/u"}},
                      bool root_user = false) {
  return parse_arguments(words, environment, root_user, "/work/dir", "1.2.3");
}

}  // namespace

TEST_CASE("options of the server's command line are read", "[server]") {
  const auto parsed = parse({"--root", "stack", "--config=/etc/dumb.json", "--host", "::1", "--port", "0"});
  REQUIRE(parsed.run);
  CHECK(parsed.run->root == "/work/dir/stack");
  CHECK(parsed.run->config == "/etc/dumb.json");
  CHECK(parsed.run->host == "::1");
  CHECK(parsed.run->port == 0);
}

TEST_CASE("without options the root depends on the user", "[server]") {
  CHECK(parse({}, {{"HOME", "/root"}}, true).run->root == "/");
  CHECK(parse({}).run->root == "/home/u/.local/share/dumb");
  CHECK(parse({}, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "/data"}}).run->root == "/data/dumb");
  CHECK(parse({}, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "data"}}).run->root == "/home/u/.local/share/dumb");
  CHECK_FALSE(parse({}).run->config);
  CHECK_FALSE(parse({}).run->host);
  CHECK_FALSE(parse({}).run->port);
  const auto homeless = parse({}, {});
  CHECK_FALSE(homeless.run);
  CHECK(homeless.exit_status == 2);
  CHECK_THAT(homeless.output, ContainsSubstring("--root"));
}

TEST_CASE("environment variables stand in for options and options win", "[server]") {
  const config::Environment environment{{"DUMB_ROOT", "/a"}, {"DUMB_CONFIG", "b.json"}};
  CHECK(parse({}, environment).run->root == "/a");
  CHECK(parse({}, environment).run->config == "/work/dir/b.json");
  CHECK(parse({"--root", "/c", "--config", "/d.json"}, environment).run->root == "/c");
  CHECK(parse({"--root", "/c", "--config", "/d.json"}, environment).run->config == "/d.json");
}

TEST_CASE("help and version end well, a wrong command line with status 2", "[server]") {
  const auto help = parse({"--help"});
  CHECK_FALSE(help.run);
  CHECK(help.exit_status == 0);
  for (const char* word : {"--root", "--config", "--host", "--port", "--version"}) {
    CHECK_THAT(help.output, ContainsSubstring(word));
  }
  CHECK(parse({"--version"}).output == "dumb-server 1.2.3\n");
  CHECK(parse({"--version"}).exit_status == 0);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--port", "65536"},
                                                {"--port", "-1"},
                                                {"--port", "x"},
                                                {"--nonsense"},
                                                {"word"},
                                                {"--root"}}) {
    const auto bad = parse(words);
    INFO(words.front());
    CHECK_FALSE(bad.run);
    CHECK(bad.exit_status == 2);
    CHECK_FALSE(bad.output.empty());
  }
}
