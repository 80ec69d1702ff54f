#pragma once

// The one place that knows which Catch2 this is.
#ifdef DUMB_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <string>

#ifdef DUMB_CATCH2_V3
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
#else
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
inline auto ContainsSubstring(const std::string& part) {
  return Contains(part);
}
#endif

template <class T>
struct Catch::StringMaker<dumb::Result<T>> {
  static std::string convert(const dumb::Result<T>& result) {
    if (!result) return "error: " + result.error().to_string();
    if constexpr (std::is_void_v<T>) {
      return "ok";
    } else {
      return Catch::Detail::stringify(*result);
    }
  }
};

template <>
struct Catch::StringMaker<dumb::Error> {
  static std::string convert(const dumb::Error& error) { return error.to_string(); }
};

template <>
struct Catch::StringMaker<boost::json::value> {
  static std::string convert(const boost::json::value& value) { return dumb::jsonx::print_compact(value); }
};
template <>
struct Catch::StringMaker<boost::json::object> {
  static std::string convert(const boost::json::object& value) { return dumb::jsonx::print_compact(value); }
};
