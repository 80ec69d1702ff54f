#include "symlinks/element_reader.hpp"

#include <charconv>
#include <dumb/base/text.hpp>
#include <utility>

#include "symlinks/plain_text.hpp"

namespace dumb::symlinks {

std::optional<std::string> Element::Text::value() const {
  return is_text() ? std::optional<std::string>(bytes) : std::nullopt;
}

void Element::clear() {
  object = false;
  for (Text* text : {&link_path, &target, &old_target, &new_target, &source_path, &target_path, &operation,
                     &replaced_target}) {
    text->state = Text::State::absent;
    text->bytes.clear();
  }
  target_exists.reset();
  two_step = chained = more = false;
  for (auto* number : {&uid, &gid, &mtime_ns, &replaced_uid, &replaced_gid, &replaced_mtime_ns, &new_uid,
                       &new_gid, &new_mtime_ns}) {
    number->reset();
  }
}

namespace {

Element::Text* text_member(Element& element, std::string_view name) {
  static constexpr std::pair<std::string_view, Element::Text Element::*> members[] = {
      {"link_path", &Element::link_path},     {"target", &Element::target},
      {"old_target", &Element::old_target},   {"new_target", &Element::new_target},
      {"source_path", &Element::source_path}, {"target_path", &Element::target_path},
      {"operation", &Element::operation},     {"replaced_target", &Element::replaced_target}};
  for (const auto& [known, member] : members) {
    if (known == name) return &(element.*member);
  }
  return nullptr;
}

std::optional<std::int64_t>* number_member(Element& element, std::string_view name) {
  static constexpr std::pair<std::string_view, std::optional<std::int64_t> Element::*> members[] = {
      {"uid", &Element::uid},
      {"gid", &Element::gid},
      {"mtime_ns", &Element::mtime_ns},
      {"replaced_uid", &Element::replaced_uid},
      {"replaced_gid", &Element::replaced_gid},
      {"replaced_mtime_ns", &Element::replaced_mtime_ns},
      {"new_uid", &Element::new_uid},
      {"new_gid", &Element::new_gid},
      {"new_mtime_ns", &Element::new_mtime_ns}};
  for (const auto& [known, member] : members) {
    if (known == name) return &(element.*member);
  }
  return nullptr;
}

bool is_flag(std::string_view name) noexcept {
  return name == "two_step" || name == "chained" || name == "more" || name == "target_exists";
}

void set_flag(Element& element, std::string_view name, bool value) {
  if (name == "two_step") element.two_step = value;
  if (name == "chained") element.chained = value;
  if (name == "more") element.more = value;
  if (name == "target_exists") element.target_exists = value;
}

/// Reads an element that is spelled as we spell it: no blanks, nothing unknown, and plain ASCII in every
/// text. Anything else is left to the reader that understands all of JSON.
class QuickReader {
 public:
  explicit QuickReader(std::string_view bytes) : bytes_(bytes) {}

  /// How many bytes the element takes; 0 when it is not of that kind, or may go on behind the bytes at hand.
  std::size_t read(Element& element) {
    if (!skip('{')) return 0;
    do {
      std::string_view name;
      if (!text(name) || !skip(':') || !member(element, name)) return 0;
    } while (skip(','));
    return skip('}') ? at_ : 0;
  }
  /// Whether it might have been of that kind with more bytes at hand.
  bool ran_out() const noexcept { return at_ >= bytes_.size(); }

 private:
  bool skip(char wanted) noexcept {
    if (at_ == bytes_.size() || bytes_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool word(std::string_view wanted) noexcept {
    const std::string_view there = bytes_.substr(at_, wanted.size());
    if (there != wanted) {
      if (wanted.starts_with(there)) at_ = bytes_.size();
      return false;
    }
    at_ += wanted.size();
    return true;
  }

  bool text(std::string_view& out) noexcept {
    if (!skip('"')) return false;
    out = bytes_.substr(at_);
    out = out.substr(0, plain_prefix(out));
    at_ += out.size();
    return skip('"');
  }

  bool number(std::int64_t& out) noexcept {
    const char* from = bytes_.data() + at_;
    const char* end = bytes_.data() + bytes_.size();
    const auto [to, error] = std::from_chars(from, end, out);
    const bool leading_zero = to - from > 1 && (*from == '0' || (*from == '-' && from[1] == '0'));
    if (error != std::errc() || leading_zero) return false;
    at_ += static_cast<std::size_t>(to - from);
    return at_ < bytes_.size() && (bytes_[at_] == ',' || bytes_[at_] == '}');
  }

  bool member(Element& element, std::string_view name) {
    if (Element::Text* known = text_member(element, name)) {
      std::string_view value;
      if (at_ < bytes_.size() && bytes_[at_] == 'n') {
        known->state = Element::Text::State::null;
        return word("null");
      }
      if (!text(value)) return false;
      known->bytes.assign(value);
      known->state = Element::Text::State::text;
      return true;
    }
    if (auto* known = number_member(element, name)) {
      std::int64_t value = 0;
      if (!number(value)) return false;
      *known = value;
      return true;
    }
    if (!is_flag(name)) return false;
    const bool truth = at_ < bytes_.size() && bytes_[at_] == 't';
    if (!word(truth ? "true" : "false")) return false;
    set_flag(element, name, truth);
    return true;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Which text it is, as a bit of exact_.
unsigned bit(const Element& element, const Element::Text& text) {
  const auto distance =
      reinterpret_cast<const char*>(&text) - reinterpret_cast<const char*>(&element.link_path);
  return 1U << (static_cast<std::size_t>(distance) / sizeof(Element::Text));
}

}  // namespace

Result<void> ElementReader::read(Element& element) {
  element.clear();
  auto first = json_.peek();
  if (!first) return first.error();
  element.offset = json_.offset();
  if (*first != '{') return json_.skip();
  auto quick = read_quickly(element);
  if (!quick) return quick.error();
  element.object = true;
  if (*quick) return {};
  if (auto open = json_.expect('{'); !open) return open;
  exact_ = 0;
  auto empty = json_.accept('}');
  if (!empty) return empty.error();
  if (*empty) return {};
  for (;;) {
    if (auto done = json_.string(name_); !done) return done;
    if (auto done = json_.expect(':'); !done) return done;
    if (auto done = member(element); !done) return done;
    auto comma = json_.accept(',');
    if (!comma) return comma.error();
    if (!*comma) return json_.expect('}');
  }
}

Result<bool> ElementReader::read_quickly(Element& element) {
  constexpr std::size_t usual = 16384;
  for (;;) {
    QuickReader quick(json_.at_hand());
    const std::size_t size = quick.read(element);
    if (size > 0) {
      json_.take(size);
      return true;
    }
    element.clear();
    if (!quick.ran_out() || json_.at_hand().size() >= usual) return false;
    auto more = json_.top_up();
    if (!more) return more.error();
    if (!*more) return false;
  }
}

Result<void> ElementReader::member(Element& element) {
  if (name_.ends_with("_b64")) {
    const std::string_view plain = std::string_view(name_).substr(0, name_.size() - 4);
    if (Element::Text* text = text_member(element, plain)) return exact_text(element, *text);
  }
  if (Element::Text* text = text_member(element, name_)) return plain_text(element, *text);
  auto next = json_.peek();
  if (!next) return next.error();
  if (*next == '"' || *next == '{' || *next == '[') return json_.skip(1);
  auto value = json_.scalar();
  if (!value) return value.error();
  if (value->kind == JsonStream::Scalar::Kind::boolean) set_flag(element, name_, value->truth);
  if (value->kind == JsonStream::Scalar::Kind::integer) {
    if (auto* number = number_member(element, name_)) *number = value->integer;
  }
  return {};
}

Result<void> ElementReader::exact_text(const Element& element, Element::Text& text) {
  auto next = json_.peek();
  if (!next) return next.error();
  if (*next != '"') return json_.skip(1);
  if (auto done = json_.string(value_); !done) return done;
  auto bytes = text::base64_decode(value_);
  if (!bytes) return json_.fault("no base64 stands");
  text.bytes = std::move(*bytes);
  text.state = Element::Text::State::text;
  exact_ |= bit(element, text);
  return {};
}

Result<void> ElementReader::plain_text(const Element& element, Element::Text& text) {
  auto next = json_.peek();
  if (!next) return next.error();
  const bool decided = (exact_ & bit(element, text)) != 0;
  if (*next == '"') {
    if (auto done = json_.string(decided ? value_ : text.bytes); !done) return done;
    text.state = Element::Text::State::text;
    return {};
  }
  if (!decided) text.state = *next == 'n' ? Element::Text::State::null : Element::Text::State::wrong;
  return json_.skip(1);
}

}  // namespace dumb::symlinks
