#pragma once

#include <dumb/base/error.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// HTTP messages as the routes see them: plain values, no socket and no Beast.
namespace dumb::server {

/// Header fields in the order they came; names compare without regard to case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  void add(std::string name, std::string value);
  /// First value of that name; nullptr when there is none.
  const std::string* find(std::string_view name) const noexcept;
  std::size_t count(std::string_view name) const noexcept;
  std::vector<Field>::const_iterator begin() const noexcept { return fields_.begin(); }
  std::vector<Field>::const_iterator end() const noexcept { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

/// Decoded query parameters in the order they came; a name may occur several times.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::optional<std::string> authority;  ///< of an absolute-form target; stands in for `Host`
  std::string path = "/";                ///< as sent: still percent-encoded, without the query
  QueryParameters query;
  Headers headers;
  std::string body;
  std::string peer;       ///< the client's address, for logs
  std::string parameter;  ///< what stands in the place of the parameter of the route's path, decoded
  std::string user;       ///< who asks; empty while authentication is off
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  /// Ends the connection after this answer.
  bool close = false;
};

/// What stands on a request line after the method.
struct Target {
  std::optional<std::string> authority;
  std::string path = "/";
  std::string query;  ///< without '?', still encoded
};

/// Takes an origin-form ("/a?b"), absolute-form ("http://host/a?b") or asterisk-form target apart; anything
/// else becomes a path that no route has. A fragment is dropped. Pure.
Target parse_target(std::string_view target);

/// "a=b+c&d" as pairs: percent-decoded, '+' is a blank, a bad escape stays as it is, invalid UTF-8 becomes
/// U+FFFD (UI-10). Empty pieces are left out. Pure.
QueryParameters parse_query(std::string_view query);

/// Decodes one path segment or query part; a bad escape stays as it is. Pure.
std::string decode_part(std::string_view text, bool plus_is_blank);

/// "Not Found" and the like; "Unknown" for a status this server never sends.
std::string_view reason_phrase(int status) noexcept;

/// The status line and header block of `response`, with Content-Length, up to and including the blank line.
/// `connection` is the value of the Connection field, empty for none; `date` that of Date. Pure.
std::string head_text(const Response& response, std::string_view connection, std::string_view date);

}  // namespace dumb::server
