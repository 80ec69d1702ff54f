#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <regex>

#include "setup/run_posix.hpp"

/// The step `patch`: replaces a text in installed source.
namespace dumb::setup {
namespace {

Result<std::string> replaced(const std::string& text, const std::string& find, const std::string& with,
                             bool regex) {
  if (!regex) return text::replace_all(text, find, with);
  std::string pattern = find;
  auto flags = std::regex::ECMAScript;
  if (pattern.starts_with("(?i)")) flags |= std::regex::icase;
  if (pattern.starts_with("(?m)")) flags |= std::regex::multiline;
  if (pattern.starts_with("(?i)") || pattern.starts_with("(?m)")) pattern.erase(0, 4);
  try {
    return std::regex_replace(text, std::regex(pattern, flags), with);
  } catch (const std::regex_error& error) {
    return failure(Failure::bad_value,
                   fmt::format("the pattern of the patch cannot be used: {}", error.what()));
  }
}

}  // namespace

StepResult step_patch(Run& run, const json::object& step) {
  const auto path = run.scope.path(step.at("file"));
  if (!path) return path.error();
  const auto text = run.facts.exists(*path) ? run.facts.read(*path) : Result<std::string>(std::string());
  if (!text) return Run::failed(text.error());
  const std::string unless = jsonx::string_at(step, "unless_contains");
  const bool has = !unless.empty() && text->find(unless) != std::string::npos;
  // Braces of source code are no placeholders, those of ours name the block's members.
  const auto with = run.scope.text(step.at("replace"));
  if (!with) return with.error();
  const auto fresh =
      has ? Result<std::string>(*text)
          : replaced(*text, jsonx::string_at(step, "find"), *with, jsonx::bool_at(step, "regex", false));
  if (!fresh) return fresh.error();
  if (*fresh == *text) {
    run.log().debug(
        fmt::format("{}: nothing to patch in {}", run.name(), run.context.root.unmap(*path).native()));
    return Effect::none;
  }
  auto written = file::write_if_changed(*path, *fresh, run.owned(0644));
  if (!written) return Run::failed(written.error());
  run.changed(*path);
  return Effect::changed;
}

}  // namespace dumb::setup
