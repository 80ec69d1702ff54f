#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::config {

/// The configuration file on disk. Blocking. rewrite() may be called on any thread; writers, also of other
/// processes, take turns through a lock on `<file>.lock`.
class Store {
 public:
  /// Follows symlinks once; the file need not exist (CFG-1).
  explicit Store(std::filesystem::path file);

  const std::filesystem::path& file() const noexcept { return file_; }
  bool exists() const;
  Result<std::string> read() const;
  Result<std::string> read_backup() const;

  /// Writes a file that is not there, mode 0600; directories beneath the root are made (CFG-2).
  Result<void> create(std::string_view text, const Root& root, std::optional<uid_t> uid,
                      std::optional<gid_t> gid) const;

  using Rewrite = std::function<Result<std::string>(const std::string& text)>;
  /// Replaces the text by what `rewrite` makes of it, under the lock (CFG-58 to CFG-63). The first time a
  /// backup is written before. Equal text is not written. Fails with Errc::timed_out when the lock stays
  /// taken, with the errno of what failed, or as `rewrite` does; the file is then untouched.
  Result<void> rewrite(const Rewrite& rewrite) const;

 private:
  Result<void> replace(const std::string& old_text, const std::string& text) const;

  std::filesystem::path file_;
  mutable std::atomic<bool> backed_up_{false};  // only set under the lock
};

}  // namespace dumb::config
