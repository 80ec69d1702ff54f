#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <cstring>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>

#include "symlinks/plain_text.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

bool all_ascii(std::string_view bytes) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    if ((word & 0x8080808080808080U) != 0) return false;
  }
  for (; i < bytes.size(); ++i) {
    if (static_cast<unsigned char>(bytes[i]) >= 0x80) return false;
  }
  return true;
}

/// Length of the valid sequence at the front of `bytes`; 0 when there is none.
std::size_t sequence(std::string_view bytes) noexcept {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || bytes.size() < length) return 0;
  return text::is_utf8(bytes.substr(0, length)) ? length : 0;
}

bool valid(std::string_view bytes) noexcept {
  return all_ascii(bytes) || text::is_utf8(bytes);
}

void escape(std::string& out, unsigned char c) {
  static constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      out += "\\u00";
      out += digits[c >> 4U];
      out += digits[c & 15U];
  }
}

/// Quoted; `bytes` is valid UTF-8.
void append_quoted(std::string& out, std::string_view bytes) {
  out += '"';
  std::size_t from = 0;
  for (std::size_t i = plain_prefix(bytes); i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
    out.append(bytes, from, i - from);
    escape(out, c);
    from = i + 1;
  }
  out.append(bytes, from);
  out += '"';
}

boost::json::string exact(std::string_view bytes) {
  return boost::json::string(text::base64_encode(bytes));
}

}  // namespace

std::string display(std::string_view bytes) {
  if (valid(bytes)) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = sequence(bytes);
    out += length == 0 ? replacement : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string printable(std::string_view bytes) {
  std::string out;
  for (const char c : display(bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      escape(out, byte);
    } else {
      out += c;
    }
  }
  return out;
}

void append_string(std::string& out, std::string_view bytes) {
  if (plain_prefix(bytes) == bytes.size() || valid(bytes)) {
    append_quoted(out, bytes);
  } else {
    append_quoted(out, display(bytes));
  }
}

void append_member(std::string& out, std::string_view name, std::string_view bytes) {
  out += '"';
  out += name;
  out += "\":";
  if (plain_prefix(bytes) == bytes.size()) {
    out += '"';
    out += bytes;
    out += '"';
    return;
  }
  append_string(out, bytes);
  if (valid(bytes)) return;
  out += ",\"";
  out += name;
  out += "_b64\":\"";
  out += text::base64_encode(bytes);
  out += '"';
}

void append_member(std::string& out, std::string_view name, const std::vector<std::string>& list) {
  const auto write = [&](std::string_view suffix, auto append) {
    out += '"';
    out += name;
    out += suffix;
    out += "\":[";
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i != 0) out += ',';
      append(list[i]);
    }
    out += ']';
  };
  write("", [&](std::string_view bytes) { append_string(out, bytes); });
  if (std::all_of(list.begin(), list.end(), [](const std::string& bytes) { return valid(bytes); })) return;
  out += ',';
  write("_b64", [&](std::string_view bytes) { append_quoted(out, text::base64_encode(bytes)); });
}

void put(boost::json::object& object, std::string_view name, std::string_view bytes) {
  object[name] = boost::json::string(display(bytes));
  if (!valid(bytes)) object[std::string(name) + "_b64"] = exact(bytes);
}

void put(boost::json::object& object, std::string_view name, const std::vector<std::string>& list) {
  boost::json::array shown;
  boost::json::array bytes;
  bool lossless = true;
  for (const std::string& text : list) {
    shown.emplace_back(display(text));
    bytes.push_back(exact(text));
    lossless &= valid(text);
  }
  object[name] = std::move(shown);
  if (!lossless) object[std::string(name) + "_b64"] = std::move(bytes);
}

}  // namespace dumb::symlinks
