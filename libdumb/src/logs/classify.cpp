#include "logs/classify.hpp"

#include <array>
#include <dumb/base/text.hpp>
#include <optional>
#include <utility>

#include "logs/bytes.hpp"
#include "logs/prefix.hpp"

namespace dumb::logs {
namespace {

constexpr std::size_t searched = 96;  ///< bytes of a line in which a level is looked for

struct LevelWord {
  std::string_view text;
  Level level;
  bool is_short;  ///< an abbreviation: sets the level, but the text stays whole
};

constexpr std::array<LevelWord, 15> level_words{{
    {"DEBUG", Level::debug, false},
    {"INFO", Level::info, false},
    {"NOTICE", Level::info, false},
    {"WARNING", Level::warning, false},
    {"WARN", Level::warning, false},
    {"ERROR", Level::error, false},
    {"CRITICAL", Level::critical, false},
    {"FATAL", Level::critical, false},
    {"LOG", Level::info, false},
    {"DBG", Level::debug, true},
    {"INF", Level::info, true},
    {"WRN", Level::warning, true},
    {"ERR", Level::error, true},
    {"FTL", Level::critical, true},
    {"TRC", Level::debug, true},
}};

const LevelWord* find_word(std::string_view word) noexcept {
  if (word.size() < 3 || word.size() > 8) return nullptr;
  for (const LevelWord& entry : level_words) {
    if (entry.text == word) return &entry;
  }
  return nullptr;
}

struct Found {
  const LevelWord* word;
  std::size_t at;
};

/// What a byte may be in a level word.
enum class ByteKind : unsigned char { other, word, upper };
constexpr std::array<ByteKind, 256> byte_kinds = [] {
  std::array<ByteKind, 256> kinds{};
  for (unsigned c = 'a'; c <= 'z'; ++c) kinds[c] = ByteKind::word;
  for (unsigned c = '0'; c <= '9'; ++c) kinds[c] = ByteKind::word;
  for (unsigned c = 'A'; c <= 'Z'; ++c) kinds[c] = ByteKind::upper;
  kinds['_'] = ByteKind::word;
  return kinds;
}();
ByteKind kind_of(char c) noexcept {
  return byte_kinds[static_cast<unsigned char>(c)];
}

/// The first whole word that names a level. Words in lower case are passed over byte by byte; only what
/// begins with a capital is looked at closely.
std::optional<Found> first_level(std::string_view line) noexcept {
  const std::size_t end = std::min(line.size(), searched);
  for (std::size_t i = 0; i < end; ++i) {
    if (kind_of(line[i]) != ByteKind::upper) continue;
    const std::size_t begin = i;
    while (i < end && kind_of(line[i]) == ByteKind::upper) ++i;
    const bool whole = (begin == 0 || kind_of(line[begin - 1]) == ByteKind::other) &&
                       (i >= line.size() || kind_of(line[i]) == ByteKind::other);
    if (!whole) continue;
    if (const LevelWord* word = find_word(line.substr(begin, i - begin))) return Found{word, begin};
  }
  return std::nullopt;
}

Classified general(std::string_view line, Level previous) noexcept {
  const auto found = first_level(line);
  if (!found) {
    const bool continuation = line.front() == ' ' || line.front() == '\t';
    return {continuation ? previous : Level::info, line};
  }
  const Level level = found->word->level;
  if (found->word->is_short || !is_stamp_prefix(line.substr(0, found->at))) return {level, line};
  std::string_view text = line.substr(found->at + found->word->text.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t:|]"), text.size()));
  // A line that says nothing but its level is kept as it is.
  return {level, text.empty() ? line : text};
}

/// Takes the next zurg field off `rest`; nullopt when no separator follows.
std::optional<std::string_view> take_field(std::string_view& rest) noexcept {
  const std::size_t tab = rest.find('\t');
  const std::size_t bar = rest.find(" | ");
  const std::size_t at = std::min(tab, bar);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view field = rest.substr(0, at);
  rest.remove_prefix(at + (tab < bar ? 1 : 3));
  return field;
}

std::optional<Classified> zurg(std::string_view line, std::string& scratch) {
  std::string_view rest = line;
  const auto time = take_field(rest);
  if (!time || time->empty() || !is_stamp_prefix(*time)) return std::nullopt;
  const auto level = take_field(rest);
  if (!level) return std::nullopt;
  const LevelWord* word = find_word(text::upper(text::trim(*level)));
  const auto component = take_field(rest);
  if (word == nullptr || !component) return std::nullopt;
  scratch = "| ";
  scratch += text::trim(*component);
  scratch += " | ";
  scratch += text::trim(rest);
  return Classified{word->level, scratch};
}

/// Without a leading "YYYY-MM-DD HH:MM:SS[,fraction] - ".
std::string_view without_stamp(std::string_view line) noexcept {
  static constexpr std::string_view shape = "0000-00-00 00:00:00";
  if (line.size() < shape.size()) return line;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '0' ? !is_digit(line[i]) : line[i] != shape[i]) return line;
  }
  std::string_view rest = line.substr(shape.size());
  if (rest.starts_with(',') || rest.starts_with('.')) {
    rest.remove_prefix(1);
    while (!rest.empty() && is_digit(rest.front())) rest.remove_prefix(1);
  }
  return rest.starts_with(" - ") && rest.size() > 3 ? rest.substr(3) : line;
}

}  // namespace

Classified classify(LineFormat format, std::string_view line, Level previous, std::string& scratch) {
  if (format == LineFormat::zurg) {
    if (const auto fields = zurg(line, scratch)) return *fields;
  }
  if (format == LineFormat::cli_debrid) line = without_stamp(line);
  return general(line, previous);
}

bool is_access_line(std::string_view line) noexcept {
  const auto has = [line](std::string_view name) { return line.find(name) != std::string_view::npos; };
  return line.starts_with('{') && has("\"RequestMethod\"") &&
         (has("\"RequestPath\"") || has("\"ClientAddr\""));
}

}  // namespace dumb::logs
