#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/health/health.hpp>
#include <set>

namespace dumb::health {
namespace {

constexpr std::array<std::string_view, 4> port_fields{"port", "frontend_port", "backend_port", "webdav_port"};
constexpr std::array<std::string_view, 4> port_variables{"PORT", "FRONTEND_PORT", "BACKEND_PORT",
                                                         "WEBDAV_PORT"};

void add_port(std::set<std::uint16_t>& ports, std::int64_t number) {
  if (number >= 1 && number <= 65535) ports.insert(static_cast<std::uint16_t>(number));
}

std::vector<std::string> hosts_of(const json::object& block) {
  const std::string text = jsonx::string_at(block, "host");
  const std::string_view host = text::trim(text);
  if (host.empty() || host == "0.0.0.0") return {"127.0.0.1"};
  if (host == "::" || host == "[::]") return {"::1", "127.0.0.1"};
  return {std::string(host)};
}

}  // namespace

std::vector<Endpoint> endpoints_of(const json::object& block) {
  std::set<std::uint16_t> ports;
  for (const std::string_view field : port_fields) {
    const json::value* value = block.if_contains(field);
    if (value == nullptr) continue;
    if (const std::int64_t* number = value->if_int64()) add_port(ports, *number);
    if (const std::uint64_t* number = value->if_uint64()) {
      add_port(ports, static_cast<std::int64_t>(std::min<std::uint64_t>(*number, 65536)));
    }
  }
  const json::value* env = block.if_contains("env");
  if (env != nullptr && env->is_object()) {
    for (const std::string_view variable : port_variables) {
      const std::string digits = jsonx::string_at(env->get_object(), variable);
      const bool all = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (all) add_port(ports, text::to_int(digits).value_or(0));
    }
  }
  const std::vector<std::string> hosts = hosts_of(block);
  std::vector<Endpoint> endpoints;
  for (const std::uint16_t port : ports) endpoints.push_back(Endpoint{hosts, port});
  return endpoints;
}

}  // namespace dumb::health
