#pragma once

#include "onboarding/workbench.hpp"

namespace dumb::onboarding {

/// One core object to configure.
struct CoreUnit {
  Workbench& bench;
  const CoreRequest& asked;
  const catalog::Service& service;
  std::string instance;                    ///< the wanted name of an instance; may be empty
  std::vector<std::string> optional_keys;  ///< groups of these are not the core's business
};

/// ONB-16 to ONB-43 for one core object: changes the copy and lists the processes in the order of their
/// start.
Fault make_core_unit(const CoreUnit& core, Unit& unit);

}  // namespace dumb::onboarding
