#pragma once

#include <dumb/base/result.hpp>
#include <dumb/setup/setup.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Structured edits of configuration files: text in, text out (SVC-29). Each keeps every line, comment and
/// order it does not own, changes nothing when the file already says what is wanted, and fails with
/// Failure::bad_file, "line L, column C: …", rather than touching what it cannot read (SVC-31). All pure.
namespace dumb::setup {

/// One wanted setting; without value it is commented out.
struct Setting {
  std::string name;
  std::optional<std::string> value;
};
using Settings = std::vector<Setting>;

/// PostgreSQL's configuration syntax. The last active line of a name is changed; without one a commented-out
/// line is taken into use, else a line is appended. Trailing comments stay.
Result<std::string> edit_kv(std::string_view text, const Settings& settings);
/// The value the server would use for `name`; nullopt when it is not set. Fails as edit_kv() does.
Result<std::optional<std::string>> kv_value(std::string_view text, std::string_view name);

using Entries = std::vector<std::pair<std::string, std::string>>;
/// The entries of `[section]`, nullopt when there is none.
Result<std::optional<Entries>> ini_section(std::string_view text, std::string_view section);
/// Replaces the entries of `[section]`, or appends the section. Comments stay, also those within the section;
/// a second section of that name goes, because programs differ in which one they use.
Result<std::string> replace_ini_section(std::string_view text, std::string_view section,
                                        const Entries& entries);

/// A top-level YAML scalar. `text` tells a string from a number or boolean of the same spelling.
struct YamlSetting {
  std::string name;
  std::optional<std::string> value;
  bool text = true;
};
/// Edits top-level keys only, also when written as `# key:` (SVC-143). An absent key is added after the line
/// of `anchor` (and what was added before it), else at the end of the leading comments.
Result<std::string> edit_yaml(std::string_view text, const std::vector<YamlSetting>& settings,
                              std::string_view anchor);
/// The scalar of a top-level key; nullopt when absent.
Result<std::optional<std::string>> yaml_value(std::string_view text, std::string_view name);
/// A scalar spelled so that YAML reads it back as it is.
std::string yaml_scalar(std::string_view value, bool text);
/// Comments out active top-level lines of `name` whose value contains `part`.
std::string comment_out_yaml(std::string_view text, std::string_view name, std::string_view part);

/// Every line of `wanted` is there, uncommented where `#line` was found, else appended.
std::string ensure_lines(std::string_view text, const std::vector<std::string>& wanted);

/// A Failure::bad_file at a place, both 1-based.
Error bad_file(std::size_t line, std::size_t column, std::string_view what);

/// The lines of a text without their ends; remembers whether the last one had one.
struct Lines {
  explicit Lines(std::string_view text);
  std::string str() const;
  std::vector<std::string> lines;
  bool final_newline = true;
  bool crlf = false;
};

}  // namespace dumb::setup
