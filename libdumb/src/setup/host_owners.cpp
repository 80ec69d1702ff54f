#include "setup/host_owners.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <string_view>

#include "setup/host_users.hpp"

namespace dumb::setup::host {

namespace fs = std::filesystem;

std::vector<OwnedPath> owned_paths(const config::Snapshot& config) {
  std::vector<OwnedPath> paths;
  const auto add = [&](const fs::path& path, Depth depth) {
    const fs::path normal = path.lexically_normal();
    const auto same = [&](const OwnedPath& known) { return known.path == normal; };
    if (std::none_of(paths.begin(), paths.end(), same)) paths.push_back({normal, depth});
  };
  std::string log_dir = "/log";
  if (const json::value* dumb = jsonx::find(config.effective(), {"dumb"});
      dumb != nullptr && dumb->is_object())
    log_dir = jsonx::string_at(dumb->get_object(), "log_dir", log_dir);
  if (!text::blank(log_dir)) add(log_dir, Depth::everything_below);
  for (const char* path : {"/config", service_home, "/riven/backend/data", "/zilean/app/data",
                           "/plex_debrid/config", "/cli_debrid/data", "/cli_debrid/utilities"}) {
    add(path, Depth::everything_below);
  }
  add("/zurg", Depth::itself);
  for (const config::BlockRef* ref : config.of_key("rclone")) {
    const std::string directory = jsonx::string_at(config.block(*ref), "mount_dir");
    if (ref->enabled && !text::blank(directory)) add(directory, Depth::itself);
  }
  return paths;
}

bool is_system_directory(const fs::path& path) {
  static constexpr std::array<std::string_view, 27> own = {
      "/",      "/bin", "/boot", "/dev",       "/etc",     "/home",    "/lib",     "/lib32",   "/lib64",
      "/media", "/mnt", "/opt",  "/proc",      "/root",    "/run",     "/sbin",    "/srv",     "/sys",
      "/tmp",   "/usr", "/var",  "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/tmp", "/usr/local"};
  fs::path normal = path.lexically_normal();
  if (normal.has_relative_path() && !normal.has_filename()) normal = normal.parent_path();
  if (std::find(own.begin(), own.end(), normal.native()) != own.end()) return true;
  const std::string& text = normal.native();
  return text.starts_with("/etc/") || text.starts_with("/usr/") || text.starts_with("/proc/") ||
         text.starts_with("/sys/") || text.starts_with("/dev/");
}

}  // namespace dumb::setup::host
