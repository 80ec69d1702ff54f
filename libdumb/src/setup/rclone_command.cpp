#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/rclone.hpp"

namespace dumb::setup {
namespace {

using Words = std::vector<std::string>;

/// A flag with its value, as one or two words.
struct Flag {
  std::string name;
  Words words;
};

/// Flags without a value among those a mount may have; a bare word behind any other flag is its value.
constexpr std::array<std::string_view, 37> switches{"--allow-non-empty",
                                                    "--allow-other",
                                                    "--allow-root",
                                                    "--async-read",
                                                    "--daemon",
                                                    "--debug-fuse",
                                                    "--default-permissions",
                                                    "--direct-io",
                                                    "--ignore-checksum",
                                                    "--ignore-size",
                                                    "--links",
                                                    "--mount-case-insensitive",
                                                    "--network-mode",
                                                    "--no-checksum",
                                                    "--no-modtime",
                                                    "--no-seek",
                                                    "--no-traverse",
                                                    "--no-unicode-normalization",
                                                    "--no-update-modtime",
                                                    "--quiet",
                                                    "--rc",
                                                    "--rc-allow-origin",
                                                    "--rc-enable-metrics",
                                                    "--rc-no-auth",
                                                    "--rc-serve",
                                                    "--rc-web-gui",
                                                    "--read-only",
                                                    "--use-cookies",
                                                    "--use-mmap",
                                                    "--use-server-modtime",
                                                    "--verbose",
                                                    "--vfs-case-insensitive",
                                                    "--vfs-fast-fingerprint",
                                                    "--vfs-links",
                                                    "--vfs-refresh",
                                                    "--vfs-used-is-size",
                                                    "--write-back-cache"};

bool is_switch(std::string_view name) {
  // -l and -v are letters of switches, also run together; -o takes a value.
  if (name.size() > 1 && name[1] != '-') {
    return std::all_of(name.begin() + 1, name.end(),
                       [](char c) { return c == 'l' || c == 'L' || c == 'v' || c == 'q'; });
  }
  return std::find(switches.begin(), switches.end(), name) != switches.end();
}

bool is_flag(std::string_view word) {
  return word.size() > 1 && word.front() == '-';
}

/// The flags of a command, in order; the program, `mount`, the remote and the mount point are left out.
std::vector<Flag> parse_flags(const Words& words) {
  std::vector<Flag> flags;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_flag(words[i])) continue;
    const std::size_t equals = words[i].find('=');
    Flag flag{words[i].substr(0, equals), {words[i]}};
    const bool has_value = equals != std::string::npos || is_switch(flag.name);
    if (!has_value && i + 1 < words.size() && !is_flag(words[i + 1])) flag.words.push_back(words[++i]);
    flags.push_back(std::move(flag));
  }
  return flags;
}

/// Owned by this program. -v and -q cannot stand beside --log-level: rclone refuses to start.
bool is_owned(const Flag& flag, const MountCommand& mount) {
  static constexpr std::array<std::string_view, 11> names{
      "--config",          "--uid",       "--gid",       "--allow-other",
      "--allow-non-empty", "--cache-dir", "--log-level", "--log-file",
      "--verbose",         "--quiet",     "-q"};
  if (std::find(names.begin(), names.end(), flag.name) != names.end()) return true;
  if (flag.name.starts_with("-v") && flag.name.find_first_not_of('v', 1) == std::string::npos) return true;
  return mount.rc_port && (flag.name == "--rc" || flag.name == "--rc-addr" || flag.name == "--rc-no-auth");
}

std::string rclone_level(std::string_view level) {
  const std::string upper = text::upper(text::trim(level));
  if (upper == "WARNING" || upper == "WARN") return "NOTICE";
  if (upper == "CRITICAL" || upper == "FATAL") return "ERROR";
  return upper.empty() ? "INFO" : upper;
}

Words default_flags(const MountCommand& mount) {
  if (!mount.nzbdav) return {"--poll-interval=0", "--dir-cache-time=10s"};
  return {"--poll-interval=0",
          "--dir-cache-time=1s",
          "--vfs-cache-mode=full",
          "--buffer-size=1024M",
          "--vfs-cache-max-size=5G",
          "--vfs-cache-max-age=180m",
          "--links",
          "--use-cookies"};
}

bool has_flag(const std::vector<Flag>& flags, std::string_view name) {
  return std::any_of(flags.begin(), flags.end(), [&](const Flag& flag) {
    return flag.name == name || (name == "--links" && flag.name == "-l");
  });
}

}  // namespace

Result<std::vector<std::string>> command_words(const json::value* command) {
  std::vector<std::string> words;
  if (command == nullptr) return words;
  if (const auto* text = command->if_string()) {
    auto split = text::shell_words(*text);
    if (!split) return failure(Failure::bad_value, "command: " + split.error().message());
    return split;
  }
  if (const auto* list = command->if_array()) {
    for (const json::value& word : *list) words.push_back(text_of(word));
  }
  return words;
}

std::optional<int> rc_port_of(const std::vector<std::string>& words) {
  for (const Flag& flag : parse_flags(words)) {
    if (flag.name != "--rc-addr") continue;
    const std::string& last = flag.words.back();
    const auto port = text::to_int(std::string_view(last).substr(last.rfind(':') + 1));
    if (last.find(':') != std::string::npos && port && *port > 0 && *port < 65536)
      return static_cast<int>(*port);
  }
  return std::nullopt;
}

std::vector<std::string> rclone_mount_command(const std::vector<std::string>& user_words,
                                              const MountCommand& mount) {
  const bool own_program = !user_words.empty() && user_words.front().find('/') != std::string::npos &&
                           !is_flag(user_words.front()) && user_words.front().find(':') == std::string::npos;
  Words command{own_program ? user_words.front() : "rclone",
                "mount",
                mount.mount_name + ":",
                mount.mount_point,
                "--config=" + mount.config_file,
                fmt::format("--uid={}", mount.uid),
                fmt::format("--gid={}", mount.gid)};
  if (mount.allow_other) command.emplace_back("--allow-other");
  command.emplace_back("--allow-non-empty");
  command.push_back("--cache-dir=" + mount.cache_dir);
  command.push_back("--log-level=" + rclone_level(mount.log_level));
  const std::vector<Flag> flags = parse_flags(user_words);
  for (const std::string& flag : default_flags(mount)) {
    if (!has_flag(flags, flag.substr(0, flag.find('=')))) command.push_back(flag);
  }
  if (mount.rc_port) {
    command.insert(command.end(),
                   {"--rc", "--rc-addr", fmt::format("127.0.0.1:{}", *mount.rc_port), "--rc-no-auth"});
  }
  for (const Flag& flag : flags) {
    if (!is_owned(flag, mount)) command.insert(command.end(), flag.words.begin(), flag.words.end());
  }
  return command;
}

}  // namespace dumb::setup
