#pragma once

#include <sys/types.h>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <string_view>

#include "engine/event_log.hpp"

namespace dumb::engine {

/// Where events are kept over restarts: JSON lines in `path`, of which the older part moves to `path`.1.
struct EventFile {
  std::filesystem::path path;
  std::uint64_t limit = 1U << 20U;  ///< bytes of each of the two
  std::optional<uid_t> uid;         ///< of new files
  std::optional<gid_t> gid;
};

/// The end of both parts, a missing one being empty. Blocking, bounded by the limit.
/// Fails with the errno of the first part that is there and cannot be read.
Result<StoredEvents> load_events(const EventFile& file, std::size_t most);

/// Appends whole lines; all of them or, as far as a disk allows, none. Blocking.
Result<void> append_events(const EventFile& file, std::string_view lines);

}  // namespace dumb::engine
