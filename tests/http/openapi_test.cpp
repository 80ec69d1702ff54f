#include "openapi.hpp"

#include <boost/json.hpp>
#include <set>

#include "golden.hpp"
#include "routes.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

json::object child() {
  json::object services;
  services["child"] = child_block("Child", {});
  return services;
}

json::object described(Stack& stack) {
  const Answer answer = stack.get("/openapi.json");
  REQUIRE(answer.status == 200);
  CHECK(answer.headers.at("content-type") == "application/json");
  return parsed(answer.body).as_object();
}

/// Calls `visit` with every object below `value`.
void each_object(const json::value& value, const std::function<void(const json::object&)>& visit) {
  if (const auto* object = value.if_object()) {
    visit(*object);
    for (const auto& [key, member] : *object) each_object(member, visit);
  } else if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) each_object(element, visit);
  }
}

/// A value that is not what the schema asks for.
json::value wrong_for(const json::object& schema) {
  const std::string type = jsonx::string_at(schema, "type");
  if (type == "string") return json::array{1};
  if (type == "object" || type == "array") return "text";
  if (type == "boolean") return json::object();
  return type.empty() ? json::value(nullptr) : json::value("text");
}

/// Bodies for a schema: whole, without each member, with each of another type, with one nobody knows.
std::vector<std::string> bodies_for(const json::object& schema) {
  std::vector<std::string> out{"", "[", "null", "[]", "{}", "\"text\"", R"({"nobody knows":1})", "\xFF\xFE"};
  json::object whole;
  for (const auto& [name, member] : schema.at("properties").as_object()) {
    const std::string type = jsonx::string_at(member.as_object(), "type");
    whole[name] = type == "boolean"                       ? json::value(true)
                  : type == "integer" || type == "number" ? json::value(-1)
                  : type == "array"                       ? json::value(json::array())
                  : type == "object"                      ? json::value(json::object())
                                                          : json::value("../../etc/passwd\u0000");
  }
  out.push_back(jsonx::print_compact(whole));
  for (const auto& [name, member] : schema.at("properties").as_object()) {
    json::object wrong = whole;
    wrong[name] = wrong_for(member.as_object());
    out.push_back(jsonx::print_compact(wrong));
    wrong.erase(name);
    out.push_back(jsonx::print_compact(wrong));
  }
  return out;
}

std::vector<std::string> queries_for(const json::object& operation) {
  std::vector<std::string> out{"", "?nobody=1", "?%FF=%00&&=", "?x[]=1&x[]=2"};
  const json::value* parameters = operation.if_contains("parameters");
  if (parameters == nullptr) return out;
  std::string all = "?";
  for (const json::value& parameter : parameters->as_array()) {
    if (jsonx::string_at(parameter.as_object(), "in") != "query") continue;
    const std::string name = jsonx::string_at(parameter.as_object(), "name");
    // A long poll would wait.
    if (name == "timeout") continue;
    for (const char* value : {"", "-1", "x", "%2e%2e%2f", "99999999999999999999", "%00", "%FF"}) {
      out.push_back("?" + name + "=" + value);
    }
    all += name + "=Child&";
  }
  out.push_back(all);
  return out;
}

}  // namespace

TEST_CASE("the description names every route with its parameters, bodies and answers", "[server][UI-45]") {
  Stack stack(child());
  const json::object document = described(stack);
  CHECK(document.at("openapi") == "3.1.0");
  std::set<std::string> ids;
  std::size_t operations = 0;
  for (const server::Route& route : stack.routes()) {
    INFO(route.method << ' ' << route.path);
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const json::object& operation = document.at("paths").at(route.path).at(method).as_object();
    CHECK(ids.insert(jsonx::string_at(operation, "operationId")).second);
    CHECK(jsonx::string_at(operation, "summary") == route.summary);
    CHECK(operation.contains("requestBody") == bool(route.body));
    CHECK(operation.at("responses").as_object().contains("200"));
    CHECK(operation.at("security").as_array().empty() == (route.access == server::Access::open));
    ++operations;
  }
  std::size_t listed = 0;
  for (const auto& [path, methods] : document.at("paths").as_object()) listed += methods.as_object().size();
  CHECK(listed == operations);
  const json::object& user = document.at("paths").at("/auth/users/{username}").at("put").as_object();
  CHECK(user.at("parameters").at(0).at("in") == "path");
  CHECK(user.at("parameters").at(0).at("name") == "username");
}

TEST_CASE("every reference of the description leads somewhere and every array says of what",
          "[server][UI-45]") {
  Stack stack(child());
  const json::object document = described(stack);
  std::size_t references = 0;
  each_object(json::value(document), [&](const json::object& object) {
    if (const json::value* target = object.if_contains("$ref")) {
      ++references;
      const std::string pointer(target->as_string());
      INFO(pointer);
      REQUIRE(pointer.starts_with("#/"));
      const auto path = jsonx::parse_pointer(pointer.substr(1));
      REQUIRE(path);
      CHECK(jsonx::find(document, *path) != nullptr);
    }
    const json::value* type = object.if_contains("type");
    if (type != nullptr && *type == "array") CHECK(object.contains("items"));
  });
  CHECK(references > 100);
}

TEST_CASE("the page of the API needs nothing from elsewhere", "[server][UI-45]") {
  Stack stack(child());
  for (const char* path : {"/docs", "/scalar", "/docs/", "/api/docs"}) {
    const Answer page = stack.get(path);
    INFO(path);
    CHECK(page.status == 200);
    CHECK(page.headers.at("content-type") == "text/html; charset=utf-8");
    CHECK_THAT(page.headers.at("content-security-policy"), ContainsSubstring("default-src 'none'"));
    CHECK_THAT(page.body, ContainsSubstring("openapi.json"));
    CHECK(page.body.find("http://") == std::string::npos);
    CHECK(page.body.find("https://") == std::string::npos);
    CHECK(page.body.find("src=") == std::string::npos);
  }
  CHECK(stack.get("/redoc").status == 404);
}

TEST_CASE("whatever is sent to a route, it answers as described and never fails", "[server][UI-45][API-10]") {
  Stack stack(child());
  const json::object document = described(stack);
  std::size_t asked = 0;
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    for (const auto& [method, value] : methods.as_object()) {
      const json::object& operation = value.as_object();
      // Hashing passwords is slow, and whoever is set up first closes the door on all others.
      if (path.starts_with("/auth/") && operation.contains("requestBody")) continue;
      if (path.starts_with("/auth/") && method != "get") continue;
      std::vector<std::string> bodies{""};
      if (operation.contains("requestBody")) {
        bodies = bodies_for(
            operation.at("requestBody").at("content").at("application/json").at("schema").as_object());
      }
      std::string verb(method);
      for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      for (const std::string& query : queries_for(operation)) {
        for (const std::string& body : bodies) {
          const std::string target = std::string(path) + query;
          const Answer answer = request(stack.port(), verb, target, body);
          INFO(verb << ' ' << target << ' ' << body << ": " << answer.status << ' ' << answer.body);
          CHECK(answer.status < 500);
          CHECK(operation.at("responses").as_object().contains(std::to_string(answer.status)));
          ++asked;
        }
      }
    }
  }
  CHECK(asked > 500);
}
