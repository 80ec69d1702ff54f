#include "symlinks/json_stream.hpp"

#include <algorithm>
#include <cstring>
#include <dumb/base/text.hpp>

namespace dumb::symlinks {
namespace {

constexpr int deepest = 64;

void append_utf8(std::string& out, unsigned point) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0U | (point >> 6U));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | (point >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (point >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// The grammar of a JSON number.
bool is_number(std::string_view text, bool& integral) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i > from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const bool leading_zero = i < text.size() && text[i] == '0';
  const std::size_t from = i;
  if (!digits() || (leading_zero && i - from > 1)) return false;
  integral = i == text.size();
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

}  // namespace

Error JsonStream::fault(std::string_view what) const {
  return {Errc::invalid_argument,
          "not a manifest: " + std::string(what) + " at byte " + std::to_string(offset())};
}

Result<bool> JsonStream::fill() {
  if (at_ < size_) return true;
  base_ += size_;
  at_ = size_ = 0;
  auto got = source_.read(buffer_.data(), buffer_.size());
  if (!got) return got.error();
  size_ = *got;
  return size_ > 0;
}

Result<bool> JsonStream::top_up() {
  const std::size_t left = size_ - at_;
  if (left == buffer_.size()) return false;
  std::memmove(buffer_.data(), buffer_.data() + at_, left);
  base_ += at_;
  at_ = 0;
  size_ = left;
  auto got = source_.read(buffer_.data() + left, buffer_.size() - left);
  if (!got) return got.error();
  size_ += *got;
  return *got > 0;
}

Result<char> JsonStream::get() {
  if (at_ == size_) {
    auto more = fill();
    if (!more) return more.error();
    if (!*more) return fault("the text ends");
  }
  return buffer_[at_++];
}

Result<char> JsonStream::peek() {
  for (;;) {
    if (at_ == size_) {
      auto more = fill();
      if (!more) return more.error();
      if (!*more) return '\0';
    }
    const char c = buffer_[at_];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
      if (c == '\0') return fault("a NUL stands");
      return c;
    }
    ++at_;
  }
}

Result<void> JsonStream::expect(char wanted) {
  auto c = peek();
  if (!c) return c.error();
  if (*c != wanted) return fault(std::string("\"") + wanted + "\" is missing");
  ++at_;
  return {};
}

Result<bool> JsonStream::accept(char wanted) {
  auto c = peek();
  if (!c) return c.error();
  if (*c != wanted) return false;
  ++at_;
  return true;
}

Result<unsigned> JsonStream::hex4() {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) {
    auto c = get();
    if (!c) return c.error();
    const char lower = static_cast<char>(*c | 0x20);
    if (is_digit(*c)) {
      value = value * 16 + static_cast<unsigned>(*c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value * 16 + static_cast<unsigned>(lower - 'a' + 10);
    } else {
      return fault("a bad escape stands");
    }
  }
  return value;
}

Result<void> JsonStream::escape(std::string& out) {
  auto c = get();
  if (!c) return c.error();
  static constexpr std::string_view names = "\"\\/bfnrt";
  static constexpr std::string_view values = "\"\\/\b\f\n\r\t";
  if (const std::size_t at = names.find(*c); at != std::string_view::npos) {
    out += values[at];
    return {};
  }
  if (*c != 'u') return fault("a bad escape stands");
  auto unit = hex4();
  if (!unit) return unit.error();
  if (*unit >= 0xDC80 && *unit <= 0xDCFF) {
    out += static_cast<char>(*unit - 0xDC00);
    return {};
  }
  if (*unit >= 0xDC00 && *unit <= 0xDFFF) return fault("a lone surrogate stands");
  if (*unit < 0xD800 || *unit > 0xDBFF) {
    append_utf8(out, *unit);
    return {};
  }
  for (const char wanted : {'\\', 'u'}) {
    auto next = get();
    if (!next) return next.error();
    if (*next != wanted) return fault("a lone surrogate stands");
  }
  auto low = hex4();
  if (!low) return low.error();
  if (*low < 0xDC00 || *low > 0xDFFF) return fault("a lone surrogate stands");
  append_utf8(out, 0x10000 + ((*unit - 0xD800) << 10U) + (*low - 0xDC00));
  return {};
}

Result<void> JsonStream::string(std::string& out) {
  out.clear();
  if (auto quote = expect('"'); !quote) return quote;
  bool ascii = true;
  std::size_t raw_from = 0;  // bytes from escapes need not be UTF-8; what stands raw must be
  const auto raw_is_good = [&] { return ascii || text::is_utf8(std::string_view(out).substr(raw_from)); };
  for (;;) {
    if (at_ == size_) {
      auto more = fill();
      if (!more) return more.error();
      if (!*more) return fault("the text ends");
    }
    const std::size_t from = at_;
    while (at_ < size_) {
      const auto c = static_cast<unsigned char>(buffer_[at_]);
      if (c < 0x20 || c == '"' || c == '\\') break;
      ascii &= c < 0x80;
      ++at_;
    }
    out.append(buffer_.data() + from, at_ - from);
    if (at_ == size_) continue;
    const char c = buffer_[at_++];
    if (static_cast<unsigned char>(c) < 0x20) return fault("a control character stands");
    if (!raw_is_good()) return fault("bytes that are not UTF-8 stand");
    if (c == '"') return {};
    if (auto done = escape(out); !done) return done;
    raw_from = out.size();
    ascii = true;
  }
}

Result<JsonStream::Scalar> JsonStream::scalar() {
  if (auto first = peek(); !first) return first.error();
  scratch_.clear();
  for (;;) {
    if (at_ == size_) {
      auto more = fill();
      if (!more) return more.error();
      if (!*more) break;
    }
    const char c = buffer_[at_];
    const bool part = is_digit(c) || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' || c == '.';
    if (!part) break;
    scratch_ += c;
    ++at_;
    if (scratch_.size() > 64) return fault("a value of too many digits stands");
  }
  if (scratch_ == "null") return Scalar{};
  if (scratch_ == "true") return Scalar{Scalar::Kind::boolean, true, 0};
  if (scratch_ == "false") return Scalar{Scalar::Kind::boolean, false, 0};
  bool integral = false;
  if (!is_number(scratch_, integral)) return fault("no JSON value stands");
  if (integral) {
    if (const auto value = text::to_int(scratch_)) return Scalar{Scalar::Kind::integer, false, *value};
  }
  return Scalar{Scalar::Kind::number, false, 0};
}

Result<void> JsonStream::skip_members(int depth) {
  std::string name;
  bool first = true;
  for (;;) {
    auto close = accept('}');
    if (!close) return close.error();
    if (*close && first) return {};
    if (*close) return fault("a member is missing");
    if (auto done = string(name); !done) return done;
    if (auto done = expect(':'); !done) return done;
    if (auto done = skip(depth + 1); !done) return done;
    auto comma = accept(',');
    if (!comma) return comma.error();
    if (!*comma) return expect('}');
    first = false;
  }
}

Result<void> JsonStream::skip(int depth) {
  if (depth > deepest) return fault("values are nested too deeply");
  auto c = peek();
  if (!c) return c.error();
  if (*c == '"') {
    std::string dropped;
    return string(dropped);
  }
  if (*c == '{') {
    ++at_;
    return skip_members(depth);
  }
  if (*c == '[') {
    ++at_;
    auto empty = accept(']');
    if (!empty) return empty.error();
    if (*empty) return {};
    for (;;) {
      if (auto done = skip(depth + 1); !done) return done;
      auto comma = accept(',');
      if (!comma) return comma.error();
      if (!*comma) return expect(']');
    }
  }
  auto value = scalar();
  if (!value) return value.error();
  return {};
}

Result<void> JsonStream::end() {
  auto c = peek();
  if (!c) return c.error();
  return *c == '\0' ? Result<void>() : Result<void>(fault("something follows the document"));
}

}  // namespace dumb::symlinks
