#include "cli/src/arguments.hpp"
#include "cli/src/style.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using Words = std::vector<std::string>;

namespace {

cli::Invocation parsed(const Words& words) {
  const auto invocation = cli::parse_arguments(words);
  REQUIRE(invocation);
  return *invocation;
}

std::string usage_fault(const Words& words) {
  const auto invocation = cli::parse_arguments(words);
  REQUIRE_FALSE(invocation);
  CHECK(cli::exit_code(invocation.error().code()) == cli::ExitCode::usage);
  return invocation.error().message();
}

}  // namespace

TEST_CASE("options may stand before and after the command", "[cli]") {
  for (const Words& words : {Words{"--json", "--url", "http://h:1", "status", "Zilean"},
                             Words{"status", "Zilean", "--url=http://h:1", "--json"},
                             Words{"status", "--json", "--url", "http://h:1", "Zilean"}}) {
    const auto invocation = parsed(words);
    CHECK(invocation.command->name == "status");
    CHECK(invocation.json);
    CHECK(invocation.url == "http://h:1");
    CHECK(invocation.arguments == Words{"Zilean"});
  }
}

TEST_CASE("a service may have the name of a command or begin with a dash", "[cli]") {
  CHECK(parsed({"start", "ps", "status", "config"}).arguments == Words{"ps", "status", "config"});
  CHECK(parsed({"stop", "--", "--json"}).arguments == Words{"--json"});
  CHECK_FALSE(parsed({"stop", "--", "--json"}).json);
}

TEST_CASE("a value in brackets stays one value", "[cli]") {
  CHECK(parsed({"config", "set", "q.depends_on", R"(["P","R"])"}).arguments ==
        Words{"q.depends_on", R"(["P","R"])"});
  CHECK(parsed({"config", "set", "q.depends_on", "[]"}).arguments == Words{"q.depends_on", "[]"});
  CHECK(parsed({"up", "[P,Q]"}).arguments == Words{"[P,Q]"});
}

TEST_CASE("commands of a group are found by both words", "[cli]") {
  const auto set = parsed({"config", "set", "/zilean/port", "-5", "--no-save"});
  CHECK(set.command->name == "config set");
  CHECK(set.arguments == Words{"/zilean/port", "-5"});
  CHECK(set.has("--no-save"));
  CHECK(parsed({"config", "validate"}).arguments.empty());
  CHECK(parsed({"logs", "-fn", "5", "Zilean"}).value("--lines") == "5");
  CHECK(parsed({"logs", "-f", "Zilean"}).has("--follow"));
}

TEST_CASE("wrong usage is said in one sentence", "[cli]") {
  CHECK(usage_fault({}) == "no command; try 'dumb-cli --help'");
  CHECK(usage_fault({"pss"}) == "unknown command 'pss'");
  CHECK(usage_fault({"--json", "frob", "x"}) == "unknown command 'frob'");
  CHECK(usage_fault({"config"}) == "config: name one of validate, show, get, set");
  CHECK(usage_fault({"config", "frob"}) == "unknown command 'config frob'");
  CHECK(usage_fault({"status"}) == "status: NAME is missing");
  CHECK(usage_fault({"start"}) == "start: NAME is missing");
  CHECK(usage_fault({"config", "set", "/puid"}) == "config set: VALUE is missing");
  CHECK(usage_fault({"ps", "Zilean"}) == "ps: unexpected argument 'Zilean'");
  CHECK(usage_fault({"ps", "--color", "blue"}) == "--color must be auto, always or never, got 'blue'");
  CHECK(usage_fault({"ps", "--frob"}) == "ps: unknown option '--frob'");
  CHECK(usage_fault({"--frob"}) == "unknown option '--frob'");
  CHECK(usage_fault({"logs", "Zilean", "-n"}) == "--lines needs a value");
}

TEST_CASE("help is there for everything and fits a terminal", "[cli]") {
  test::CliProgram program;
  CHECK(program.run({"--help"}) == 0);
  test::check_golden("help.txt", program.out);
  CHECK(program.run({"logs", "--help"}) == 0);
  test::check_golden("help_logs.txt", program.out);
  std::vector<std::string> pages{cli::help_text()};
  for (const auto& command : cli::commands()) pages.push_back(cli::help_text(command));
  for (const std::string& page : pages) {
    std::size_t begin = 0;
    while (begin < page.size()) {
      const std::size_t end = page.find('\n', begin);
      REQUIRE(end != std::string::npos);
      CAPTURE(page.substr(begin, end - begin));
      CHECK(cli::display_width(page.substr(begin, end - begin)) <= 80);
      begin = end + 1;
    }
  }
  CHECK(program.requests.empty());
}

TEST_CASE("every command of the table can be named", "[cli]") {
  for (const auto& command : cli::commands()) {
    Words words;
    std::string name(command.name);
    if (const auto blank = name.find(' '); blank != std::string::npos) {
      words.push_back(name.substr(0, blank));
      name.erase(0, blank + 1);
    }
    words.push_back(name);
    for (const auto& argument : command.arguments) words.emplace_back(argument.name);
    CHECK(parsed(words).command == &command);
    CHECK(cli::find_command(command.name) == &command);
  }
}

TEST_CASE("the manual names every command and option", "[cli]") {
  const std::string manual = test::read_text(DUMB_SOURCE_DIR "/docs/cli.md");
  const auto check_options = [&](std::span<const cli::OptionInfo> options) {
    for (const auto& option : options) {
      CHECK_THAT(manual, ContainsSubstring("`" + std::string(option.name)));
      if (!option.letter.empty()) CHECK_THAT(manual, ContainsSubstring("`" + std::string(option.letter)));
    }
  };
  check_options(cli::global_options());
  for (const auto& command : cli::commands()) {
    CHECK_THAT(manual, ContainsSubstring("| `" + std::string(command.name)));
    check_options(command.options);
  }
}
