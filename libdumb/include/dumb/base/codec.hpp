#pragma once

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// Described structs to and from JSON. A struct is described with BOOST_DESCRIBE_STRUCT; a member missing in
/// the input keeps its default. Optional static members of a struct steer decoding:
///   static constexpr std::array<std::string_view, N> required{…};   members that must be there
///   static constexpr bool forbid_unknown = true;                    unknown members are faults
/// and encoding:
///   static constexpr std::array<std::string_view, N> omit_empty{…};  left out when null, "", [] or {}
namespace dumb::codec {

/// One fault of an input, in the shape HTTP answers of status 422 report it (API-10).
struct Fault {
  std::string type;   ///< "missing", "string_type", "dict_type", "list_type", "bool_parsing", "int_type" …
  json::array loc;    ///< "body" or "query", then member names and indexes
  std::string msg;    ///< short English text
  json::value input;  ///< the offending value
  json::value ctx;    ///< null, or {"ge": …} and the like
};
using Faults = std::vector<Fault>;

template <class T>
concept Described = boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

namespace detail {

bool decode_bool(const json::value& value, const json::array& loc, Faults& faults, bool& out);
bool decode_int(const json::value& value, const json::array& loc, Faults& faults, std::int64_t& out);
bool decode_double(const json::value& value, const json::array& loc, Faults& faults, double& out);
bool decode_string(const json::value& value, const json::array& loc, Faults& faults, std::string& out);
void add_fault(Faults& faults, std::string_view type, const json::array& loc, std::string msg,
               const json::value& input);
json::array below(const json::array& loc, json::value step);

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class T, class C>
struct is_map<std::map<std::string, T, C>> : std::true_type {};

template <class T>
constexpr bool forbids_unknown() {
  if constexpr (requires { T::forbid_unknown; }) {
    return T::forbid_unknown;
  } else {
    return false;
  }
}
template <class T>
bool is_required(std::string_view name) {
  if constexpr (requires { T::required; }) {
    return std::find(T::required.begin(), T::required.end(), name) != T::required.end();
  } else {
    return false;
  }
}

template <class T>
bool is_omittable(std::string_view name) {
  if constexpr (requires { T::omit_empty; }) {
    return std::find(T::omit_empty.begin(), T::omit_empty.end(), name) != T::omit_empty.end();
  } else {
    return false;
  }
}
/// Null, "", [] or {}.
bool is_empty(const json::value& value) noexcept;

}  // namespace detail

/// The spelling of a described enumerator; "" for a value without name.
template <DescribedEnum E>
std::string_view enum_name(E value) noexcept {
  std::string_view name;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    if (d.value == value) name = d.name;
  });
  return name;
}

template <DescribedEnum E>
std::optional<E> enum_value(std::string_view name) noexcept {
  std::optional<E> value;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    if (name == d.name) value = d.value;
  });
  return value;
}

/// Reads `value` into `out`, adding every fault; what is faulty keeps its old value. True without faults.
template <class T>
bool decode(const json::value& value, const json::array& loc, Faults& faults, T& out) {
  if constexpr (std::is_same_v<T, json::value>) {
    out = value;
    return true;
  } else if constexpr (std::is_same_v<T, json::object>) {
    if (const auto* object = value.if_object()) {
      out = *object;
      return true;
    }
    detail::add_fault(faults, "dict_type", loc, "must be an object", value);
    return false;
  } else if constexpr (std::is_same_v<T, json::array>) {
    if (const auto* array = value.if_array()) {
      out = *array;
      return true;
    }
    detail::add_fault(faults, "list_type", loc, "must be an array", value);
    return false;
  } else if constexpr (detail::is_optional<T>::value) {
    if (value.is_null()) {
      out.reset();
      return true;
    }
    typename T::value_type inner{};
    if (!decode(value, loc, faults, inner)) return false;
    out = std::move(inner);
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    return detail::decode_bool(value, loc, faults, out);
  } else if constexpr (std::is_integral_v<T>) {
    std::int64_t wide = 0;
    if (!detail::decode_int(value, loc, faults, wide)) return false;
    out = static_cast<T>(wide);
    if (static_cast<std::int64_t>(out) != wide) {
      detail::add_fault(faults, "int_type", loc, "is out of range", value);
      return false;
    }
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    double wide = 0;
    if (!detail::decode_double(value, loc, faults, wide)) return false;
    out = static_cast<T>(wide);
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return detail::decode_string(value, loc, faults, out);
  } else if constexpr (DescribedEnum<T>) {
    std::string text;
    if (!detail::decode_string(value, loc, faults, text)) return false;
    if (const auto found = enum_value<T>(text)) {
      out = *found;
      return true;
    }
    std::string names;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
      names += names.empty() ? "" : ", ";
      names += d.name;
    });
    detail::add_fault(faults, "enum", loc, "must be one of " + names, value);
    return false;
  } else if constexpr (detail::is_vector<T>::value) {
    const auto* array = value.if_array();
    if (array == nullptr) {
      detail::add_fault(faults, "list_type", loc, "must be an array", value);
      return false;
    }
    T elements;
    bool good = true;
    for (std::size_t i = 0; i < array->size(); ++i) {
      typename T::value_type element{};
      good &= decode((*array)[i], detail::below(loc, i), faults, element);
      elements.push_back(std::move(element));
    }
    if (good) out = std::move(elements);
    return good;
  } else if constexpr (detail::is_map<T>::value) {
    const auto* object = value.if_object();
    if (object == nullptr) {
      detail::add_fault(faults, "dict_type", loc, "must be an object", value);
      return false;
    }
    T members;
    bool good = true;
    for (const auto& [key, member] : *object) {
      typename T::mapped_type element{};
      good &= decode(member, detail::below(loc, json::value(key)), faults, element);
      members.emplace(std::string(key), std::move(element));
    }
    if (good) out = std::move(members);
    return good;
  } else {
    static_assert(Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    const auto* object = value.if_object();
    if (object == nullptr) {
      detail::add_fault(faults, loc.size() == 1 ? "model_attributes_type" : "dict_type", loc,
                        "must be an object", value);
      return false;
    }
    const std::size_t before = faults.size();
    using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
    boost::mp11::mp_for_each<Members>([&](auto d) {
      const json::value* member = object->if_contains(d.name);
      if (member != nullptr) {
        decode(*member, detail::below(loc, json::value(d.name)), faults, out.*d.pointer);
      } else if (detail::is_required<T>(d.name)) {
        detail::add_fault(faults, "missing", detail::below(loc, json::value(d.name)), "is required", value);
      }
    });
    if constexpr (detail::forbids_unknown<T>()) {
      for (const auto& [key, member] : *object) {
        bool known = false;
        const std::string_view name(key.data(), key.size());
        boost::mp11::mp_for_each<Members>([&](auto d) { known |= name == d.name; });
        if (!known) {
          detail::add_fault(faults, "extra_forbidden", detail::below(loc, json::value(key)),
                            "is not known here", member);
        }
      }
    }
    return faults.size() == before;
  }
}

/// The JSON form of a value. Empty optionals become null.
template <class T>
json::value encode(const T& value) {
  if constexpr (std::is_same_v<T, json::value>) {
    return value;
  } else if constexpr (std::is_same_v<T, json::object> || std::is_same_v<T, json::array>) {
    return value;
  } else if constexpr (detail::is_optional<T>::value) {
    return value ? encode(*value) : json::value(nullptr);
  } else if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T>) {
    return json::value(value);
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    return json::value(json::string(std::string_view(value)));
  } else if constexpr (DescribedEnum<T>) {
    return json::value(json::string(enum_name(value)));
  } else if constexpr (detail::is_vector<T>::value) {
    json::array array;
    array.reserve(value.size());
    for (const auto& element : value) array.push_back(encode(element));
    return array;
  } else if constexpr (detail::is_map<T>::value) {
    json::object object;
    for (const auto& [key, member] : value) object.emplace(key, encode(member));
    return object;
  } else {
    static_assert(Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    json::object object;
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto d) {
      json::value member = encode(value.*d.pointer);
      if (detail::is_omittable<T>(d.name) && detail::is_empty(member)) return;
      object.emplace(d.name, std::move(member));
    });
    return object;
  }
}

/// Reads a whole document into a described struct; Errc::invalid_config with every problem by JSON pointer.
template <class T>
Result<T> from_json(const json::value& value);

/// Faults as problems with JSON pointers (the leading "body" or "query" is left out).
std::vector<Problem> to_problems(const Faults& faults);

template <class T>
Result<T> from_json(const json::value& value) {
  T out{};
  Faults faults;
  json::array loc;
  loc.emplace_back("body");
  if (!decode(value, loc, faults, out)) return Error(Errc::invalid_config, to_problems(faults));
  return out;
}

}  // namespace dumb::codec
