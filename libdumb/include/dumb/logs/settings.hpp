#pragma once

#include <cstdint>
#include <string_view>

/// What the log settings of the configuration mean (LIF-96). Pure.
namespace dumb::logs {

/// Bytes of a size text: an integer with an optional unit `K M G`, `KB MB GB` or `KiB MiB GiB`, any case,
/// powers of 1024. Empty, negative or unreadable: 10 MiB. 0 means no limit.
std::uint64_t parse_size(std::string_view text) noexcept;

/// How many rotated files to keep; anything but a whole number from 0 on: 2.
int parse_count(std::string_view text) noexcept;

}  // namespace dumb::logs
