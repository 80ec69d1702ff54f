#pragma once

#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::setup {

/// What conditions and models may ask about the machine. Paths are real ones, already beneath the root.
/// Implemented over the file system by facts_posix, from tables in unit tests.
class Facts {
 public:
  virtual ~Facts() = default;
  virtual bool exists(const std::filesystem::path& path) = 0;
  virtual bool executable(const std::filesystem::path& path) = 0;
  virtual Result<std::string> read(const std::filesystem::path& path) = 0;
  /// Where a program is found on the PATH of the environment.
  virtual std::optional<std::filesystem::path> tool(std::string_view name) = 0;
  virtual bool service_running(std::string_view process_name) = 0;
  /// Whether a pid file exists whose process is not a live PostgreSQL server of the directory it names
  /// (LIF-126).
  virtual bool pid_file_stale(const std::filesystem::path& path) = 0;
  /// Whether something answers on a TCP port, at most a second.
  virtual bool answers(const std::string& host, int port) = 0;
  /// Whether a service could listen on a port.
  virtual bool port_free(int port) = 0;
  /// Whether a live PostgreSQL server owns the socket of this port in the directory, or answers on it.
  virtual bool socket_owned(const std::filesystem::path& directory, int port) = 0;
  /// Whom services run as: the service user, or this process's own ids.
  struct User {
    unsigned uid = 0, gid = 0;
  };
  virtual User user() = 0;
  virtual bool is_root() = 0;
  virtual std::string random_bytes(std::size_t count) = 0;
  /// x86_64, aarch64 …
  virtual std::string machine() = 0;
  /// A password file for libpq with the credentials of the postgres section (SVC-119); returns its path.
  virtual Result<std::filesystem::path> postgres_passfile() = 0;
};

}  // namespace dumb::setup
