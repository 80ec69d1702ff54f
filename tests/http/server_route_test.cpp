#include "route.hpp"
#include "support/catch.hpp"

#include <array>

using namespace dumb;
using namespace dumb::server;

namespace {

RouteTable sample() {
  std::vector<Route> routes;
  for (const auto& [method, path] :
       std::initializer_list<std::pair<const char*, const char*>>{{"GET", "/process"},
                                                                  {"GET", "/config"},
                                                                  {"POST", "/config"},
                                                                  {"POST", "/process/start-service"}}) {
    Route route;
    route.method = method;
    route.path = path;
    routes.push_back(std::move(route));
  }
  return RouteTable(std::move(routes));
}

struct Sample {
  std::string name;
  bool dry_run = true;
  std::optional<std::int64_t> limit;
  std::vector<std::string> roots;
  static constexpr std::array<std::string_view, 1> required{"name"};
  static constexpr std::array<std::string_view, 1> omit_empty{"roots"};
};
BOOST_DESCRIBE_STRUCT(Sample, (), (name, dry_run, limit, roots))

}  // namespace

TEST_CASE("a path fits with and without final slash and the prefix /api", "[server][API-2][API-3][UI-8]") {
  const RouteTable table = sample();
  for (const char* path : {"/process", "/process/", "/api/process", "/api/process/", "/%70rocess"}) {
    INFO(path);
    const auto match = table.match("GET", path);
    REQUIRE(match.route != nullptr);
    CHECK(match.route->path == "/process");
  }
  for (const char* path : {"/", "/api", "/api/", "//process", "/process//", "/api/api/process", "/Process",
                           "process", "/process/start-service/x", "/config%2F", "*", "/apiprocess"}) {
    INFO(path);
    CHECK(table.match("GET", path).allow.empty());
    CHECK(table.match("GET", path).route == nullptr);
  }
}

TEST_CASE("a known path with the wrong method lists the right ones", "[server][API-4]") {
  const RouteTable table = sample();
  CHECK(table.match("DELETE", "/api/config/").route == nullptr);
  CHECK(table.match("DELETE", "/api/config/").allow == "GET, HEAD, POST");
  CHECK(table.match("GET", "/process/start-service").allow == "POST");
  CHECK(table.match("HEAD", "/process/start-service").route == nullptr);
  CHECK(table.match("get", "/process").route == nullptr);
}

TEST_CASE("HEAD is accepted where GET is", "[server][API-4]") {
  const RouteTable table = sample();
  REQUIRE(table.match("HEAD", "/config").route != nullptr);
  CHECK(table.match("HEAD", "/config").route->method == "GET");
}

TEST_CASE("the schema of a described type follows its members", "[server]") {
  CHECK(
      jsonx::print_compact(type_hook<Sample, Side::request>().schema()) ==
      R"({"type":"object","properties":{"name":{"type":"string"},"dry_run":{"type":"boolean","default":true},)"
      R"("limit":{"anyOf":[{"type":"integer"},{"type":"null"}]},"roots":{"type":"array","items":{"type":"string"}}},)"
      R"("required":["name"]})");
  CHECK(jsonx::print_compact(type_hook<Sample, Side::answer>().schema().at("required")) ==
        R"(["name","dry_run","limit"])");
  CHECK_FALSE(type_hook<Nothing, Side::request>());
}
