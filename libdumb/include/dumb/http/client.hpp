#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A small HTTP/1.1 client for probes and for the command line. A server of https is trusted as the machine
/// trusts it (SVC-54); transfers to files are in transfer.hpp.
namespace dumb::http {

struct Url {
  std::string scheme;  ///< lower case: "http" or "https"
  std::string user, password;
  std::string host;  ///< without brackets
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query
  /// Without user, password and query: fit for messages.
  std::string display() const;
};
/// Fails with Errc::invalid_argument naming the text (without user-info).
Result<Url> parse_url(std::string_view text);

struct Request {
  std::string method = "GET";
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds timeout{10'000};  ///< for the whole exchange
  std::uint64_t max_body = 8U << 20U;
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// First header of that name, any case; empty when absent.
  std::string_view header(std::string_view name) const noexcept;
};

/// One exchange on a connection of its own, on the executor of the awaiting coroutine; redirects are not
/// followed. Honours cancellation. Fails with Errc::timed_out, Errc::cancelled,
/// Errc::io (more than `max_body` bytes) or the error of resolving, connecting, sending or reading; `where`
/// is url.display(). Not thread-safe: a pool of several threads needs a strand.
boost::asio::awaitable<Result<Response>> fetch(Request request);
/// The same, blocking the calling thread; a name look-up that hangs is waited for even past the timeout.
Result<Response> fetch_blocking(Request request);

}  // namespace dumb::http
