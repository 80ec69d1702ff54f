#include "setup/xml_tree.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>

#include "setup/edits.hpp"

namespace dumb::setup::xml {
namespace {

constexpr std::size_t deepest = 64;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name(char c) {
  return !is_space(c) && std::string_view("<>/=\"'&!?").find(c) == std::string_view::npos;
}

Error fault(std::string_view text, std::size_t at, std::string_view what) {
  at = std::min(at, text.size());
  const std::string_view before = text.substr(0, at);
  const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const std::size_t start = before.rfind('\n');
  return bad_file(line, start == std::string_view::npos ? at + 1 : at - start, what);
}

/// Reads one text from its first byte to its last.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  Result<std::vector<Element>> all() {
    while (at_ < text_.size()) {
      const std::size_t open = text_.find('<', at_);
      if (auto checked = between(std::min(open, text_.size())); !checked) return checked.error();
      if (open == std::string_view::npos) break;
      at_ = open;
      const auto done = markup();
      if (!done) return done.error();
    }
    if (!path_.empty()) return fault(text_, text_.size(), "the element " + last().name + " is not closed");
    if (elements_.empty()) return fault(text_, text_.size(), "there is no element");
    return std::move(elements_);
  }

 private:
  Element& last() { return elements_[path_.back()]; }

  /// Outside the root there are only blanks.
  Result<void> between(std::size_t end) {
    const std::string_view part = text_.substr(at_, end - at_);
    if (path_.empty() && !std::all_of(part.begin(), part.end(), is_space))
      return fault(text_, at_, "text outside the root element");
    return {};
  }

  Result<void> skip(std::string_view close, std::string_view what) {
    const std::size_t end = text_.find(close, at_);
    if (end == std::string_view::npos) return fault(text_, at_, fmt::format("{} is not closed", what));
    at_ = end + close.size();
    return {};
  }

  Result<void> markup() {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("<?")) return skip("?>", "the declaration");
    if (rest.starts_with("<!--")) return skip("-->", "the comment");
    if (rest.starts_with("<![CDATA[")) return skip("]]>", "the section");
    if (rest.starts_with("<!")) return skip(">", "the document type");
    return rest.starts_with("</") ? end_tag() : start_tag();
  }

  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  void blanks() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  Result<void> end_tag() {
    const std::size_t begin = at_;
    at_ += 2;
    const std::string closed = name();
    blanks();
    if (path_.empty() || last().name != closed || at_ >= text_.size() || text_[at_] != '>')
      return fault(text_, begin, fmt::format("</{}> closes nothing that is open", closed));
    ++at_;
    last().close_begin = begin;
    last().end = at_;
    path_.pop_back();
    return {};
  }

  Result<void> start_tag() {
    Element element;
    element.begin = at_++;
    element.name = name();
    if (element.name.empty()) return fault(text_, element.begin, "an element must have a name");
    if (path_.empty() && !elements_.empty()) return fault(text_, element.begin, "a second root element");
    if (path_.size() >= deepest) return fault(text_, element.begin, "elements are nested too deep");
    const auto read = attributes(element);
    if (!read) return read.error();
    element.self_closing = text_[at_] == '/';
    if (element.self_closing) ++at_;
    if (at_ >= text_.size() || text_[at_] != '>') return fault(text_, at_, "the tag is not closed");
    ++at_;
    element.open_end = element.close_begin = element.end = at_;
    element.parent = path_.empty() ? 0 : path_.back();
    const bool open = !element.self_closing;
    elements_.push_back(std::move(element));
    if (open) path_.push_back(elements_.size() - 1);
    return {};
  }

  Result<void> attributes(Element& element) {
    for (;;) {
      blanks();
      if (at_ >= text_.size()) return fault(text_, at_, "the tag is not closed");
      if (text_[at_] == '>' || text_[at_] == '/') return {};
      Attribute attribute;
      attribute.name = name();
      blanks();
      if (attribute.name.empty() || at_ >= text_.size() || text_[at_] != '=')
        return fault(text_, at_, "an attribute must have a name and a value");
      ++at_;
      blanks();
      const char quote = at_ < text_.size() ? text_[at_] : ' ';
      if (quote != '"' && quote != '\'') return fault(text_, at_, "a value must be quoted");
      attribute.begin = ++at_;
      attribute.end = text_.find(quote, at_);
      if (attribute.end == std::string_view::npos) return fault(text_, at_ - 1, "the quote is not closed");
      at_ = attribute.end + 1;
      element.attributes.push_back(std::move(attribute));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Element> elements_;
  std::vector<std::size_t> path_;  ///< indexes of what is open
};

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80U) {
    put(code);
  } else if (code < 0x800U) {
    put(0xc0U | code >> 6U);
    put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000U) {
    put(0xe0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3fU));
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  }
}

/// What `&name;` means; false when it is nothing known.
bool append_reference(std::string& out, std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> known{
      {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
  for (const auto& [entity, character] : known) {
    if (name != entity) continue;
    out += character;
    return true;
  }
  if (name.size() < 2 || name.front() != '#') return false;
  const bool hex = name[1] == 'x';
  const std::string_view digits = name.substr(hex ? 2 : 1);
  unsigned code = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size() || code > 0x10ffffU) return false;
  append_utf8(out, code);
  return true;
}

}  // namespace

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("<!--")) {
      const std::size_t end = text.find("-->", i);
      if (end == std::string_view::npos) break;
      i = end + 2;
      continue;
    }
    if (text[i] == '&') {
      const std::size_t end = text.find(';', i);
      if (end != std::string_view::npos && append_reference(out, text.substr(i + 1, end - i - 1))) {
        i = end;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

Result<std::vector<Element>> parse(std::string_view text) {
  return Reader(text).all();
}

}  // namespace dumb::setup::xml
