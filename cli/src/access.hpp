#pragma once

#include <dumb/auth/credentials.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace dumb::cli {

/// The right to ask one server: an access token, and how to get the next one. Thread-safe.
class Access {
 public:
  /// Keeps nothing: DUMB_TOKEN.
  explicit Access(std::string token);
  /// What a login has left in `file` for `server`; nothing there, or a file that cannot be read: no token.
  Access(auth::CredentialFile file, std::string server);

  std::string token() const;
  /// After an answer of 401 to `used`: whether there is another token now. `refresh` exchanges a refresh
  /// token for new credentials; nullopt when the server refuses.
  bool renew(const std::string& used,
             const std::function<std::optional<auth::Credentials>(const std::string& token)>& refresh);
  /// Keeps what a login gave.
  Result<void> keep(const auth::Credentials& credentials);
  /// Whether there was something to forget.
  Result<bool> forget();
  /// Where it is kept; empty: nowhere.
  std::string place() const;

 private:
  mutable std::mutex mutex_;
  std::optional<auth::CredentialFile> file_;
  std::string server_;
  auth::Credentials credentials_;
};

}  // namespace dumb::cli
