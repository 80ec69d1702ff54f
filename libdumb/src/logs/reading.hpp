#pragma once

#include <cstdint>
#include <dumb/base/log.hpp>
#include <dumb/logs/log_reader.hpp>
#include <string_view>

/// Which part of a log file a request gets (LIF-112). Pure.
namespace dumb::logs {

inline constexpr std::uint64_t longest_chunk = 8U << 20U;
inline constexpr std::uint64_t longest_partial =
    64U << 10U;  ///< an unfinished line is held back up to this length

struct ReadStart {
  std::uint64_t offset = 0;
  bool reset = true;
  bool find_marker = false;  ///< begin at the last start marker behind `offset`, if there is one
};

/// `file_id`: of the file as it is now.
ReadStart choose_start(const ReadRequest& request, std::uint64_t size, std::string_view file_id);

struct Piece {
  std::size_t begin = 0, end = 0;  ///< of `bytes`
};

/// The complete lines in `bytes`, of which the first `before` stand in front of the wanted offset and only
/// tell whether it lies inside a line. At most one unfinished line, when it is longer than 64 KiB.
/// `at_start`: `bytes` begins with the file.
Piece choose_lines(std::string_view bytes, std::size_t before, bool at_start);

/// Where the last line that is a start marker begins in [from, bytes.size()), or `from`.
std::size_t last_marker(std::string_view bytes, std::size_t from);

}  // namespace dumb::logs
