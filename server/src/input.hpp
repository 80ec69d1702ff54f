#pragma once

#include <cstdint>
#include <dumb/base/codec.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "message.hpp"

/// Requests into described structs, by the rules of API-9 to API-12. Pure.
namespace dumb::server {

/// Stands for "takes no parameters" or "takes no body".
struct Nothing {};
BOOST_DESCRIBE_STRUCT(Nothing, (), ())

/// Whether a Content-Type names JSON: absent, application/json or application/*+json, parameters ignored.
bool is_json_type(const std::string* content_type);

/// The JSON of a body that must be there; nullopt after adding a fault.
std::optional<json::value> parse_body(const Request& request, codec::Faults& faults);

/// Last value of the parameter as a JSON string; null value of the optional when absent.
std::optional<json::value> scalar_parameter(const QueryParameters& query, std::string_view name);
/// Every `name=` and `name[]=` in order; nullopt when there is none.
std::optional<json::value> list_parameter(const QueryParameters& query, std::string_view name);

template <class T>
T read_body(const Request& request, codec::Faults& faults) {
  T out{};
  if constexpr (!std::is_same_v<T, Nothing>) {
    if (const auto value = parse_body(request, faults)) {
      json::array loc;
      loc.emplace_back("body");
      codec::decode(*value, loc, faults, out);
    }
  }
  return out;
}

namespace detail {
/// Where a fault of a parameter is.
json::array query_place(std::string_view name);
}  // namespace detail

/// What a number of a query may be: its T lists these as `bounds`.
struct Bound {
  std::string_view name;
  std::int64_t least;
  std::int64_t most;
};
/// The bounds of T; none when it lists none.
template <class T>
constexpr std::span<const Bound> bounds_of() {
  if constexpr (requires { T::bounds; }) {
    return T::bounds;
  } else {
    return {};
  }
}
/// Adds a fault unless `value` is within the bound.
void check_bound(const Bound& bound, std::int64_t value, const json::array& loc, codec::Faults& faults);

/// Parameters that T does not have are ignored.
template <class T>
T read_query(const QueryParameters& query, codec::Faults& faults) {
  T out{};
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
  boost::mp11::mp_for_each<Members>([&](auto d) {
    using Member = std::remove_cvref_t<decltype(out.*d.pointer)>;
    std::optional<json::value> value;
    if constexpr (codec::detail::is_vector<Member>::value) {
      value = list_parameter(query, d.name);
    } else {
      value = scalar_parameter(query, d.name);
    }
    Member& target = out.*d.pointer;
    if (value) {
      // Where a fault is needs telling only when there is one.
      codec::Faults found;
      if (codec::decode(*value, {}, found, target)) {
        if constexpr (std::is_same_v<Member, std::int64_t>) {
          for (const Bound& bound : bounds_of<T>()) {
            if (bound.name == d.name) check_bound(bound, target, detail::query_place(d.name), faults);
          }
        }
        return;
      }
      codec::decode(*value, detail::query_place(d.name), faults, target);
    } else if (codec::detail::is_required<T>(d.name)) {
      codec::detail::add_fault(faults, "missing", detail::query_place(d.name), "is required", nullptr);
    }
  });
  return out;
}

}  // namespace dumb::server
