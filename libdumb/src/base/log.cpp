#include <array>
#include <dumb/base/log.hpp>
#include <dumb/base/text.hpp>

namespace dumb {
namespace {
constexpr std::array<std::string_view, 5> names{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

class NullLog final : public Log {
 public:
  void write(Level, std::string_view) override {}
};
}  // namespace

std::string_view level_name(Level level) noexcept {
  return names[static_cast<std::size_t>(level)];
}

std::optional<Level> parse_level(std::string_view text) noexcept {
  text = text::trim(text);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (text::iequals(text, names[i])) return static_cast<Level>(i);
  }
  if (text::iequals(text, "WARN")) return Level::warning;
  if (text::iequals(text, "FATAL")) return Level::critical;
  return std::nullopt;
}

Log& null_log() noexcept {
  static NullLog log;
  return log;
}

}  // namespace dumb
