#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/catalog/expression.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Where a version stands and how it is read: the decisions behind VersionCache. All pure.
namespace dumb::setup::version {

enum class Kind { file, assembly, command, dpkg, http, env, fixed };

/// One `read` object of SVC-43 with every placeholder filled.
struct Source {
  Kind kind = Kind::fixed;
  std::vector<std::string> paths;  ///< file, assembly: candidates in order, may hold * and ?; unmapped
  std::vector<std::string> argv;   ///< command, dpkg
  std::string url;                 ///< http
  std::string name;                ///< env: the variable
  std::string fixed;               ///< fixed: the version itself
  std::string format;              ///< file: text, json, regex, regex-multi
  std::string at;                  ///< JSON pointer
  std::string regex;
  std::vector<std::pair<std::string, std::string>> patterns;  ///< regex-multi: name and pattern
  std::string join;
  std::string needle;
  std::optional<std::string> last_line_after;
  std::string prefix, strip_prefix;
  bool output_otherwise = false;  ///< command: the whole output when the pattern is not found
  std::chrono::milliseconds timeout{5000};
};

/// What is to be tried, in order: a source and its `otherwise`.
using Plan = std::vector<Source>;

/// What the placeholders of version data mean for one block.
struct Scope {
  const catalog::Service* service = nullptr;
  const json::object* block = nullptr;
  std::string instance;
  std::string build_version;
};

/// The plan of a block; empty when its service has no version, or a placeholder of every source is blank.
Plan plan(const Scope& scope);
/// A text that two plans share when they read the same thing in the same way.
std::string identity(const Plan& plan);
/// Whether a source has to be asked again only when a file changed.
bool is_file(const Source& source) noexcept;

/// The version in what a source gave: a file's bytes, a command's output, a response's body, a variable's
/// value. nullopt when there is none, or the text is longer than a version can be.
std::optional<std::string> read(const Source& source, std::string_view text);

/// The first `pattern` in the text that follows `needle` in a binary, as UTF-8 or as UTF-16LE.
std::optional<std::string> scan_assembly(std::string_view bytes, std::string_view needle,
                                         std::string_view pattern);

/// The first group of the first match (the whole match without groups). `^` and `$` hold at line ends; a
/// leading
/// (?i) or (?m) sets flags. nullopt also for a pattern that is no ECMAScript.
std::optional<std::string> first_match(std::string_view text, std::string_view pattern);

}  // namespace dumb::setup::version
