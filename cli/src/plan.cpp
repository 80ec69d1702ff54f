#include <boost/json.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "plan_text.hpp"

namespace dumb::cli {

Result<ExitCode> run_plan(Context& context, const Invocation&) {
  auto plan = context.client.get_as<graph::Plan>("/process/startup-plan");
  if (!plan) return plan.error();
  auto operation = context.client.get_as<engine::StackOperation>("/process/stack-operation");
  if (!operation) return operation.error();
  const PlanReport report{std::move(*plan), std::move(*operation)};
  if (context.json) {
    context.print(jsonx::print(codec::encode(report)));
  } else if (report.plan.order.empty()) {
    context.note("no service is enabled");
  } else {
    context.print(render_plan(report, context.system.local_time, context.style));
  }
  return ExitCode::success;
}

}  // namespace dumb::cli
