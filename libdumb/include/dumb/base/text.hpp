#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small text tools. All pure; ASCII rules unless said otherwise.
namespace dumb::text {

std::string_view trim(std::string_view text) noexcept;
std::string lower(std::string_view text);
std::string upper(std::string_view text);
bool iequals(std::string_view a, std::string_view b) noexcept;
/// Name folding of LIF-83: blanks removed, lower-cased.
std::string fold(std::string_view name);
bool blank(std::string_view text) noexcept;

/// Pieces between separators, empty ones kept.
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// Without leading and trailing slashes.
std::string_view trim_slashes(std::string_view text) noexcept;

/// POSIX shell word rules without a shell: quotes and backslashes, no expansion.
/// Fails with Errc::invalid_argument on an unterminated quote or trailing backslash.
Result<std::vector<std::string>> shell_words(std::string_view text);
/// A text that shell_words() splits back into `words`.
std::string shell_join(const std::vector<std::string>& words);

/// Whole text as a decimal integer with optional sign; nothing else.
std::optional<std::int64_t> to_int(std::string_view text) noexcept;
/// Whole text as a decimal number, exponent allowed; NaN and infinities are refused.
std::optional<double> to_double(std::string_view text) noexcept;
/// `true 1 yes on t y` / `false 0 no off f n`, any case.
std::optional<bool> to_bool(std::string_view text) noexcept;

/// Invalid UTF-8 replaced by U+FFFD, one per maximal invalid part.
std::string to_utf8(std::string_view bytes);
bool is_utf8(std::string_view bytes) noexcept;

/// RFC 3986 percent encoding of everything but unreserved characters.
std::string percent_encode(std::string_view text);
/// Decodes %XX (and '+' as a blank when `plus_is_blank`); nullopt on a bad escape.
enum class Plus { literal, blank };
std::optional<std::string> percent_decode(std::string_view text, Plus plus = Plus::literal);

/// Lower case, blanks to '_', everything outside [a-z0-9_-] removed (SVC "slug").
std::string slug(std::string_view name);

std::string base64_encode(std::string_view bytes);
std::string base64url_encode(std::string_view bytes);  ///< without padding
std::optional<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);

}  // namespace dumb::text
