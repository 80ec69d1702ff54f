#include "cross_site.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <dumb/base/text.hpp>

namespace dumb::server {
namespace {

constexpr std::array<std::string_view, 6> local_suffixes{".localhost", ".local",     ".lan",
                                                         ".home",      ".home.arpa", ".internal"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_local4(const std::uint8_t* byte) {
  return byte[0] == 127 || byte[0] == 10 || (byte[0] == 172 && (byte[1] & 0xF0U) == 16) ||
         (byte[0] == 192 && byte[1] == 168) || (byte[0] == 169 && byte[1] == 254);
}

bool is_local6(const std::array<std::uint8_t, 16>& byte) {
  constexpr std::array<std::uint8_t, 16> loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (byte == loopback) return true;
  if (std::equal(mapped.begin(), mapped.end(), byte.begin())) return is_local4(byte.data() + 12);
  return (byte[0] == 0xFE && (byte[1] & 0xC0U) == 0x80) || (byte[0] & 0xFEU) == 0xFC;
}

/// Whether a browser would read the name as an IPv4 address: its last label is a number.
bool reads_as_number(std::string_view host) {
  const auto dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x")) return true;
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

bool is_name(std::string_view host) {
  if (host.empty() || host.front() == '.' || host.find("..") != std::string_view::npos) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
  });
}

bool is_allowed(const Authority& authority, const LocalNames& names) {
  return std::any_of(names.allowed_hosts.begin(), names.allowed_hosts.end(), [&](const std::string& entry) {
    auto allowed = parse_authority(text::trim(entry));
    if (!allowed) allowed = parse_authority(fmt::format("[{}]", text::trim(entry)));  // a bare IPv6 address
    return allowed && allowed->host == authority.host &&
           (allowed->port.empty() || allowed->port == authority.port);
  });
}

bool is_local(const Authority& authority, const LocalNames& names) {
  if (is_allowed(authority, names)) return true;
  if (authority.literal6) {
    std::array<std::uint8_t, 16> byte{};
    return ::inet_pton(AF_INET6, authority.host.c_str(), byte.data()) == 1 && is_local6(byte);
  }
  if (reads_as_number(authority.host)) {
    std::array<std::uint8_t, 4> byte{};
    return ::inet_pton(AF_INET, authority.host.c_str(), byte.data()) == 1 && is_local4(byte.data());
  }
  if (!is_name(authority.host)) return false;
  if (authority.host.find('.') == std::string::npos) return true;
  if (!names.own_name.empty() && text::iequals(authority.host, names.own_name)) return true;
  return std::any_of(local_suffixes.begin(), local_suffixes.end(),
                     [&](std::string_view suffix) { return authority.host.ends_with(suffix); });
}

std::optional<Authority> origin_authority(std::string_view origin) {
  const auto scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const std::string scheme = text::lower(origin.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return std::nullopt;
  return parse_authority(origin.substr(scheme_end + 3));
}

/// Shown in an answer: printable, short.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 100));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return std::isprint(c) == 0 || c == '"'; }, '?');
  return out;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    std::string_view inside = text.substr(1, close - 1);
    inside = inside.substr(0, inside.find('%'));  // a zone only means something on the client's machine
    out.host = text::lower(inside);
    out.literal6 = true;
    rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
  } else {
    const auto colon = text.find(':');
    out.host = text::lower(text.substr(0, colon));
    if (out.host.ends_with('.')) out.host.pop_back();
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  if (out.host.empty() || rest.size() > 5 || !std::all_of(rest.begin(), rest.end(), is_digit))
    return std::nullopt;
  if (!out.literal6 && out.host.find_first_of("@/ \t") != std::string::npos) return std::nullopt;
  out.port = rest;
  return out;
}

bool is_local_host(std::string_view host, const LocalNames& names) {
  const auto authority = parse_authority(host);
  return authority && is_local(*authority, names);
}

bool is_local_origin(std::string_view origin, const LocalNames& names) {
  const auto authority = origin_authority(origin);
  return authority && is_local(*authority, names);
}

std::optional<std::string> refuse_cross_site(const std::string* host, const std::string* origin,
                                             const LocalNames& names) {
  constexpr std::string_view remedy = "name it in dumb.api_service.allowed_hosts to let it pass.";
  if (host != nullptr && !is_local_host(*host, names)) {
    return fmt::format("The host '{}' is not local; {}", shown(*host), remedy);
  }
  if (origin != nullptr && !is_local_origin(*origin, names)) {
    return fmt::format("The origin '{}' is not local; {}", shown(*origin), remedy);
  }
  return std::nullopt;
}

}  // namespace dumb::server
