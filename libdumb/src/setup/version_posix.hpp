#pragma once

#include <cstdint>
#include <dumb/base/root.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "setup/version.hpp"

/// Files of version detection. Blocking; for a worker.
namespace dumb::setup::version {

/// What tells whether a file has to be read again (API-101).
struct Stamp {
  std::string path;
  std::int64_t changed_ns = 0;
  std::uint64_t size = 0, inode = 0, device = 0;
  bool operator==(const Stamp&) const = default;
};

struct FileVersion {
  std::optional<Stamp> stamp;  ///< of the first candidate that is a file; nullopt without one
  std::optional<std::string> version;
};

/// Reads the first of the source's candidates that exists, unless it still is what `known` saw.
FileVersion read_file(const Source& source, const Root& root, const FileVersion& known);

/// A path of the catalogue on this machine: beneath the root, except that what exists only on the host below
/// /usr, /bin, /etc and /tmp is the host's (SVC-9).
std::filesystem::path place(const std::filesystem::path& path, const Root& root);

}  // namespace dumb::setup::version
