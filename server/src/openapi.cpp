#include "openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <dumb/engine/engine.hpp>
#include <memory>

#include "answers.hpp"

namespace dumb::server {

namespace asio = boost::asio;

namespace {

json::object content_of(std::string_view media_type, json::object schema) {
  json::object typed;
  typed["schema"] = std::move(schema);
  json::object out;
  out[media_type] = std::move(typed);
  return out;
}

json::object reference(std::string_view kind, std::string_view name) {
  json::object out;
  out["$ref"] = "#/components/" + std::string(kind) + "/" + std::string(name);
  return out;
}

/// "GET /process/symlink-repair" as "getProcessSymlinkRepair".
std::string operation_id(const Route& route) {
  std::string out;
  bool raise = false;
  const std::string words = std::string(route.method) + " " + std::string(route.path);
  for (const char c : words) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0) {
      raise = true;
      continue;
    }
    const bool first = out.empty();
    const auto spelt =
        raise && !first ? std::toupper(byte) : (first || std::isupper(byte) ? std::tolower(byte) : byte);
    out += static_cast<char>(spelt);
    raise = false;
  }
  return out;
}

/// The first segment of the path.
std::string tag_of(const Route& route) {
  const std::string_view path = route.path.substr(1);
  return std::string(path.substr(0, path.find('/')));
}

/// "username" of "/auth/users/{username}"; empty when the path has none.
std::string path_parameter(const Route& route) {
  const std::size_t begin = route.path.find('{');
  if (begin == std::string_view::npos) return {};
  return std::string(route.path.substr(begin + 1, route.path.size() - begin - 2));
}

json::array parameters_of(const Route& route) {
  json::array out;
  if (const std::string name = path_parameter(route); !name.empty()) {
    json::object parameter{{"name", name}, {"in", "path"}, {"required", true}};
    parameter["schema"] = json::object{{"type", "string"}};
    out.push_back(std::move(parameter));
  }
  if (!route.query) return out;
  const json::object schema = route.query.schema();
  const json::value* required = schema.if_contains("required");
  for (const auto& [name, member] : schema.at("properties").get_object()) {
    json::object parameter{{"name", name}, {"in", "query"}};
    const auto is_name = [&](const json::value& known) { return known.get_string() == name; };
    if (required != nullptr &&
        std::any_of(required->get_array().begin(), required->get_array().end(), is_name)) {
      parameter["required"] = true;
    }
    parameter["schema"] = member;
    out.push_back(std::move(parameter));
  }
  return out;
}

json::object answer_of(const Route& route) {
  json::object answer{{"description", "Done"}};
  if (!route.answer) return answer;
  json::object schema = route.answer.schema();
  const json::value* type = schema.if_contains("type");
  const bool is_text = type != nullptr && *type == "string";
  answer["content"] = content_of(is_text ? route.media_type : "application/json", std::move(schema));
  return answer;
}

json::object answers_of(const Route& route) {
  json::object out;
  out["200"] = answer_of(route);
  const auto add = [&](std::string_view status, std::string_view name) {
    out[status] = reference("responses", name);
  };
  add("400", "Refused");
  if (route.access != Access::open || route.path.starts_with("/auth/")) add("401", "Unauthenticated");
  add("403", "Elsewhere");
  add("404", "NotFound");
  if (route.effect == Effect::changes_state) add("409", "Conflict");
  if (route.query || route.body) add("422", "Invalid");
  add("500", "Failed");
  add("503", "Unavailable");
  return out;
}

std::string description_of(const Route& route) {
  std::string out = std::string(route.summary) + ".";
  if (route.effect == Effect::changes_state) out += " Changes state; refused while the server shuts down.";
  if (route.access == Access::open) out += " Needs no token.";
  if (route.access == Access::authenticated) out += " Needs a token while authentication is on.";
  if (route.access == Access::user) out += " Needs a token.";
  return out;
}

json::object operation_of(const Route& route) {
  json::object out;
  out["operationId"] = operation_id(route);
  out["summary"] = route.summary;
  out["description"] = description_of(route);
  out["tags"] = json::array{tag_of(route)};
  if (json::array parameters = parameters_of(route); !parameters.empty())
    out["parameters"] = std::move(parameters);
  if (route.body) {
    json::object schema = route.body.schema();
    const bool needed = schema.contains("required");
    out["requestBody"] =
        json::object{{"required", needed}, {"content", content_of("application/json", std::move(schema))}};
  }
  out["responses"] = answers_of(route);
  out["security"] =
      route.access == Access::open ? json::array{} : json::array{json::object{{"token", json::array{}}}};
  return out;
}

json::object refusal(std::string_view description, std::string_view schema) {
  json::object out;
  out["description"] = description;
  out["content"] = content_of("application/json", reference("schemas", schema));
  return out;
}

json::object components() {
  const json::object text{{"type", "string"}};
  json::object detail{{"type", "object"}, {"required", json::array{"detail"}}};
  detail["properties"] = json::object{{"detail", text}};
  json::object fault{{"type", "object"}, {"required", json::array{"type", "loc", "msg"}}};
  fault["properties"] = json::object{
      {"type", text},
      {"loc",
       json::object{{"type", "array"}, {"items", json::object{{"type", json::array{"string", "integer"}}}}}},
      {"msg", text},
      {"input", json::object{}},
      {"ctx", json::object{}}};
  json::object faults{{"type", "object"}, {"required", json::array{"detail"}}};
  faults["properties"] =
      json::object{{"detail", json::object{{"type", "array"}, {"items", std::move(fault)}}}};

  json::object responses;
  responses["Refused"] = refusal("The request makes no sense for this service or state", "Detail");
  responses["Unauthenticated"] = refusal("A token is needed, or credentials do not fit", "Detail");
  responses["Elsewhere"] =
      refusal("The request comes from another site while authentication is off", "Detail");
  responses["NotFound"] = refusal("No process, job or path of that name", "Detail");
  responses["Conflict"] = refusal("Another operation is in the way", "Detail");
  responses["Invalid"] = refusal("Parameters or body have faults; all of them are listed", "Faults");
  responses["Failed"] = refusal("The operation failed", "Detail");
  responses["Unavailable"] = refusal("The server is shutting down, or a store cannot be read", "Detail");

  json::object out;
  out["schemas"] = json::object{{"Detail", std::move(detail)}, {"Faults", std::move(faults)}};
  out["responses"] = std::move(responses);
  out["securitySchemes"] =
      json::object{{"token", json::object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"}}}};
  return out;
}

json::array tags_of(const std::vector<Route>& routes) {
  json::array out;
  for (const Route& route : routes) {
    json::object tag{{"name", tag_of(route)}};
    if (std::find(out.begin(), out.end(), tag) == out.end()) out.push_back(std::move(tag));
  }
  return out;
}

Route page_route(std::string_view path, std::string_view summary, std::string_view media_type) {
  Route route;
  route.method = "GET";
  route.path = path;
  route.summary = summary;
  route.access = Access::open;
  route.answer = type_hook<engine::Text, Side::answer>();
  route.media_type = media_type;
  return route;
}

asio::awaitable<Response> page(engine::Engine&, Request) {
  Response response = text_response(200, "text/html; charset=utf-8", std::string(documentation_page()));
  // It talks to this server and loads nothing.
  response.headers.add(
      "Content-Security-Policy",
      "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
      "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'");
  co_return response;
}

asio::awaitable<Response> document(std::shared_ptr<const std::string> text) {
  co_return text_response(200, "application/json", *text);
}

}  // namespace

json::object openapi_document(const std::vector<Route>& routes, std::string_view version) {
  json::object out;
  out["openapi"] = "3.1.0";
  json::object info{{"title", "DUMB"}, {"version", version}};
  info["description"] = "Supervises the services of a media stack. Every path is also served beneath /api.";
  info["license"] = json::object{{"name", "MIT"}, {"identifier", "MIT"}};
  out["info"] = std::move(info);
  out["servers"] = json::array{json::object{{"url", "/"}}};
  out["tags"] = tags_of(routes);
  json::object paths;
  for (const Route& route : routes) {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    json::value& path = paths[route.path];
    if (!path.is_object()) path.emplace_object();
    path.get_object()[method] = operation_of(route);
  }
  out["paths"] = std::move(paths);
  out["components"] = components();
  return out;
}

std::vector<Route> documentation_routes(const std::vector<Route>& routes) {
  std::vector<Route> out;
  out.push_back(page_route("/openapi.json", "This description, as OpenAPI 3.1", "application/json"));
  out.back().answer = type_hook<json::object, Side::answer>();
  out.push_back(page_route("/docs", "The API as a page, to read and to try", "text/html"));
  out.push_back(page_route("/scalar", "The same page, where the frontend looks for it", "text/html"));
  std::vector<Route> all = routes;
  all.insert(all.end(), out.begin(), out.end());
  // Made when somebody asks.
  auto text = std::make_shared<std::string>();
  out[0].handle = [all = std::move(all), text](engine::Engine&, Request) {
    if (text->empty()) *text = jsonx::print_compact(openapi_document(all, engine::version()));
    return document(text);
  };
  out[1].handle = &page;
  out[2].handle = &page;
  return out;
}

}  // namespace dumb::server
