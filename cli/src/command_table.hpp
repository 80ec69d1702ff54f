#pragma once

#include <dumb/base/result.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exit_code.hpp"

namespace dumb::cli {

struct Context;
struct Invocation;

struct ArgumentInfo {
  enum class Count { one, optional, one_or_more, any_number };
  std::string_view name;
  std::string_view summary;
  Count count = Count::one;
};

struct OptionInfo {
  std::string_view name;    ///< "--lines"
  std::string_view letter;  ///< "-n", or empty
  std::string_view value;   ///< "N"; empty: a switch
  std::string_view summary;
  bool repeatable = false;
};

/// Everything there is to know of one command: parsing, help and dispatch come from here.
struct CommandInfo {
  std::string_view name;  ///< "ps", "config get"
  std::string_view summary;
  std::vector<ArgumentInfo> arguments;
  std::vector<OptionInfo> options;
  std::string_view details;  ///< paragraphs for the command's own help; may be empty
  /// Does the work. An error is reported by the caller.
  Result<ExitCode> (*run)(Context& context, const Invocation& invocation);
};

std::span<const CommandInfo> commands();
/// Options that may stand before or after the command.
std::span<const OptionInfo> global_options();
const CommandInfo* find_command(std::string_view name);
/// Commands whose name begins with `group` and a blank ("config").
std::vector<const CommandInfo*> commands_of_group(std::string_view group);

/// "dumb-cli logs [OPTIONS] NAME".
std::string usage_line(const CommandInfo& command);
/// The page of `dumb-cli --help`, and of one command. Pure; lines are at most 80 columns.
std::string help_text();
std::string help_text(const CommandInfo& command);

}  // namespace dumb::cli
