#include "input.hpp"

#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::server {
namespace {

json::array body_loc() {
  json::array loc;
  loc.emplace_back("body");
  return loc;
}

}  // namespace

bool is_json_type(const std::string* content_type) {
  if (content_type == nullptr) return true;
  const std::string_view whole = *content_type;
  const std::string type = text::lower(text::trim(whole.substr(0, whole.find(';'))));
  return type.empty() || type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

std::optional<json::value> parse_body(const Request& request, codec::Faults& faults) {
  if (request.body.empty()) {
    codec::detail::add_fault(faults, "missing", body_loc(), "a body is required", nullptr);
    return std::nullopt;
  }
  if (!is_json_type(request.headers.find("Content-Type"))) {
    // The text is not shown: outside JSON nobody can tell which part of it is a secret.
    codec::detail::add_fault(faults, "model_attributes_type", body_loc(), "must be a JSON object", nullptr);
    return std::nullopt;
  }
  std::size_t offset = 0;
  auto parsed = jsonx::parse(request.body, nullptr, &offset);
  if (!parsed) {
    codec::Fault fault;
    fault.type = "json_invalid";
    fault.loc = codec::detail::below(body_loc(), offset);
    fault.msg = "is not JSON";
    fault.input = json::object();
    fault.ctx = json::object();
    fault.ctx.get_object()["error"] = parsed.error().message();
    faults.push_back(std::move(fault));
    return std::nullopt;
  }
  return std::move(*parsed);
}

std::optional<json::value> scalar_parameter(const QueryParameters& query, std::string_view name) {
  std::optional<json::value> out;
  for (const auto& [key, value] : query) {
    if (key == name) out = json::value(json::string(value));
  }
  return out;
}

std::optional<json::value> list_parameter(const QueryParameters& query, std::string_view name) {
  const std::string bracketed = std::string(name) + "[]";
  json::array values;
  for (const auto& [key, value] : query) {
    if (key == name || key == bracketed) values.emplace_back(json::string(value));
  }
  if (values.empty()) return std::nullopt;
  return json::value(std::move(values));
}

namespace detail {

json::array query_place(std::string_view name) {
  json::array loc;
  loc.emplace_back("query");
  loc.emplace_back(name);
  return loc;
}

}  // namespace detail

void check_bound(const Bound& bound, std::int64_t value, const json::array& loc, codec::Faults& faults) {
  if (value >= bound.least && value <= bound.most) return;
  const bool below = value < bound.least;
  const std::int64_t limit = below ? bound.least : bound.most;
  codec::detail::add_fault(faults, below ? "greater_than_equal" : "less_than_equal", loc,
                           (below ? "must be at least " : "must be at most ") + std::to_string(limit), value);
  faults.back().ctx = json::object();
  faults.back().ctx.get_object()[below ? "ge" : "le"] = limit;
}

}  // namespace dumb::server
