#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/http/client.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// Downloads: bodies that go to a file while they arrive, redirects, and transfers that go on where an
/// earlier one ended.
namespace dumb::http {

/// Takes a body as it arrives. Called on the executor of the awaiting coroutine, one call at a time.
class Sink {
 public:
  virtual ~Sink() = default;
  /// The final head has arrived; its body is empty. A failure ends the exchange with that error.
  virtual boost::asio::awaitable<Result<void>> head(Response head) = 0;
  virtual boost::asio::awaitable<Result<void>> data(std::string bytes) = 0;
};

/// How long each part of an exchange may take (SVC-55).
struct Limits {
  std::chrono::milliseconds connect{10'000};
  std::chrono::milliseconds first_byte{30'000};
  std::chrono::milliseconds idle{60'000};
  std::chrono::milliseconds whole{std::chrono::minutes(60)};
  int redirects = 5;
};

/// Where a redirect leads: `location` resolved against `from`. Fails with Errc::invalid_argument for what is
/// no URL, and with Errc::unsupported for a step from https to http (SVC-54). Pure.
Result<Url> redirect_target(const Url& from, std::string_view location);
/// What of a request goes to the place a redirect leads to: not its credentials, when that is another host,
/// port or scheme (SVC-52). Pure.
Request redirected(Request request, Url target);

/// One exchange that follows redirects. The answer's body went to `sink`, save with a status of 300 or more:
/// then up to 64 KiB of it are in the answer. `request.timeout` and `max_body` are not used. Fails as fetch()
/// does; with Errc::io for a body that ended early. `end`, if given, receives the place that answered.
boost::asio::awaitable<Result<Response>> transfer(Request request, Limits limits, Sink& sink,
                                                    Url* end = nullptr);

struct Download {
  Request request;
  Limits limits;
  /// Where the body is written. What is there from an earlier attempt, with the name of its version beside it
  /// (".from"), is continued (SVC-57).
  std::filesystem::path partial;
  std::uint64_t max_bytes = std::uint64_t{4096} << 20U;
  /// Asked before the first byte is written: how many bytes are still to come, nullopt when unknown.
  std::function<Result<void>(std::optional<std::uint64_t>)> room;
  boost::asio::thread_pool* workers = nullptr;  ///< where files are written; outlives the call
};

struct Downloaded {
  Response head;
  std::uint64_t bytes = 0;  ///< the whole file
  std::string sha256;       ///< of the whole file, lower-case hex
  bool resumed = false;     ///< went on where an earlier attempt had ended
};

/// One attempt. With a status of 300 or more no file is written and `head` says why, its body cut to 64 KiB.
/// A failure leaves the partial file for the next attempt; a full disk removes it. Fails as transfer() does,
/// with Errc::invalid_argument beyond `max_bytes`, with the error of `room`, or with the errno of writing.
boost::asio::awaitable<Result<Downloaded>> download(Download what);

}  // namespace dumb::http
