#pragma once

#include <string_view>

namespace dumb::cli {

/// The version this program was built as.
std::string_view program_version() noexcept;

}  // namespace dumb::cli
