#include "route.hpp"

#include <boost/json.hpp>
#include <dumb/base/text.hpp>

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

RouteTable::Match RouteTable::match(std::string_view method, std::string_view path) const {
  const std::string wanted = table_path(path);
  const std::string_view effective = method == "HEAD" ? "GET" : method;
  Match out;
  for (const Route& route : routes_) {
    if (route.path != wanted) continue;
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += route.method;
    if (route.method == "GET") out.allow += ", HEAD";
    if (route.method == effective) out.route = &route;
  }
  return out;
}

}  // namespace dumb::server
