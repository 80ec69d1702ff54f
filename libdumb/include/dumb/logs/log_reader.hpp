#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::logs {

/// What a client asks of a log file (LIF-109).
struct ReadRequest {
  std::optional<std::int64_t> cursor;
  std::optional<std::int64_t> tail_bytes;  ///< clamped to 1024 … 8388608; absent: 131072
  std::optional<std::string> file_id;
  bool main_log = false;  ///< without a cursor, begin at the last start marker (LIF-112)
};

/// A piece of a log file (LIF-110).
struct Chunk {
  std::uint64_t size = 0;
  std::uint64_t cursor = 0;
  std::string chunk;
  bool reset = true;
  std::optional<std::string> file_id;
};

/// Reads complete lines, UTF-8 repaired, not redacted. Where the file of `file_id` has been rotated away and
/// is still kept, goes on in it and in those after it. Blocking and bounded in memory; call on a worker.
/// A missing file gives the empty chunk. Fails with the errno of open or read.
Result<Chunk> read_chunk(const std::filesystem::path& file, const ReadRequest& request);

/// The text every boot writes to the main log first: "==== DUMB start <version> pid <pid>" (LIF-115).
std::string start_marker(std::string_view version, int pid);

}  // namespace dumb::logs
