#include "paths.hpp"

namespace dumb::cli {
namespace {

std::string variable(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

}  // namespace

Root stack_root(const std::optional<std::string>& option, const Environment& environment, bool is_root_user) {
  std::string root = option ? *option : variable(environment, "DUMB_ROOT");
  if (!root.empty()) return Root(std::filesystem::absolute(root));
  if (is_root_user) return Root("/");
  root = variable(environment, "XDG_DATA_HOME");
  if (!root.empty() && root.front() == '/') return Root(root + "/dumb");
  const std::string home = variable(environment, "HOME");
  return Root(home.empty() ? "/" : home + "/.local/share/dumb");
}

std::filesystem::path config_path(const std::optional<std::string>& option, const Environment& environment,
                                  const Root& root) {
  const std::string file = option ? *option : variable(environment, "DUMB_CONFIG");
  if (file.empty()) return root.map("/config/dumb_config.json");
  return std::filesystem::absolute(file).lexically_normal();
}

}  // namespace dumb::cli
