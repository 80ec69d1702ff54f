#include <fmt/format.h>

#include <algorithm>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>

namespace dumb::http {
namespace {

bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

std::uint16_t default_port(std::string_view scheme) noexcept {
  return scheme == "https" ? 443 : 80;
}

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_';
}
bool is_ipv6_char(char c) noexcept {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

/// Blanks, quotes and bytes above ASCII become escapes; what is escaped already stays.
std::string encode_target(std::string_view text) {
  static constexpr std::string_view unsafe = " \"<>\\^`{|}";
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80 || unsafe.find(c) != std::string_view::npos) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

Error bad(std::string_view shown, std::string_view why) {
  return Error(Errc::invalid_argument, fmt::format("is not a usable URL: {}", why), std::string(shown));
}

/// Splits "host:port" or "[v6]:port" into `url`; the reason when it cannot.
std::string_view read_authority(std::string_view text, Url& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return "the bracket of the address is not closed";
    url.host = text.substr(1, close - 1);
    if (!std::all_of(url.host.begin(), url.host.end(), is_ipv6_char))
      return "the bracketed address is not IPv6";
    port = text.substr(close + 1);
    if (!port.empty() && port.front() != ':') return "the port is not separated by ':'";
  } else {
    const std::size_t colon = text.find(':');
    url.host = text.substr(0, colon);
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_char))
      return "the host has a character it must not";
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (url.host.empty()) return "it names no host";
  url.port = default_port(url.scheme);
  if (port.size() <= 1) return {};
  const std::string_view digits = port.substr(1);
  const auto number = text::to_int(digits);
  const bool plain = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!plain || !number || *number < 1 || *number > 65535) return "the port must be between 1 and 65535";
  url.port = static_cast<std::uint16_t>(*number);
  return {};
}

}  // namespace

std::string Url::display() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = fmt::format("{}://{}{}{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "");
  if (port != default_port(scheme)) out += fmt::format(":{}", port);
  return out + target.substr(0, target.find('?'));
}

Result<Url> parse_url(std::string_view text) {
  const std::string_view whole = text::trim(text);
  const std::size_t mark = whole.find("://");
  const std::size_t begin = mark == std::string_view::npos ? 0 : mark + 3;
  std::string_view rest = whole.substr(begin);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t slash = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, slash);
  std::string_view user_info;
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  const std::string_view target = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  // What messages show: no user-info, no query.
  const std::string shown =
      fmt::format("{}{}{}", whole.substr(0, begin), authority, target.substr(0, target.find('?')));
  if (std::any_of(whole.begin(), whole.end(), is_control)) return bad("", "it holds a control character");

  Url url;
  url.scheme = text::lower(whole.substr(0, mark == std::string_view::npos ? 0 : mark));
  if (url.scheme != "http" && url.scheme != "https")
    return bad(shown, "it must begin with http:// or https://");
  if (const std::string_view why = read_authority(authority, url); !why.empty()) return bad(shown, why);
  const std::size_t colon = user_info.find(':');
  const auto user = text::percent_decode(user_info.substr(0, colon));
  const auto password = text::percent_decode(colon == std::string_view::npos ? std::string_view()
                                                                             : user_info.substr(colon + 1));
  if (!user || !password) return bad(shown, "the user or password has a bad escape");
  url.user = *user;
  url.password = *password;
  url.target = encode_target(target);
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  return url;
}

std::string_view Response::header(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers) {
    if (text::iequals(key, name)) return value;
  }
  return {};
}

}  // namespace dumb::http
