#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <dumb/base/codec.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::onboarding {

/// One core service to onboard (ONB-2).
struct CoreRequest {
  std::string name;
  std::optional<std::string> instance_name;
  std::vector<std::string> debrid_service;  ///< paired with debrid_key by position; "" where none was given
  std::vector<std::string> debrid_key;
  json::object service_options;  ///< group name -> object of options
  static constexpr std::array<std::string_view, 1> required{"name"};
  static constexpr std::array<std::string_view, 4> omit_empty{"instance_name", "debrid_service", "debrid_key",
                                                              "service_options"};
  static constexpr bool forbid_unknown = true;
};
BOOST_DESCRIBE_STRUCT(CoreRequest, (), (name, instance_name, debrid_service, debrid_key, service_options))

/// Body of POST /process/start-core-service (ONB-1).
struct Request {
  std::vector<CoreRequest> core_services;
  std::vector<std::string> optional_services;
  json::object optional_service_options;  ///< optional key -> object of options
  static constexpr std::array<std::string_view, 1> required{"core_services"};
  static constexpr bool forbid_unknown = true;
};
BOOST_DESCRIBE_STRUCT(Request, (), (core_services, optional_services, optional_service_options))

/// Reads a body in any of its accepted forms; every fault is added, in field order (ONB-3). What is faulty is
/// left out. Pure.
Request read_request(const json::value& body, codec::Faults& faults);

/// Every secret the request holds: keys, and options of secret names (ONB-62).
std::vector<std::string> secrets_of(const Request& request);

}  // namespace dumb::onboarding
