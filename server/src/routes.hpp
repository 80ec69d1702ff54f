#pragma once

#include <chrono>
#include <vector>

#include "route.hpp"

namespace dumb::server {

/// Every route of this server, in the order of the API document.
std::vector<Route> make_routes(std::chrono::milliseconds health_limit);

std::vector<Route> process_routes();
/// start-core-service and what it offers.
std::vector<Route> onboarding_routes();
std::vector<Route> config_routes();
/// Link operations and background jobs.
std::vector<Route> metrics_routes();
std::vector<Route> symlink_routes();
/// Updates of services.
std::vector<Route> update_routes();
/// Users and tokens.
std::vector<Route> auth_routes();
/// /health, which answers 504 after `health_limit` (LIF-116), and /logs.
std::vector<Route> system_routes(std::chrono::milliseconds health_limit);

}  // namespace dumb::server
