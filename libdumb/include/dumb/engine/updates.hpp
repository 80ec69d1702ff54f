#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <string_view>

/// Updates of services, as the API asks for them (API-48 to API-59).
namespace dumb::engine {

/// API-50.
struct UpdateStatus {
  std::string process_name;
  std::optional<json::object> update_status;  ///< the last answer about it; null: none in this run
};
BOOST_DESCRIBE_STRUCT(UpdateStatus, (), (process_name, update_status))

/// API-51.
struct UpdateCheckRequest {
  std::string process_name;
  bool force = false;  ///< ask the server again even where an answer is known
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(UpdateCheckRequest, (), (process_name, force))

/// API-54.
struct UpdateInstallRequest {
  std::string process_name;
  bool allow_override = false;        ///< install although the configuration holds the version
  std::optional<std::string> target;  ///< "prerelease" or "nightly" for this run
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(UpdateInstallRequest, (), (process_name, allow_override, target))

}  // namespace dumb::engine
