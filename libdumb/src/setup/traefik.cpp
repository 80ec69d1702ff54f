#include "setup/traefik.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {
namespace {

json::object object_of(const std::vector<std::pair<std::string, json::value>>& members) {
  json::object out;
  for (const auto& [name, value] : members) out[name] = value;
  return out;
}

json::value text_value(std::string_view text) {
  return json::value(json::string(text));
}

json::array texts(const std::vector<std::string>& words) {
  json::array out;
  for (const std::string& word : words) out.emplace_back(word);
  return out;
}

void yaml_value_into(std::string& out, const json::value& value, std::size_t depth);

void yaml_members(std::string& out, const json::object& object, std::size_t depth) {
  for (const auto& [name, value] : object) {
    out += std::string(depth * 2, ' ') + yaml_scalar(name, true) + ":";
    yaml_value_into(out, value, depth + 1);
  }
}

void yaml_value_into(std::string& out, const json::value& value, std::size_t depth) {
  if (const json::object* object = value.if_object()) {
    out += object->empty() ? " {}\n" : "\n";
    yaml_members(out, *object, depth);
    return;
  }
  if (const json::array* array = value.if_array()) {
    out += array->empty() ? " []\n" : "\n";
    for (const json::value& element : *array) {
      out += std::string(depth * 2, ' ') + "-";
      yaml_value_into(out, element, depth + 1);
    }
    return;
  }
  out += value.is_null() ? std::string(" null\n")
                         : " " + yaml_scalar(jsonx::scalar_text(value), value.is_string()) + "\n";
}

int port_of(const json::object& block, std::string_view field) {
  return static_cast<int>(text::to_int(jsonx::text_at(block, field)).value_or(0));
}

/// What is collected for one file of routes.
struct Routes {
  json::object routers, services, middlewares;

  void router(const std::string& name, const std::string& rule, const std::string& service,
              const std::vector<std::string>& through, int priority = 0) {
    json::object out = object_of({{"rule", text_value(rule)}, {"service", text_value(service)}});
    out["entryPoints"] = texts({"web"});
    if (!through.empty()) out["middlewares"] = texts(through);
    if (priority > 0) out["priority"] = priority;
    routers[name] = std::move(out);
  }
  void middleware(const std::string& name, const std::string& type, json::object settings) {
    middlewares[name] = object_of({{type, json::value(std::move(settings))}});
  }
  void server(const std::string& name, const std::string& url) {
    json::array servers;
    servers.emplace_back(object_of({{"url", text_value(url)}}));
    services[name] =
        object_of({{"loadBalancer", json::value(object_of({{"servers", json::value(servers)}}))}});
  }
};

/// The two redirections of pages that do not know they are below a path (Jellyfin, Emby).
std::vector<std::string> add_prefix(Routes& routes, const std::string& n, const std::string& prefix) {
  routes.middleware(n + "_index_redirect", "replacePathRegex",
                    object_of({{"regex", text_value("^/index\\.html")},
                               {"replacement", text_value(prefix + "/index.html")}}));
  routes.middleware(
      n + "_web_dirs", "replacePathRegex",
      object_of(
          {{"regex",
            text_value("^/(wizard|strings|scripts|lib|assets|fonts|images|css|js)(/.*)?$|^/(sw\\.js)$")},
           {"replacement", text_value(prefix + "/$1$2$3")}}));
  return {n + "_index_redirect", n + "_web_dirs"};
}

void add_traefik(Routes& routes, const std::string& base) {
  const std::vector<std::string> frame{"ui_frame_headers"};
  const std::vector<std::string> strip{"traefik_strip", "ui_frame_headers"};
  routes.middleware("traefik_assets", "replacePathRegex",
                    object_of({{"regex", text_value("^" + base + "/assets/(.*)")},
                               {"replacement", text_value("/dashboard/assets/$1")}}));
  routes.router("traefik_api_router", fmt::format("PathPrefix(`{}/api`)", base), "api@internal", strip, 1000);
  routes.router("traefik_dashboard_router", fmt::format("PathPrefix(`{}/dashboard`)", base), "api@internal",
                strip, 900);
  routes.router("traefik_assets_router", fmt::format("PathPrefix(`{}/assets/`)", base), "api@internal",
                {"traefik_assets", "ui_frame_headers"}, 1000);
}

std::string route_name(const Scope& scope, const config::BlockRef& ref, const json::object& ui) {
  const catalog::Service* service = scope.context().catalog->find(ref.config_key);
  std::string name = jsonx::text_at(ui, "name");
  if (service->multi_instance || name == "{process_name}") name = ref.process_name;
  name = text::replace_all(text::replace_all(std::move(name), " ", "_"), "/", "_");
  return text::lower(name);
}

void add_interface(const Scope& scope, Routes& routes, const config::BlockRef& ref, const json::object& ui) {
  const json::object& block = scope.context().config->block(ref);
  const std::string n = route_name(scope, ref, ui);
  const std::string base = "/service/ui/" + n;
  const std::string internal = jsonx::text_at(ui, "internal_service");
  if (internal.empty()) {
    std::string host(text::trim(jsonx::text_at(block, "host")));
    if (host.empty() || host == "0.0.0.0" || host == "::") host = "127.0.0.1";
    routes.server(n + "_service",
                  fmt::format("http://{}:{}", host, port_of(block, jsonx::text_at(ui, "port_field"))));
  }
  std::vector<std::string> through{n + "_strip"};
  routes.middleware(n + "_strip", "stripPrefix", object_of({{"prefixes", json::value(texts({base}))}}));
  if (const std::string path = jsonx::text_at(ui, "path"); !path.empty()) {
    routes.middleware(n + "_replace", "replacePathRegex",
                      object_of({{"regex", text_value("^/?$")}, {"replacement", text_value(path)}}));
    through.push_back(n + "_replace");
  }
  const std::string prefix = jsonx::text_at(ui, "path_prefix");
  if (!prefix.empty() && internal.empty()) {
    for (std::string& name : add_prefix(routes, n, prefix)) through.push_back(std::move(name));
  }
  through.emplace_back("ui_frame_headers");
  const std::string service = internal.empty() ? n + "_service" : internal;
  routes.router(n + "_router", fmt::format("Path(`{0}`) || PathPrefix(`{0}/`)", base), service, through,
                internal.empty() ? 0 : 1);
  if (ref.config_key == "traefik") add_traefik(routes, base);
  if (ref.config_key == "nzbdav") {
    routes.router("nzbdav_referer_router", "HeaderRegexp(`Referer`, `/ui/nzbdav`) && PathPrefix(`/`)",
                  service, {"ui_frame_headers"}, 2000);
  }
}

/// SVC-108: what the section itself describes; generated names win.
void add_own(const Scope& scope, Routes& routes, std::vector<std::string>& warnings) {
  const auto member = [&](std::string_view name) -> const json::object* {
    const json::value* found = scope.own().if_contains(name);
    return found == nullptr ? nullptr : found->if_object();
  };
  if (const json::object* own = member("middlewares")) {
    for (const auto& [name, value] : *own) {
      if (routes.middlewares.contains(name)) {
        warnings.push_back(
            fmt::format("middleware {} has the name of a generated one", std::string_view(name)));
      } else {
        routes.middlewares[name] = value;
      }
    }
  }
  const json::object* own = member("services");
  if (own == nullptr) return;
  for (const auto& [key, value] : *own) {
    const std::string name(key);
    const json::object* service = value.if_object();
    const std::string url = service == nullptr ? std::string() : jsonx::text_at(*service, "url");
    if (text::blank(url)) {
      warnings.push_back(fmt::format("services.{} has no url", name));
    } else if (routes.services.contains(name) || routes.routers.contains(name + "_router")) {
      warnings.push_back(fmt::format("services.{} has the name of a generated one", name));
    } else {
      std::vector<std::string> through;
      const json::value* list = service->if_contains("middlewares");
      if (list != nullptr && list->is_array()) {
        for (const json::value& each : list->get_array()) through.push_back(text_of(each));
      }
      routes.server(name, url);
      routes.router(name + "_router", fmt::format("PathPrefix(`/{}`)", name), name, through);
    }
  }
}

}  // namespace

std::string yaml_document(const json::object& document) {
  std::string out;
  yaml_members(out, document, 0);
  return out;
}

json::object traefik_static(const Scope& scope) {
  const json::object& own = scope.own();
  json::object points;
  const json::value* given = own.if_contains("entrypoints");
  if (given != nullptr && given->is_object()) points = given->get_object();
  const int port = port_of(own, "port") > 0 ? port_of(own, "port") : 18080;
  if (!points.contains("web")) points["web"] = object_of({{"address", text_value(fmt::format(":{}", port))}});
  points["traefik"] = object_of({{"address", text_value(fmt::format("127.0.0.1:{}", port + 1))}});
  json::object log = object_of({{"level", text_value(text::upper(jsonx::text_at(own, "log_level")))}});
  if (text::blank(jsonx::text_at(own, "log_level"))) log["level"] = "INFO";
  if (text::blank(jsonx::text_at(own, "log_file")))
    log["filePath"] = scope.mapped("/log/traefik.log").native();
  json::object access = object_of({{"format", text_value("json")}});
  json::object names = object_of({{"RouterName", text_value("keep")},
                                  {"ServiceName", text_value("keep")},
                                  {"EntryPointName", text_value("keep")}});
  access["fields"] = object_of({{"names", json::value(std::move(names))}});
  if (text::blank(jsonx::text_at(own, "access_log_file")))
    access["filePath"] = scope.mapped("/log/traefik_access.log").native();
  const std::string routes = scope.mapped(jsonx::text_at(own, "config_dir") + "/services.yaml").native();
  json::object file = object_of({{"filename", text_value(routes)}, {"watch", json::value(true)}});
  json::object out;
  out["global"] = object_of({{"checkNewVersion", json::value(false)}});
  out["entryPoints"] = std::move(points);
  out["api"] = object_of({{"dashboard", json::value(true)}, {"insecure", json::value(true)}});
  out["log"] = std::move(log);
  out["accessLog"] = std::move(access);
  out["providers"] = object_of({{"file", json::value(std::move(file))}});
  return out;
}

json::object traefik_routes(const Scope& scope, std::vector<std::string>& warnings) {
  Routes routes;
  json::object headers = object_of({{"X-Frame-Options", text_value("SAMEORIGIN")},
                                    {"Content-Security-Policy", text_value("frame-ancestors 'self'")}});
  routes.middleware("ui_frame_headers", "headers",
                    object_of({{"customResponseHeaders", json::value(std::move(headers))}}));
  for (const config::BlockRef& ref : scope.context().config->blocks()) {
    const catalog::Service* service = ref.enabled ? scope.context().catalog->find(ref.config_key) : nullptr;
    const json::value* found = service == nullptr ? nullptr : service->raw.if_contains("ui");
    if (found == nullptr || !found->is_object()) continue;
    const json::object& ui = found->get_object();
    if (port_of(scope.context().config->block(ref), jsonx::text_at(ui, "port_field")) > 0)
      add_interface(scope, routes, ref, ui);
  }
  add_own(scope, routes, warnings);
  json::object http;
  const auto add = [&](const char* name, json::object& members) {
    if (!members.empty()) http[name] = std::move(members);
  };
  add("routers", routes.routers);
  add("services", routes.services);
  add("middlewares", routes.middlewares);
  return object_of({{"http", json::value(std::move(http))}});
}

}  // namespace dumb::setup
