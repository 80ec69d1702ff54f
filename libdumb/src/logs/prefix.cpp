#include "logs/prefix.hpp"

#include <algorithm>
#include <array>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

constexpr std::array<std::string_view, 19> calendar{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
                                                    "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue",
                                                    "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 48> zones{
    "UTC",  "GMT", "Z",   "CET", "CEST", "EET",  "EEST", "WET",  "WEST", "MET",  "MEST", "MSK",
    "BST",  "IST", "EST", "EDT", "CST",  "CDT",  "MST",  "MDT",  "PST",  "PDT",  "AKST", "AKDT",
    "HST",  "AST", "ADT", "NST", "NDT",  "JST",  "KST",  "HKT",  "SGT",  "PHT",  "WIB",  "PKT",
    "SAST", "CAT", "EAT", "WAT", "AEST", "AEDT", "ACST", "ACDT", "AWST", "NZST", "NZDT", "BRT"};

template <class List>
bool contains(const List& list, std::string_view word) noexcept {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_number_char(char c) noexcept {
  return is_digit(c) || c == ':' || c == '.' || c == ',' || c == '-' || c == '/' || c == '+' || c == 'T' ||
         c == 'Z';
}

/// Reads the prefix from left to right; what it has met decides what a bare number or a word may be.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : text_(text) {}

  bool accept() noexcept {
    while (at_ < text_.size()) {
      if (is_digit(text_[at_])) {
        if (!number()) return false;
      } else if (is_letter(text_[at_])) {
        if (!word()) return false;
      } else if (!symbol()) {
        return false;
      }
    }
    return loose_numbers_ == 0 || calendar_;
  }

 private:
  /// A date, a time, a zone offset, a number in brackets, or one that a month may explain.
  bool number() noexcept {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_number_char(text_[at_])) ++at_;
    if (at_ < text_.size() && (is_letter(text_[at_]) || text_[at_] == '_')) return false;
    std::string_view token = text_.substr(begin, at_ - begin);
    while (!token.empty() && !is_digit(token.back()) && token.back() != 'Z') token.remove_suffix(1);
    const bool composed = token.find_first_of(":-/.") != std::string_view::npos;
    const bool offset = begin > 0 && (text_[begin - 1] == '+' || text_[begin - 1] == '-') && timed_;
    if (composed) timed_ = true;
    if (!composed && !offset && depth_ == 0 && token.size() < 6) ++loose_numbers_;
    return true;
  }

  bool word() noexcept {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '_')) ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (contains(calendar, token)) {
      calendar_ = true;
      return true;
    }
    return timed_ && (contains(zones, token) || token == "AM" || token == "PM");
  }

  /// ASCII punctuation, or a symbol beyond it (arrows, boxes, dingbats, emoji) - not a letter of another
  /// script.
  bool symbol() noexcept {
    const auto lead = static_cast<unsigned char>(text_[at_]);
    if (lead < 0x80) {
      if (lead == '[' || lead == '(') ++depth_;
      if ((lead == ']' || lead == ')') && depth_ > 0) --depth_;
      ++at_;
      return true;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const bool variation = lead == 0xEF && text_.substr(at_).starts_with("\xEF\xB8\x8F");
    at_ = std::min(at_ + length, text_.size());
    return lead == 0xE2 || lead == 0xF0 || variation;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;          ///< of brackets
  int loose_numbers_ = 0;  ///< bare ones such as the day in "Feb  3, 2026"
  bool calendar_ = false;  ///< a month or weekday was met
  bool timed_ = false;     ///< a date or time was met
};

}  // namespace

bool is_stamp_prefix(std::string_view text) noexcept {
  return Reader(text).accept();
}

}  // namespace dumb::logs
