#pragma once

#include <string_view>

namespace dumb::logs {

/// Whether `text`, what stands before a level word, holds nothing but dates, times, zones, bracketed numbers,
/// separators and symbols, so that it may be dropped (LIF-107). Pure, linear.
bool is_stamp_prefix(std::string_view text) noexcept;

}  // namespace dumb::logs
