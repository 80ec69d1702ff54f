#pragma once

#include <sys/types.h>
#include <chrono>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// The service user in the user database (LIF-122).
namespace dumb::setup::host {

inline constexpr const char* service_name = "DUMB";
inline constexpr const char* service_home = "/home/DUMB";

/// The texts of the files; shadow is missing on systems without one.
struct UserTexts {
  std::string passwd, group;
  std::optional<std::string> shadow;
  bool operator==(const UserTexts&) const = default;
};

struct UserEdit {
  UserTexts texts;
  /// The account and group the ids belong to afterwards.
  std::string account, group;
};

/// The texts with a group of `gid` and the user DUMB of `uid`: home /home/DUMB, shell /bin/bash, a locked
/// password. An id that belongs to another name stays that name's: no second entry gets it, an entry DUMB
/// with another id is left as it is, and services run under the name that has it. Of an account DUMB that
/// exists ids, home and shell are corrected; a password that would let somebody in is locked but not lost.
/// Every other line stays byte for byte; edited texts are left as they are. Pure.
UserEdit with_service_user(UserTexts now, uid_t uid, gid_t gid);

/// Does that to the files in `etc`, under the lock of lckpwdf(3) (`.pwd.lock`, taken directly because
/// lckpwdf() works with SIGALRM, which belongs to the whole program). passwd comes last, so that no account
/// is seen before its password is locked. Waits up to `patience` for the lock. Blocking.
Result<UserEdit> make_service_user(const std::filesystem::path& etc, uid_t uid, gid_t gid,
                                   std::chrono::milliseconds patience = std::chrono::seconds(15));

}  // namespace dumb::setup::host
