#include "arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <dumb/base/text.hpp>

namespace dumb::cli {
namespace {

Error usage_error(std::string message) {
  return {Trouble::usage, std::move(message)};
}

/// What CLI11 writes into while it parses; a deque, so that nothing moves.
struct Slots {
  struct Slot {
    const OptionInfo* info = nullptr;
    CLI::Option* option = nullptr;
    std::string text;
    std::vector<std::string> texts;  // of a repeatable option
    bool flag = false;
  };
  std::deque<Slot> all;
};

void add_option(CLI::App& app, const OptionInfo& info, Slots& slots) {
  Slots::Slot& slot = slots.all.emplace_back();
  slot.info = &info;
  const std::string names =
      info.letter.empty() ? std::string(info.name) : fmt::format("{},{}", info.letter, info.name);
  if (info.repeatable) {
    slot.option = app.add_option(names, slot.texts)->allow_extra_args(false);
    return;
  }
  slot.option = info.value.empty() ? app.add_flag(names, slot.flag) : app.add_option(names, slot.text);
  slot.option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

// The parser of the command table. A second sub-command is never recognised, so that a service may have the
// name of a command.
class Parser {
 public:
  Parser() {
    prepare(app_);
    for (const OptionInfo& option : global_options()) add_option(app_, option, slots_);
    for (const CommandInfo& command : commands()) add_command(command);
  }

  void parse(const std::vector<std::string>& words) {
    const auto end_of_options = std::find(words.begin(), words.end(), "--");
    std::vector<std::string> reversed(std::make_reverse_iterator(end_of_options), words.rend());
    // A word in brackets would be taken for a list and come apart.
    for (std::string& word : reversed) {
      if (word.starts_with('[')) word.insert(word.begin(), guard);
    }
    app_.parse(reversed);
    for (std::string& word : arguments_) unguard(word);
    for (Slots::Slot& slot : slots_.all) unguard(slot.text);
    if (end_of_options != words.end()) arguments_.insert(arguments_.end(), end_of_options + 1, words.end());
  }

  const CommandInfo* command() const {
    for (const auto& [app, info] : leaves_) {
      if (app->parsed()) return info;
    }
    return nullptr;
  }
  /// "config", when that was named without what to do.
  std::string group() const {
    for (const auto& [name, app] : groups_) {
      if (app->parsed()) return name;
    }
    return {};
  }
  const std::vector<std::string>& arguments() const { return arguments_; }
  std::vector<std::string> unexpected() const { return app_.remaining(true); }
  const Slots& slots() const { return slots_; }

 private:
  static constexpr char guard = '\x01';
  static void unguard(std::string& word) {
    if (word.starts_with(guard)) word.erase(word.begin());
  }
  static void prepare(CLI::App& app) {
    app.set_help_flag();
    app.fallthrough();
    app.require_subcommand(0, 1);
  }

  void add_command(const CommandInfo& command) {
    CLI::App* parent = &app_;
    std::string name(command.name);
    if (const auto blank = name.find(' '); blank != std::string::npos) {
      const std::string group = name.substr(0, blank);
      name.erase(0, blank + 1);
      auto [found, added] = groups_.try_emplace(group, nullptr);
      if (added) {
        found->second = app_.add_subcommand(group);
        prepare(*found->second);
      }
      parent = found->second;
    }
    CLI::App* leaf = parent->add_subcommand(name);
    prepare(*leaf);
    leaf->add_option("arguments", arguments_)->expected(0, CLI::detail::expected_max_vector_size);
    for (const OptionInfo& option : command.options) add_option(*leaf, option, slots_);
    leaves_.emplace_back(leaf, &command);
  }

  CLI::App app_;
  Slots slots_;
  std::vector<std::string> arguments_;
  std::map<std::string, CLI::App*> groups_;
  std::vector<std::pair<CLI::App*, const CommandInfo*>> leaves_;
};

std::string names_of_group(const std::string& group) {
  std::vector<std::string> names;
  for (const CommandInfo* command : commands_of_group(group)) {
    names.emplace_back(command->name.substr(group.size() + 1));
  }
  return text::join(names, ", ");
}

Result<void> check_counts(const Invocation& invocation) {
  const CommandInfo& command = *invocation.command;
  using Count = ArgumentInfo::Count;
  std::size_t at = 0;
  for (const ArgumentInfo& argument : command.arguments) {
    const bool given = at < invocation.arguments.size();
    const bool needed = argument.count == Count::one || argument.count == Count::one_or_more;
    if (!given && needed) {
      return usage_error(fmt::format("{}: {} is missing", command.name, argument.name));
    }
    const bool takes_all = argument.count == Count::one_or_more || argument.count == Count::any_number;
    at = takes_all ? invocation.arguments.size() : at + 1;
  }
  if (at < invocation.arguments.size()) {
    return usage_error(fmt::format("{}: unexpected argument '{}'", command.name, invocation.arguments[at]));
  }
  return {};
}

Result<void> take_global(Invocation& invocation, const Slots::Slot& slot) {
  const std::string_view name = slot.info->name;
  if (name == "--help") invocation.help = true;
  if (name == "--version") invocation.version = true;
  if (name == "--json") invocation.json = true;
  if (name == "--url") invocation.url = slot.text;
  if (name == "--color") {
    const auto mode = parse_color_mode(slot.text);
    if (!mode) return usage_error(fmt::format("--color must be auto, always or never, got '{}'", slot.text));
    invocation.color = *mode;
  }
  return {};
}

Error parse_error(const Parser& parser, const CLI::ParseError& error) {
  const std::string scope =
      parser.command() == nullptr ? parser.group() : std::string(parser.command()->name);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::vector<std::string> extras = parser.unexpected();
    const std::string first = extras.empty() ? std::string() : extras.front();
    if (first.size() > 1 && first[0] == '-') {
      return usage_error(fmt::format("{}unknown option '{}'", scope.empty() ? scope : scope + ": ", first));
    }
    return usage_error(fmt::format("unknown command '{}{}'", scope.empty() ? scope : scope + ' ', first));
  }
  const std::string text = text::replace_all(error.what(), "\n", " ");
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return usage_error(fmt::format("{} needs a value", text.substr(0, text.find(':'))));
  }
  return usage_error(text);
}

}  // namespace

std::optional<std::string> Invocation::value(std::string_view option) const {
  const auto found = options.find(option);
  if (found == options.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> Invocation::values(std::string_view option) const {
  const auto found = lists.find(option);
  return found == lists.end() ? std::vector<std::string>() : found->second;
}

Result<Invocation> parse_arguments(const std::vector<std::string>& words) {
  Parser parser;
  try {
    parser.parse(words);
  } catch (const CLI::ParseError& error) {
    return parse_error(parser, error);
  }
  Invocation invocation;
  invocation.command = parser.command();
  // "jobs" alone lists them.
  if (invocation.command == nullptr && parser.group() == "jobs")
    invocation.command = find_command("jobs list");
  if (invocation.command == nullptr && parser.group() == "services")
    invocation.command = find_command("services core");
  invocation.arguments = parser.arguments();
  const auto globals = global_options();
  for (const Slots::Slot& slot : parser.slots().all) {
    if (slot.option->count() == 0) continue;
    if (slot.info >= globals.data() && slot.info < globals.data() + globals.size()) {
      if (auto taken = take_global(invocation, slot); !taken) return taken.error();
    } else {
      invocation.options.emplace(slot.info->name, slot.text);
      if (slot.info->repeatable) invocation.lists.emplace(slot.info->name, slot.texts);
    }
  }
  if (invocation.help || (invocation.version && invocation.command == nullptr)) return invocation;
  if (invocation.command == nullptr) {
    const std::string group = parser.group();
    if (!group.empty()) return usage_error(fmt::format("{}: name one of {}", group, names_of_group(group)));
    return usage_error("no command; try 'dumb-cli --help'");
  }
  if (auto counted = check_counts(invocation); !counted) return counted.error();
  return invocation;
}

}  // namespace dumb::cli
