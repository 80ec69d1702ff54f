#include "graph/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <dumb/base/text.hpp>
#include <vector>

namespace dumb::graph {
namespace {

bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_scheme(std::string_view text) noexcept {
  return !text.empty() && is_alpha(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

bool is_host_name(std::string_view text) noexcept {
  constexpr std::string_view others = "-._~%!$&'()*+,;=";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
           others.find(c) != std::string_view::npos;
  });
}

bool local_ipv4(const std::uint8_t* bytes) noexcept {
  return bytes[0] == 127 || std::all_of(bytes, bytes + 4, [](std::uint8_t byte) { return byte == 0; });
}

bool local_ipv6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  const bool zeros =
      std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t byte) { return byte == 0; });
  if (!zeros) return false;
  if (bytes[10] == 0xff && bytes[11] == 0xff) return local_ipv4(bytes.data() + 12);
  return std::all_of(bytes.begin() + 10, bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; }) &&
         bytes[15] <= 1;
}

bool is_local(const std::string& host) {
  const std::string name = text::lower(host);
  if (name == "localhost" || name == "localhost.") return true;
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1) return local_ipv4(bytes.data());
  if (::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1) return local_ipv6(bytes);
  return false;
}

/// Where the authority of a URL begins and ends; npos without one.
std::pair<std::size_t, std::size_t> authority_of(std::string_view url) noexcept {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {std::string_view::npos, 0};
  const std::size_t begin = scheme + 3;
  return {begin, std::min(url.find_first_of("/?#\\", begin), url.size())};
}

/// Host and port of "host:port", "[host]:port" or either without port.
bool split_authority(std::string_view authority, Address& out, std::string_view& port) {
  if (const std::size_t user = authority.rfind('@'); user != std::string_view::npos)
    authority.remove_prefix(user + 1);
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    out.host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET6, out.host.c_str(), bytes.data()) != 1) return false;
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    out.host = authority.substr(0, colon);
    rest = authority.substr(colon);
    if (!is_host_name(out.host)) return false;
  }
  if (!rest.empty() && rest.front() != ':') return false;
  port = rest.empty() ? rest : rest.substr(1);
  return true;
}

std::string ui_segment_of(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  const auto skip = [&](std::string_view prefix) {
    const bool found = text::iequals(path.substr(0, prefix.size()), prefix);
    if (found) path.remove_prefix(prefix.size());
    return found;
  };
  if (const std::string_view before = path; skip("/service") && !path.starts_with('/')) path = before;
  if (!skip("/ui/")) return {};
  return text::percent_decode(path.substr(0, path.find('/'))).value_or(std::string());
}

}  // namespace

std::string normal_path(std::string_view path) {
  path = text::trim(path);
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!absolute) {
      parts.push_back(part);
    }
  }
  std::string out;
  for (const std::string_view part : parts) {
    if (absolute || !out.empty()) out += '/';
    out += part;
  }
  return out;
}

bool within(std::string_view path, std::string_view ancestor) noexcept {
  return !ancestor.empty() && path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

Address address_of(std::string_view url) {
  Address out;
  url = text::trim(url);
  const auto [begin, end] = authority_of(url);
  if (begin == std::string_view::npos) return out;
  const std::string scheme = text::lower(url.substr(0, begin - 3));
  std::string_view port;
  if (!is_scheme(scheme) || !split_authority(url.substr(begin, end - begin), out, port)) return out;
  if (port.empty()) {
    out.port = scheme == "http" ? 80 : scheme == "https" ? 443 : 0;
  } else {
    if (port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return out;
    const std::int64_t number = text::to_int(port).value_or(0);
    if (number < 1 || number > 65535) return out;
    out.port = static_cast<std::uint16_t>(number);
  }
  out.valid = true;
  out.local = is_local(out.host);
  out.ui_segment = ui_segment_of(url.substr(end));
  return out;
}

std::string without_user_info(std::string_view url) {
  auto [begin, end] = authority_of(url);
  if (begin == std::string_view::npos) {  // no URL, and yet somebody may have meant one
    begin = 0;
    end = std::min(url.find_first_of("/?#"), url.size());
  }
  const std::size_t at = url.substr(begin, end - begin).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, begin)) + std::string(url.substr(begin + at + 1));
}

}  // namespace dumb::graph
