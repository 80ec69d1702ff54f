#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <dumb/base/json.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/model.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dumb::config {

/// A setting that a variable or a secret file replaces (CFG-43 to CFG-46).
struct Override {
  JsonPath path;
  json::value value;
  std::string variable;  ///< as it was given
};
using Overrides = std::vector<Override>;

/// Contents of the secret files by name; nullopt: there, but unreadable.
using SecretFiles = std::map<std::string, std::optional<std::string>, std::less<>>;

struct OverrideSources {
  const SecretFiles& secrets;
  const Environment& environment;
  const Environment& env_file;
};

struct FoundOverrides {
  Overrides overrides;
  std::vector<std::string> warnings;  ///< a value that does not convert; an unreadable secret
  /// Variables of the environment or the env file that stand for secret fields.
  std::vector<std::string> secret_variables;
};

/// Looks up every leaf of the merged `document`; types are the schema's. Pure.
FoundOverrides find_overrides(const json::object& document, const Model& model,
                              const OverrideSources& sources);

/// Sets the overrides whose members are still there.
void apply_overrides(json::object& document, const Overrides& overrides);
/// The override at `path`, above it or below it; null when there is none.
const Override* override_touching(const Overrides& overrides, const JsonPath& path);

/// Every regular file of a directory, trimmed. A directory that is not there holds nothing.
SecretFiles read_secret_files(const std::filesystem::path& directory);

}  // namespace dumb::config
