#pragma once

#include <array>
#include <charconv>
#include <dumb/base/codec.hpp>
#include <dumb/base/json_text.hpp>
#include <string>
#include <string_view>
#include <utility>

/// Described structs straight to JSON text: byte for byte what encode() and jsonx::print_compact() make of
/// them, without a tree of values between. Pure.
namespace dumb::codec {

template <class T>
void append_text(std::string& out, const T& value);

namespace detail {

/// Whether the JSON form of a member is null, "", [] or {}.
template <class T>
bool encodes_empty(const T& value) {
  if constexpr (is_optional<T>::value) {
    return !value || encodes_empty(*value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return false;
  } else if constexpr (is_vector<T>::value || is_map<T>::value || std::is_same_v<T, std::string>) {
    return value.empty();
  } else {
    return is_empty(encode(value));
  }
}

template <class T>
void append_members(std::string& out, const T& value) {
  char separator = '{';
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto d) {
    const auto& member = value.*d.pointer;
    if (is_omittable<T>(d.name) && encodes_empty(member)) return;
    out += std::exchange(separator, ',');
    jsonx::append_string(out, d.name);
    out += ':';
    append_text(out, member);
  });
  out += separator == '{' ? "{}" : "}";
}

}  // namespace detail

/// The JSON text of a value, at the end of `out`.
template <class T>
void append_text(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, json::value>) {
    jsonx::append_compact(out, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    std::array<char, 24> digits;
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  } else if constexpr (detail::is_optional<T>::value) {
    if (value) {
      append_text(out, *value);
    } else {
      out += "null";
    }
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    jsonx::append_string(out, std::string_view(value));
  } else if constexpr (DescribedEnum<T>) {
    jsonx::append_string(out, enum_name(value));
  } else if constexpr (detail::is_vector<T>::value) {
    char separator = '[';
    for (const auto& element : value) {
      out += std::exchange(separator, ',');
      append_text(out, element);
    }
    out += value.empty() ? "[]" : "]";
  } else if constexpr (detail::is_map<T>::value) {
    char separator = '{';
    for (const auto& [key, member] : value) {
      out += std::exchange(separator, ',');
      jsonx::append_string(out, key);
      out += ':';
      append_text(out, member);
    }
    out += value.empty() ? "{}" : "}";
  } else if constexpr (Described<T>) {
    detail::append_members(out, value);
  } else {
    jsonx::append_compact(out, encode(value));
  }
}

/// The JSON text of a value.
template <class T>
std::string to_text(const T& value) {
  std::string out;
  out.reserve(512);
  append_text(out, value);
  return out;
}

}  // namespace dumb::codec
