#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/rclone.hpp"

namespace dumb::setup {
namespace {

constexpr int first_rc_port = 5572;

/// The remote control ports in the commands of other instances.
std::set<int> taken_rc_ports(const Scope& scope) {
  std::set<int> taken;
  for (const config::BlockRef* ref : scope.context().config->of_key("rclone")) {
    if (ref->path == scope.context().block.path) continue;
    const auto words = command_words(scope.context().config->block(*ref).if_contains("command"));
    const auto port = words ? rc_port_of(*words) : std::nullopt;
    if (port) taken.insert(*port);
  }
  return taken;
}

/// SVC-135. The number in the user's command, then the one of the last run, then the next free one.
std::optional<int> choose_rc_port(Scope& scope, const std::vector<std::string>& user_words) {
  const std::set<int> taken = taken_rc_ports(scope);
  if (const auto port = rc_port_of(user_words); port && !taken.contains(*port)) return port;
  const auto last =
      command_words(scope.context().config->block(scope.context().block).if_contains("command"));
  if (const auto port = last ? rc_port_of(*last) : std::nullopt; port && !taken.contains(*port)) return port;
  for (int port = first_rc_port; port < 65536; ++port) {
    if (!taken.contains(port) && !scope.facts().answers("127.0.0.1", port)) return port;
  }
  return std::nullopt;
}

/// Another user's mount is visible to others only with this line, unless root mounts.
bool may_allow_other(Scope& scope) {
  if (scope.facts().is_root()) return true;
  const auto text = scope.facts().read(scope.context().host.map("/etc/fuse.conf"));
  if (!text) return false;
  const auto lines = text::split(*text, '\n');
  return std::any_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return text::trim(line) == "user_allow_other"; });
}

std::string absolute(const std::string& path) {
  return (std::filesystem::path("/") / path).lexically_normal().native();
}

Result<json::value> mount_command(Scope& scope, const json::value& command) {
  const json::object& own = scope.own();
  const auto remote = rclone_remote(scope);
  if (!remote) return remote.error();
  const auto words = command_words(&command);
  if (!words) return words.error();
  MountCommand mount;
  mount.mount_name = jsonx::string_at(own, "mount_name");
  mount.mount_point = absolute(jsonx::string_at(own, "mount_dir") + "/" + mount.mount_name);
  mount.config_file = absolute(jsonx::string_at(own, "config_file"));
  mount.cache_dir = absolute(jsonx::string_at(own, "cache_dir"));
  mount.log_level = jsonx::string_at(own, "log_level");
  mount.uid = scope.facts().user().uid;
  mount.gid = scope.facts().user().gid;
  mount.nzbdav = remote->nzbdav;
  mount.allow_other = may_allow_other(scope);
  if (!mount.allow_other && scope.context().log != nullptr) {
    scope.context().log->warning(
        fmt::format("{}: /etc/fuse.conf lacks user_allow_other, so only this user will see the mount",
                    scope.context().block.process_name));
  }
  if (jsonx::bool_at(own, "decypharr_enabled", false)) mount.rc_port = choose_rc_port(scope, *words);
  json::array out;
  for (const std::string& word : rclone_mount_command(*words, mount)) out.emplace_back(word);
  return json::value(std::move(out));
}

}  // namespace

void add_rclone_models(Scope& scope) {
  scope.values["rclone.password"] = [&scope]() -> Result<json::value> {
    const auto remote = rclone_remote(scope);
    if (!remote) return remote.error();
    return json::value(json::string(remote->password));
  };
  scope.filters["rclone-mount"] = [&scope](const json::value& command) {
    return mount_command(scope, command);
  };
}

}  // namespace dumb::setup
