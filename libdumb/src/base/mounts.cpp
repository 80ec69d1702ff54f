#include <dumb/base/mounts.hpp>
#include <dumb/base/text.hpp>

namespace dumb {
namespace {

/// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string decode_octal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const std::string& line : text::split(text, '\n')) {
    const std::vector<std::string> fields = text::split(line, ' ');
    std::size_t separator = 6;  // optional fields end at a lone dash
    while (separator < fields.size() && fields[separator] != "-") ++separator;
    if (fields.size() < 7 || separator + 2 >= fields.size()) continue;
    mounts.push_back({decode_octal(fields[4]), fields[separator + 1], decode_octal(fields[separator + 2]),
                      decode_octal(fields[3]), fields[2]});
  }
  return mounts;
}

}  // namespace dumb
