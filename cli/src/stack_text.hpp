#pragma once

#include <dumb/engine/types.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "style.hpp"

/// Starts and stops of several services, in words. All pure.
namespace dumb::cli {

/// "850 ms", "3.2 s", "2m 05s"; negative spans count as zero.
std::string duration_text(double seconds);
/// "A > B > C".
std::string chain_text(const std::vector<std::string>& names);

/// Tells what changes from one look at an operation to the next.
class StackProgress {
 public:
  /// One line per service that is doing something else than at the last call: "PostgreSQL: running".
  /// Steps that have not begun are told while a stack comes up, with the reason, anew when they wait for
  /// fewer others; not while it goes down.
  std::string changes(const engine::StackOperation& operation, const Style& style);

 private:
  std::map<std::string, std::string> told_;  // what was told last, by service
};

/// Why a step did not end well, "Radarr: exit code 7 after 300 ms"; nullopt when it did.
std::optional<std::string> step_failure(const engine::StackStep& step);
/// "5 services up in 3.2 s", "4 of 5 services stopped in 80 ms".
std::string stack_result(const engine::StackOperation& operation);
/// The same with its critical path, "5 services up in 3.2 s; critical path 2.9 s: PostgreSQL > Riven
/// Backend".
std::string stack_summary(const engine::StackOperation& operation);

}  // namespace dumb::cli
