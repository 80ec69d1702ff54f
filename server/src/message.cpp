#include "message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <dumb/base/text.hpp>

namespace dumb::server {

void Headers::add(std::string name, std::string value) {
  if (fields_.empty()) fields_.reserve(8);
  fields_.emplace_back(std::move(name), std::move(value));
}

const std::string* Headers::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(begin(), end(), [&](const Field& field) { return text::iequals(field.first, name); });
  return found == end() ? nullptr : &found->second;
}

std::size_t Headers::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(begin(), end(), [&](const Field& field) { return text::iequals(field.first, name); }));
}

Target parse_target(std::string_view target) {
  Target out;
  target = target.substr(0, target.find('#'));
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos && !target.starts_with('/') &&
                                              target.substr(0, scheme).find('?') == std::string_view::npos) {
    target.remove_prefix(scheme + 3);
    const auto end = std::min(target.find_first_of("/?"), target.size());
    out.authority = std::string(target.substr(0, end));
    target.remove_prefix(end);
  }
  const auto mark = target.find('?');
  if (mark != std::string_view::npos) out.query = target.substr(mark + 1);
  target = target.substr(0, mark);
  out.path = target.empty() ? "/" : std::string(target);
  return out;
}

std::string decode_part(std::string_view text, bool plus_is_blank) {
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  const bool encoded =
      text.find('%') != std::string_view::npos || (plus_is_blank && text.find('+') != std::string_view::npos);
  if (!encoded) return text::is_utf8(text) ? std::string(text) : text::to_utf8(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return text::is_utf8(out) ? out : text::to_utf8(out);
}

QueryParameters parse_query(std::string_view query) {
  QueryParameters out;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view whole = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (whole.empty()) continue;
    const auto equals = whole.find('=');
    out.emplace_back(
        decode_part(whole.substr(0, equals), true),
        equals == std::string_view::npos ? std::string() : decode_part(whole.substr(equals + 1), true));
  }
  return out;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

std::string head_text(const Response& response, std::string_view connection, std::string_view date) {
  std::string out;
  out.reserve(512 + response.body.size());
  const auto add_field = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  const auto number = [](auto value) { return fmt::format_int(value); };
  const auto status = number(response.status);
  out.append("HTTP/1.1 ").append(status.data(), status.size()).append(" ");
  out.append(reason_phrase(response.status)).append("\r\n");
  for (const auto& [name, value] : response.headers) add_field(name, value);
  const auto length = number(response.body.size());
  add_field("Content-Length", {length.data(), length.size()});
  if (!date.empty()) add_field("Date", date);
  if (!connection.empty()) add_field("Connection", connection);
  out += "\r\n";
  return out;
}

}  // namespace dumb::server
