#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/engine/types.hpp>
#include <optional>
#include <utility>

#include "commands.hpp"
#include "context.hpp"
#include "stack_text.hpp"

namespace dumb::cli {
namespace {

Result<engine::StackOperation> latest(const Client& client) {
  return client.get_as<engine::StackOperation>("/process/stack-operation");
}

/// Starts or stops several services and tells meanwhile which of them come or go.
Result<ExitCode> operate(Context& context, const std::string& operation,
                         const std::vector<std::string>& names) {
  // The latest operation is another one until the server has taken up this one.
  std::optional<double> before;
  if (const auto known = latest(context.client)) {
    before = known->started_at;
  } else if (exit_code(known.error().code()) == ExitCode::unreachable) {
    return known.error();
  }
  std::optional<Result<engine::StackOperation>> result;  // written on the other thread, read after its end
  StackProgress progress;
  const auto perform = [&] {
    result = context.client.post_as<engine::StackOperation>(
        "/process/" + operation, codec::encode(engine::StackRequest{names}), Client::patient);
  };
  const auto look = [&] {
    if (context.json) return;
    const auto now = latest(context.client);
    if (!now || now->started_at == before || now->operation != operation) return;
    context.print(progress.changes(*now, context.style));
  };
  context.system.concurrently({perform}, 1, look);
  if (!*result) return result->error();
  const engine::StackOperation& done = **result;
  const ExitCode code = done.ok ? ExitCode::success : ExitCode::failed;
  if (context.json) {
    context.print(jsonx::print(codec::encode(done)));
    return code;
  }
  context.print(progress.changes(done, context.style));
  for (const engine::StackStep& step : done.steps) {
    if (const auto failure = step_failure(step)) context.complain(*failure);
  }
  context.print(printable(stack_summary(done)) + '\n');
  return code;
}

}  // namespace

Result<ExitCode> run_up(Context& context, const Invocation& invocation) {
  return operate(context, "up", invocation.arguments);
}

Result<ExitCode> run_down(Context& context, const Invocation& invocation) {
  return operate(context, "down", invocation.arguments);
}

}  // namespace dumb::cli
