#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// The commands of a build (SVC 4). Pure.
namespace dumb::setup::build {

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env{};  ///< beyond the usual
  std::string directory{};                   ///< empty: that of the build
  bool operator==(const Command&) const = default;
};

/// What a build is asked for, its placeholders filled and its paths mapped.
struct Request {
  std::string tool, directory;
  std::string requirements = "requirements.txt";
  bool has_requirements = false;
  std::vector<std::string> args;              ///< poetry
  std::vector<std::string> update;            ///< poetry: packages to lock anew first
  std::vector<std::string> scripts{"build"};  ///< pnpm
  std::vector<std::string> projects;          ///< dotnet
  std::string output, package = ".", ldflags;
  std::string venv;                   ///< pip
  std::vector<std::string> packages;  ///< pip
  std::string python = "python3";
};

/// Variables every build sees besides PATH, HOME, LANG, TZ and those of proxies.
std::map<std::string, std::string> environment(const Request& request, std::string_view path);
/// What the build runs in order; for pnpm what comes after its installation.
std::vector<Command> commands(const Request& request, const std::vector<std::string>& known_scripts);
/// Variables of the surroundings a build may see (SVC-81).
bool is_inherited(std::string_view variable);

/// `.npmrc` with the lines of SVC-82 added where they are absent.
std::string npmrc(std::string_view present);
/// Names of the scripts of a package.json; empty when it has none.
std::vector<std::string> scripts_of(std::string_view package_json);
/// The major version of pnpm a package.json asks for; empty when it does not say (SVC-83).
std::string wanted_pnpm(std::string_view package_json);
/// Whether the output of a failed `pnpm install --frozen-lockfile` blames the lockfile (SVC-81).
bool blames_lockfile(std::string_view output);

/// Debian package, or npm's, a missing tool is in.
std::string_view package_of(std::string_view program);

}  // namespace dumb::setup::build
