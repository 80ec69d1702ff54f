#pragma once

#include <sys/types.h>

#include <cstdint>
#include <dumb/auth/accounts.hpp>
#include <filesystem>
#include <optional>

/// The file of the user store. Blocking.
namespace dumb::auth {

/// What tells whether a file is still the one that was read.
struct FileStamp {
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

/// nullopt when there is no such file or it cannot be looked at.
std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

struct Loaded {
  Result<Accounts> accounts;  ///< or why the store cannot be used
  std::optional<FileStamp> stamp;
};

/// Reads the store; a missing one is ENOENT.
Loaded load_accounts(const std::filesystem::path& file);
/// load_accounts(), but creates a missing store and completes one without a secret.
Loaded load_or_create(const std::filesystem::path& file);
/// Durably, mode 0600.
Result<void> save_accounts(const std::filesystem::path& file, const Accounts& accounts);

}  // namespace dumb::auth
