#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <dumb/base/codec.hpp>
#include <dumb/base/result.hpp>
#include <dumb/http/client.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access.hpp"

namespace dumb::cli {

/// One HTTP exchange, blocking. Called from several threads at once.
using Transport = std::function<Result<http::Response>(http::Request)>;
using Query = std::vector<std::pair<std::string, std::string>>;

/// Requests to one server. Every call fails with Trouble::unreachable when nothing answers, with
/// http_status_code() and the server's own sentence for an answer that is not 2xx, and with
/// Trouble::strange_answer for one that cannot be read. Thread-safe as far as the transport is.
class Client {
 public:
  /// How long an answer may take: reading from memory, or an operation with its waits and setup.
  static constexpr std::chrono::milliseconds quick{15'000};
  static constexpr std::chrono::milliseconds patient{1'800'000};

  /// `access`: what the server asks for while authentication is on.
  Client(Transport transport, http::Url base, std::shared_ptr<Access> access);

  Result<json::value> get(std::string_view path, const Query& query = {},
                          std::chrono::milliseconds timeout = quick) const;
  Result<json::value> post(std::string_view path, const json::value& body,
                           std::chrono::milliseconds timeout = quick) const;
  /// get() into a described struct.
  template <class T>
  Result<T> get_as(std::string_view path, const Query& query = {},
                   std::chrono::milliseconds timeout = quick) const {
    return decode_as<T>(get(path, query, timeout));
  }
  template <class T>
  Result<T> post_as(std::string_view path, const json::value& body,
                    std::chrono::milliseconds timeout = quick) const {
    return decode_as<T>(post(path, body, timeout));
  }
  Access& access() const { return *access_; }
  /// The server's URL, fit for messages.
  std::string display() const { return base_.display(); }

 private:
  template <class T>
  Result<T> decode_as(const Result<json::value>& answer) const {
    if (!answer) return answer.error();
    auto decoded = codec::from_json<T>(*answer);
    if (!decoded) return strange(decoded.error().to_string());
    return decoded;
  }
  Result<json::value> exchange(http::Request request) const;
  /// With the token there is, and once more with the next when the server does not take it any longer.
  Result<http::Response> send(http::Request request) const;
  std::optional<auth::Credentials> refresh(const std::string& token) const;
  Error strange(const std::string& why) const;

  Transport transport_;
  http::Url base_;
  std::shared_ptr<Access> access_;
};

/// The sentence of an error body: `detail`, or the faults of a 422 with their places; empty when there is
/// none.
std::string detail_of(const json::value& body);

}  // namespace dumb::cli
