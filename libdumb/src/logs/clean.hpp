#pragma once

#include <string>
#include <string_view>

namespace dumb::logs {

/// A captured line made readable (LIF-105): invalid UTF-8 becomes U+FFFD, ANSI sequences and trailing blanks
/// are removed, leading blanks kept. Either a part of `raw`, when nothing had to change, or a view of
/// `scratch`. Pure.
std::string_view clean_line(std::string_view raw, std::string& scratch);

}  // namespace dumb::logs
