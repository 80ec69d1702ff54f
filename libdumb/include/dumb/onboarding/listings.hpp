#pragma once

#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/snapshot.hpp>
#include <optional>
#include <string>
#include <vector>

/// What can be onboarded, from the catalogue alone (ONB-86 to ONB-93). Pure.
namespace dumb::onboarding {

struct CoreService {
  std::string name;
  std::string key;
  std::vector<std::string> dependencies;
  std::string description;
  std::vector<std::string> debrid_providers;
  json::object service_options;
  json::object service_option_descriptions;
  bool supports_instances = false;
  json::object instance_options;
  json::object instance_option_descriptions;
};
BOOST_DESCRIBE_STRUCT(CoreService, (),
                      (name, key, dependencies, description, debrid_providers, service_options,
                       service_option_descriptions, supports_instances, instance_options,
                       instance_option_descriptions))

struct CoreServiceList {
  std::vector<CoreService> core_services;
};
BOOST_DESCRIBE_STRUCT(CoreServiceList, (), (core_services))

struct OptionalService {
  std::string name;
  std::string key;
  std::string description;
  json::object service_options;
  json::object service_option_descriptions;
  bool supports_instances = false;
  json::object instance_options;
  json::object instance_option_descriptions;
};
BOOST_DESCRIBE_STRUCT(OptionalService, (),
                      (name, key, description, service_options, service_option_descriptions,
                       supports_instances, instance_options, instance_option_descriptions))

struct OptionalServiceList {
  std::vector<OptionalService> optional_services;
};
BOOST_DESCRIBE_STRUCT(OptionalServiceList, (), (optional_services))

/// ONB-91. Lists may hold several names each, separated by commas.
struct OptionalQuery {
  std::optional<std::string> core_service;
  std::vector<std::string> optional_services;
};
BOOST_DESCRIBE_STRUCT(OptionalQuery, (), (core_service, optional_services))

CoreServiceList core_services(const catalog::Catalog& catalog);
OptionalServiceList optional_services(const catalog::Catalog& catalog, const config::Snapshot& config,
                                      const OptionalQuery& query);

/// Keys of the services of ONB-93, in its order.
const std::vector<std::string>& optional_keys();

}  // namespace dumb::onboarding
