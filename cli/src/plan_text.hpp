#pragma once

#include <boost/describe.hpp>
#include <dumb/engine/types.hpp>
#include <dumb/graph/plan.hpp>
#include <functional>
#include <string>

#include "style.hpp"

namespace dumb::cli {

/// What `plan` shows, and its JSON answer.
struct PlanReport {
  graph::Plan plan;
  engine::StackOperation operation;  ///< the latest start or stop of several services
};
BOOST_DESCRIBE_STRUCT(PlanReport, (), (plan, operation))

/// The order of starting as a table, what is wrong with it, and what the last start took if the latest
/// operation is one. `local_time` spells Unix seconds. Pure.
std::string render_plan(const PlanReport& report, const std::function<std::string(double)>& local_time,
                        const Style& style);

/// Sentences on cycles and on needs that nothing meets, a line each, in the colour of their weight. Pure.
std::string render_troubles(const std::vector<graph::Cycle>& cycles,
                            const std::vector<graph::Missing>& missing, const Style& style);

}  // namespace dumb::cli
