#include "route.hpp"

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <optional>

namespace dumb::server {

std::string table_path(std::string_view path) {
  std::string out(path);
  if (path.find('%') != std::string_view::npos || !text::is_utf8(path)) {
    std::vector<std::string> segments = text::split(path, '/');
    for (std::string& segment : segments) {
      segment = text::replace_all(decode_part(segment, false), "/", "%2F");
    }
    out = text::join(segments, "/");
  }
  if (out.size() > 1 && out.ends_with('/')) out.pop_back();
  if (out.starts_with("/api/")) out.erase(0, 4);
  return out;
}

namespace {

/// What stands where `pattern` has its parameter; "" when it has none, nullopt when the path does not fit.
std::optional<std::string> fit(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('}')) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view fixed = pattern.substr(0, pattern.rfind('{'));
  if (!path.starts_with(fixed)) return {};
  const std::string_view rest = path.substr(fixed.size());
  if (rest.empty() || rest.find('/') != std::string_view::npos) return {};
  return text::replace_all(std::string(rest), "%2F", "/");
}

}  // namespace

RouteTable::Match RouteTable::match(std::string_view method, std::string_view path) const {
  const std::string wanted = table_path(path);
  const std::string_view effective = method == "HEAD" ? "GET" : method;
  Match out;
  for (const Route& route : routes_) {
    const auto parameter = fit(route.path, wanted);
    if (!parameter) continue;
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += route.method;
    if (route.method == "GET") out.allow += ", HEAD";
    if (route.method != effective) continue;
    out.route = &route;
    out.parameter = *parameter;
  }
  return out;
}

}  // namespace dumb::server
