#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/json.hpp>

namespace dumb::jsonx {
namespace {

/// Walks a text that is known to be valid JSON and notes the strings that hold escapes.
class Scanner {
 public:
  Scanner(std::string_view text, Spelling& spelling) : text_(text), spelling_(spelling) {}

  void value() {
    skip_blanks();
    if (text_[at_] == '{') {
      members();
    } else if (text_[at_] == '[') {
      elements();
    } else if (text_[at_] == '"') {
      note(string(), spelling_.strings);
    } else {
      at_ = text_.find_first_of(",]} \t\r\n", at_);
      if (at_ == std::string_view::npos) at_ = text_.size();
    }
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  /// Whether another item follows; moves behind the comma or the closing bracket.
  bool next_item() {
    skip_blanks();
    return text_[at_++] == ',';
  }
  bool is_empty(char closing) {
    ++at_;
    skip_blanks();
    if (text_[at_] != closing) return false;
    ++at_;
    return true;
  }

  std::string_view string() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void members() {
    if (is_empty('}')) return;
    do {
      skip_blanks();
      const std::string_view raw = string();
      const auto key = parse(raw);
      path_.emplace_back(key && key->is_string() ? std::string(key->get_string()) : std::string(raw));
      note(raw, spelling_.keys);
      skip_blanks();
      ++at_;  // the colon
      forget_below();
      value();
      path_.pop_back();
    } while (next_item());
  }

  void elements() {
    if (is_empty(']')) return;
    std::size_t index = 0;
    do {
      path_.push_back(std::to_string(index++));
      value();
      path_.pop_back();
    } while (next_item());
  }

  void note(std::string_view raw, std::map<std::string, std::string, std::less<>>& into) {
    if (raw.find('\\') != std::string_view::npos) into.insert_or_assign(pointer(path_), std::string(raw));
  }

  /// Of two equal keys the last counts, so does its spelling.
  void forget_below() { spelling_.strings.erase(pointer(path_)); }

  std::string_view text_;
  Spelling& spelling_;
  std::size_t at_ = 0;
  JsonPath path_;
};

}  // namespace

Result<json::value> parse(std::string_view text, Spelling& spelling) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  auto value = parse(text, &spelling.numbers);
  if (value && text.find('\\') != std::string_view::npos) Scanner(text, spelling).value();
  return value;
}

}  // namespace dumb::jsonx
