#include <dumb/catalog/catalog.hpp>

#include <algorithm>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using catalog::Catalog;

namespace {

std::string pagemill() {
  return test::read_text(std::string(DUMB_SOURCE_DIR) + "/tests/data/catalog/pagemill.json");
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a directory adds services and replaces them by key", "[catalog][SVC-1]") {
  const test::TempDir directory;
  test::write_text(directory / "pagemill.json", pagemill());
  const std::string zurg = with(pagemill(), R"("key": "pagemill")", R"("key": "zurg")");
  test::write_text(directory / "zurg.json",
                   with(zurg, R"("config_path": "pagemill")", R"("config_path": "zurg")"));
  test::write_text(directory / "notes.txt", "not a service");
  std::vector<Error> problems;
  const auto loaded = Catalog::load(directory.path(), problems);
  REQUIRE(loaded);
  for (const auto& problem : problems) UNSCOPED_INFO(problem.to_string());
  CHECK(problems.empty());
  CHECK(loaded->services().size() == 32);
  REQUIRE(loaded->find("pagemill") != nullptr);
  CHECK(loaded->find("pagemill")->display_name == "PageMill");
  CHECK(loaded->find("zurg")->display_name == "PageMill");
}

TEST_CASE("a service of the directory can be part of the default document", "[catalog][SVC-3]") {
  const test::TempDir directory;
  test::write_text(directory / "pagemill.json",
                   with(pagemill(), R"("in_default_config": false)", R"("in_default_config": true)"));
  std::vector<Error> problems;
  const auto loaded = Catalog::load(directory.path(), problems);
  REQUIRE(loaded);
  const auto document = loaded->default_document();
  REQUIRE(document.contains("pagemill"));
  CHECK(document.at("pagemill").at("port") == 4411);
  CHECK(std::prev(document.end())->key() == "pagemill");
}

TEST_CASE("faulty files of a directory are named and the others load", "[catalog][SVC-2]") {
  const test::TempDir directory;
  test::write_text(directory / "a.json", "{ not json");
  test::write_text(directory / "b.json", pagemill());
  test::write_text(directory / "c.json", pagemill());
  test::write_text(directory / "d.json", with(pagemill(), R"("do": "edit")", R"("do": "conjure")"));
  test::write_text(directory / "_catalogue.json", "{}");
  std::filesystem::create_directory(directory / "e.json");
  std::vector<Error> problems;
  const auto loaded = Catalog::load(directory.path(), problems);
  REQUIRE(loaded);
  CHECK(loaded->find("pagemill") != nullptr);
  CHECK(loaded->services().size() == 32);
  const auto problem_of = [&](std::string_view file) {
    const auto found = std::find_if(problems.begin(), problems.end(),
                                    [&](const Error& error) { return error.where() == file; });
    return found == problems.end() ? std::string("none") : found->message();
  };
  CHECK(problems.size() == 5);
  CHECK_THAT(problem_of("a.json"), ContainsSubstring("line 1"));
  CHECK(problem_of("b.json") == "none");
  CHECK_THAT(problem_of("c.json"), ContainsSubstring("/key: \"pagemill\" is already defined by b.json"));
  CHECK_THAT(problem_of("d.json"), ContainsSubstring("/steps/configure/1/do: is no step type: \"conjure\""));
  CHECK_THAT(problem_of("_catalogue.json"), ContainsSubstring("cannot be replaced"));
  CHECK(problem_of("e.json") != "none");
}

TEST_CASE("two services cannot have one section", "[catalog][SVC-2]") {
  const test::TempDir directory;
  test::write_text(directory / "mill.json",
                   with(pagemill(), R"("config_path": "pagemill")", R"("config_path": "zurg")"));
  std::vector<Error> problems;
  const auto loaded = Catalog::load(directory.path(), problems);
  REQUIRE(loaded);
  REQUIRE(problems.size() == 1);
  CHECK(problems.front().to_string() == "mill.json: /config_path: \"zurg\" belongs to the service zurg");
  CHECK(loaded->find("pagemill") == nullptr);
}

TEST_CASE("a missing directory is a problem and the embedded services remain", "[catalog][SVC-1]") {
  std::vector<Error> problems;
  const auto loaded = Catalog::load("/nonexistent/services", problems);
  REQUIRE(loaded);
  REQUIRE(problems.size() == 1);
  CHECK(problems.front().where() == "/nonexistent/services");
  CHECK(loaded->services().size() == 31);
}
