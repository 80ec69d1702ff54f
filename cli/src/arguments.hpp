#pragma once

#include <dumb/base/result.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command_table.hpp"
#include "style.hpp"

namespace dumb::cli {

/// A command line, taken apart.
struct Invocation {
  const CommandInfo* command = nullptr;  ///< null: none was named
  bool help = false;
  bool version = false;
  bool json = false;
  std::optional<std::string> url;
  ColorMode color = ColorMode::automatic;
  std::vector<std::string> arguments;
  std::map<std::string, std::string, std::less<>> options;  ///< by name with the dashes; "" for a switch

  std::map<std::string, std::vector<std::string>, std::less<>> lists;  ///< of repeatable options

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  /// The option's value; nullopt when it was not given.
  std::optional<std::string> value(std::string_view option) const;
  /// Every value of a repeatable option, in order.
  std::vector<std::string> values(std::string_view option) const;
};

/// Parses the words after the program's name. Options may stand anywhere before "--". Fails with
/// Trouble::usage. Pure.
Result<Invocation> parse_arguments(const std::vector<std::string>& words);

}  // namespace dumb::cli
