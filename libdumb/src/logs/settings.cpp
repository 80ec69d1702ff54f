#include <dumb/base/text.hpp>
#include <dumb/logs/settings.hpp>
#include <limits>

namespace dumb::logs {
namespace {

constexpr std::uint64_t default_size = 10U << 20U;

/// Binary exponent of a unit, or -1.
int shift_of(std::string_view unit) noexcept {
  if (unit.empty()) return 0;
  const std::string_view rest = unit.substr(1);
  if (!rest.empty() && !text::iequals(rest, "B") && !text::iequals(rest, "iB")) return -1;
  switch (unit.front()) {
    case 'k':
    case 'K':
      return 10;
    case 'm':
    case 'M':
      return 20;
    case 'g':
    case 'G':
      return 30;
    default:
      return -1;
  }
}

}  // namespace

std::uint64_t parse_size(std::string_view text) noexcept {
  text = text::trim(text);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = text::to_int(text.substr(0, digits));
  const int shift = shift_of(text::trim(text.substr(digits)));
  if (!number || shift < 0) return default_size;
  if (*number > std::numeric_limits<std::int64_t>::max() >> shift) return default_size;
  return static_cast<std::uint64_t>(*number) << static_cast<unsigned>(shift);
}

int parse_count(std::string_view text) noexcept {
  const auto number = text::to_int(text::trim(text));
  if (!number || *number < 0 || *number > 1'000'000) return 2;
  return static_cast<int>(*number);
}

}  // namespace dumb::logs
