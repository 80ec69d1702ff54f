#pragma once

#include <dumb/base/codec.hpp>
#include <dumb/engine/types.hpp>
#include <string>
#include <variant>

#include "input.hpp"

/// JSON Schema of described types, for the API document. Pure.
namespace dumb::server {

namespace detail {
template <class T>
struct is_variant : std::false_type {};
template <class... T>
struct is_variant<std::variant<T...>> : std::true_type {};

json::object typed_schema(std::string_view type);
json::object choice_schema(json::array choices);
}  // namespace detail

/// A request may leave out what has a default; an answer holds every member but those it omits when empty.
enum class Side { request, answer };

/// The schema of T: structs as objects with their members in order, `required` and defaults taken from the
/// struct.
template <class T, Side side>
json::object schema_of() {
  if constexpr (std::is_same_v<T, json::value>) {
    return {};
  } else if constexpr (std::is_same_v<T, json::object>) {
    return detail::typed_schema("object");
  } else if constexpr (std::is_same_v<T, json::array>) {
    json::object out = detail::typed_schema("array");
    out.emplace("items", json::object());
    return out;
  } else if constexpr (codec::detail::is_optional<T>::value) {
    json::array choices;
    choices.push_back(schema_of<typename T::value_type, side>());
    choices.push_back(detail::typed_schema("null"));
    return detail::choice_schema(std::move(choices));
  } else if constexpr (detail::is_variant<T>::value) {
    json::array choices;
    boost::mp11::mp_for_each<boost::mp11::mp_transform<boost::mp11::mp_identity, T>>(
        [&](auto choice) { choices.push_back(schema_of<typename decltype(choice)::type, side>()); });
    return detail::choice_schema(std::move(choices));
  } else if constexpr (std::is_same_v<T, engine::Text>) {
    return detail::typed_schema("string");
  } else if constexpr (std::is_same_v<T, bool>) {
    return detail::typed_schema("boolean");
  } else if constexpr (std::is_integral_v<T>) {
    return detail::typed_schema("integer");
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::typed_schema("number");
  } else if constexpr (std::is_same_v<T, std::string>) {
    return detail::typed_schema("string");
  } else if constexpr (codec::DescribedEnum<T>) {
    json::object out = detail::typed_schema("string");
    json::array names;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
        [&](auto d) { names.push_back(json::value(d.name)); });
    out.emplace("enum", std::move(names));
    return out;
  } else if constexpr (codec::detail::is_vector<T>::value) {
    json::object out = detail::typed_schema("array");
    out.emplace("items", schema_of<typename T::value_type, side>());
    return out;
  } else if constexpr (codec::detail::is_map<T>::value) {
    json::object out = detail::typed_schema("object");
    out.emplace("additionalProperties", schema_of<typename T::mapped_type, side>());
    return out;
  } else {
    static_assert(codec::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    json::object out = detail::typed_schema("object");
    json::object properties;
    json::array required;
    const T defaults{};
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto d) {
      using Member = std::remove_cvref_t<decltype(defaults.*d.pointer)>;
      json::object member = schema_of<Member, side>();
      const bool always = side == Side::answer && !codec::detail::is_omittable<T>(d.name);
      if (always || codec::detail::is_required<T>(d.name)) {
        required.push_back(json::value(d.name));
      } else if constexpr (side == Side::request && std::is_arithmetic_v<Member>) {
        member.emplace("default", codec::encode(defaults.*d.pointer));
      }
      properties.emplace(d.name, std::move(member));
    });
    out.emplace("properties", std::move(properties));
    if (!required.empty()) out.emplace("required", std::move(required));
    if constexpr (codec::detail::forbids_unknown<T>()) out.emplace("additionalProperties", false);
    return out;
  }
}

}  // namespace dumb::server
