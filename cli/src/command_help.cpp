// The pages of --help.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "command_table.hpp"

namespace dumb::cli {
namespace {

using Count = ArgumentInfo::Count;

constexpr std::size_t widest_overview = 25;

std::string argument_text(const ArgumentInfo& argument) {
  switch (argument.count) {
    case Count::one:
      return std::string(argument.name);
    case Count::optional:
      return fmt::format("[{}]", argument.name);
    case Count::one_or_more:
      return fmt::format("{}...", argument.name);
    case Count::any_number:
      return fmt::format("[{}...]", argument.name);
  }
  return {};
}

std::string option_text(const OptionInfo& option) {
  std::string text = option.letter.empty() ? "    " : fmt::format("{}, ", option.letter);
  text += option.name;
  if (!option.value.empty()) text += fmt::format(" {}", option.value);
  return text;
}

using Lines = std::vector<std::pair<std::string, std::string_view>>;

std::string section(std::string_view title, const Lines& lines) {
  if (lines.empty()) return {};
  std::size_t width = 0;
  for (const auto& [left, right] : lines) width = std::max(width, left.size());
  std::string text = fmt::format("\n{}:\n", title);
  for (const auto& [left, right] : lines) text += fmt::format("  {:<{}}  {}\n", left, width, right);
  return text;
}

std::string option_section(std::string_view title, std::span<const OptionInfo> options) {
  Lines lines;
  for (const OptionInfo& option : options) lines.emplace_back(option_text(option), option.summary);
  return section(title, lines);
}

}  // namespace

std::string usage_line(const CommandInfo& command) {
  std::string text = fmt::format("dumb-cli {} [OPTIONS]", command.name);
  for (const ArgumentInfo& argument : command.arguments) text += ' ' + argument_text(argument);
  return text;
}

std::string help_text() {
  Lines lines;
  for (const CommandInfo& command : commands()) {
    const std::string name(command.name);
    std::string left = name;
    for (const ArgumentInfo& argument : command.arguments) left += ' ' + argument_text(argument);
    // What is wider leaves its arguments to the command's own page.
    lines.emplace_back(left.size() > widest_overview ? name : left, command.summary);
  }
  std::string text =
      "Usage: dumb-cli [OPTIONS] COMMAND\n\nWatch and control the services of a dumb-server.\n";
  text += section("Commands", lines);
  text += option_section("Options", global_options());
  text +=
      "\nExit status: 0 success, 1 the operation failed, 2 wrong usage, 3 no server,\n"
      "4 unknown name. 'dumb-cli COMMAND --help' tells more about a command.\n";
  return text;
}

std::string help_text(const CommandInfo& command) {
  std::string text = fmt::format("Usage: {}\n\n{}\n", usage_line(command), command.summary);
  const std::size_t summary = text.find("\n\n") + 2;
  if (text[summary] >= 'a' && text[summary] <= 'z')
    text[summary] = static_cast<char>(text[summary] - 'a' + 'A');
  text.insert(text.size() - 1, ".");
  if (!command.details.empty()) text += fmt::format("\n{}\n", command.details);
  Lines arguments;
  for (const ArgumentInfo& argument : command.arguments) {
    arguments.emplace_back(std::string(argument.name), argument.summary);
  }
  text += section("Arguments", arguments);
  text += option_section("Options", command.options);
  text += option_section("Common options", global_options());
  return text;
}

}  // namespace dumb::cli
