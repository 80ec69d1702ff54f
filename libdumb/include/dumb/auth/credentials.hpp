#pragma once

#include <boost/describe/class.hpp>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace dumb::auth {

/// What a client keeps of a login.
struct Credentials {
  std::string access_token;
  std::string refresh_token;
  bool operator==(const Credentials&) const = default;
};
BOOST_DESCRIBE_STRUCT(Credentials, (), (access_token, refresh_token))

/// Credentials of one user of this machine for several servers: a JSON object by server, readable by its
/// owner only (mode 0600). Blocking. Two programs that write at the same time: the later one wins.
class CredentialFile {
 public:
  explicit CredentialFile(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path& path() const noexcept { return path_; }

  /// nullopt when there are none. Fails with the errno of the file, or Errc::syntax for one that is no such
  /// object.
  Result<std::optional<Credentials>> find(const std::string& server) const;
  /// Creates the file and its directory when missing. Fails as find().
  Result<void> store(const std::string& server, const Credentials& credentials) const;
  /// False when there were none. Fails as find().
  Result<bool> remove(const std::string& server) const;

 private:
  using All = std::map<std::string, Credentials>;
  Result<All> read() const;
  Result<void> write(const All& all) const;
  std::filesystem::path path_;
};

/// Where they are kept: DUMB_CREDENTIALS, else dumb/credentials.json in XDG_CONFIG_HOME or HOME/.config;
/// empty when none of these is set. Pure.
std::filesystem::path credentials_path(const std::map<std::string, std::string>& environment);

}  // namespace dumb::auth
