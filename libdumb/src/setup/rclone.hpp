#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "setup/edits.hpp"
#include "setup/scope.hpp"

/// What rclone needs: the remote, the command of the mount (SVC-128 to SVC-139). Pure but for Facts.
namespace dumb::setup {

/// The remote an instance mounts.
struct Remote {
  Entries entries;  ///< of its section, in order, without `pass`
  std::string user;
  std::string password;  ///< plain; blank: no `pass` line
  std::string url;       ///< what a start waits for; blank for a provider without HTTP
  bool nzbdav = false;
  std::vector<std::string> warnings;
};

/// SVC-129: required members and the name of the mount.
Result<void> check_rclone(const json::object& block);
/// SVC-130, SVC-131. Fails with missing_field, unsupported_provider or conflict.
Result<Remote> rclone_remote(Scope& scope);
/// Lower case without blanks, '-' and '_'.
std::string provider_token(std::string_view key_type);
/// Whether a password is stored as a hash, of which no `pass` can be made.
bool is_password_hash(std::string_view password);
/// The entries to write: `pass` is `obscured`, unless the one in `existing` reveals to the same password.
Entries remote_entries(const Remote& remote, std::string_view obscured,
                       const std::optional<Entries>& existing);
/// The generated `wait_for_url` (SVC-136); empty when there is nothing to wait for.
json::array remote_wait(const Remote& remote);

/// What decides the command besides the user's own one.
struct MountCommand {
  std::string mount_name, mount_point, config_file, cache_dir, log_level;
  unsigned uid = 0, gid = 0;
  bool allow_other = true;
  bool nzbdav = false;
  std::optional<int> rc_port;  ///< remote control for decypharr (SVC-135)
};
/// SVC-134: the whole command. `user_words` is the user's command, empty if there is none.
std::vector<std::string> rclone_mount_command(const std::vector<std::string>& user_words,
                                              const MountCommand& mount);
/// The port of `--rc-addr` in a command.
std::optional<int> rc_port_of(const std::vector<std::string>& words);
/// A command member as words. Fails with bad_value when a text has an open quote.
Result<std::vector<std::string>> command_words(const json::value* command);

/// Adds `{rclone.password}` and the filter `rclone-mount` to a scope.
void add_rclone_models(Scope& scope);

}  // namespace dumb::setup
