#pragma once

#include <dumb/onboarding/listings.hpp>
#include <dumb/onboarding/reply.hpp>
#include <dumb/onboarding/request.hpp>
#include <set>
#include <string>
#include <string_view>

#include "style.hpp"

/// Onboarding as people read it. Pure; keys never appear.
namespace dumb::cli {

/// "GROUP.FIELD=VALUE" into `groups`; VALUE is JSON where it can be read as such, else text. Fails with
/// Trouble::usage.
Result<void> add_option(std::string_view text, json::object& groups);

/// What would be done, in lines.
std::string plan_text(const onboarding::PlanReply& plan, const Style& style);
/// What became of the services that went well, with ports that moved.
std::string reply_text(const onboarding::Reply& reply, const Style& style);
/// "riven_backend: Rclone w/ Riven: … (setup; not started: A, B)".
std::string failure_text(const onboarding::ErrorEntry& entry);

std::string core_table(const onboarding::CoreServiceList& list, const Style& style);
std::string optional_table(const onboarding::OptionalServiceList& list, const Style& style);
/// All there is to know of one service. `groups`: options by group.
std::string service_page(std::string_view name, std::string_view description, const json::object& groups,
                         const json::object& descriptions, const Style& style);

}  // namespace dumb::cli
