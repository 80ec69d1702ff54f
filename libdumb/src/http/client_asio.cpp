#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>
#include <memory>

namespace dumb::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);

/// Everything the deadline may have to take away from a running exchange. Shared, because the resolver cannot
/// be interrupted: a look-up that outlives its exchange completes into this and is forgotten.
struct Exchange {
  explicit Exchange(const asio::any_io_executor& executor)
      : socket(executor), resolver(executor), deadline(executor), resolved(executor) {}

  tcp::socket socket;
  tcp::resolver resolver;
  asio::steady_timer deadline;
  asio::steady_timer resolved;  ///< never expires; cancelled when `addresses` are there
  std::vector<tcp::endpoint> addresses;
  error_code resolve_error;
  bool timed_out = false;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// Ends the exchange's timer and socket however the coroutine leaves.
class Guard {
 public:
  explicit Guard(ExchangePtr exchange) : exchange_(std::move(exchange)) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() {
    error_code ignored;
    exchange_->deadline.cancel();
    exchange_->resolver.cancel();
    exchange_->socket.close(ignored);
  }

 private:
  ExchangePtr exchange_;
};

void arm_deadline(const ExchangePtr& exchange, std::chrono::milliseconds timeout) {
  exchange->deadline.expires_after(timeout);
  exchange->deadline.async_wait([exchange](error_code error) {
    if (error) return;
    error_code ignored;
    exchange->timed_out = true;
    exchange->resolved.cancel();
    exchange->resolver.cancel();
    exchange->socket.close(ignored);
  });
}

Error failure(const Exchange& exchange, const Request& request, error_code code, std::string_view what) {
  const std::string where = request.url.display();
  if (exchange.timed_out) {
    return Error(Errc::timed_out, fmt::format("no answer within {} ms", request.timeout.count()), where);
  }
  if (code == asio::error::operation_aborted)
    return Error(Errc::cancelled, "the request was cancelled", where);
  return Error(code, fmt::format("cannot {}: {}", what, code.message()), where);
}

asio::awaitable<Result<>> resolve(ExchangePtr exchange, Request request) {
  error_code not_numeric;
  const auto address = asio::ip::make_address(request.url.host, not_numeric);
  if (!not_numeric) {
    exchange->addresses.emplace_back(address, request.url.port);
    co_return Result<>();
  }
  exchange->resolved.expires_at(asio::steady_timer::time_point::max());
  exchange->resolver.async_resolve(request.url.host, std::to_string(request.url.port),
                                   [exchange](error_code error, const tcp::resolver::results_type& results) {
                                     exchange->resolve_error = error;
                                     for (const auto& entry : results) {
                                       exchange->addresses.push_back(entry.endpoint());
                                     }
                                     exchange->resolved.expires_at(asio::steady_timer::time_point::min());
                                   });
  [[maybe_unused]] const auto [waited] = co_await exchange->resolved.async_wait(await_tuple);
  if (exchange->timed_out || (exchange->addresses.empty() && !exchange->resolve_error)) {
    co_return failure(*exchange, request, asio::error::operation_aborted, "");
  }
  if (exchange->resolve_error) {
    co_return failure(*exchange, request, exchange->resolve_error, "resolve " + request.url.host);
  }
  co_return Result<>();
}

asio::awaitable<Result<>> connect(ExchangePtr exchange, Request request) {
  error_code error;
  for (const tcp::endpoint& address : exchange->addresses) {
    error_code ignored;
    exchange->socket.close(ignored);
    const auto [connected] = co_await exchange->socket.async_connect(address, await_tuple);
    if (!connected && !exchange->timed_out) co_return Result<>();
    error = connected;
    if (exchange->timed_out || error == asio::error::operation_aborted) break;
  }
  co_return failure(*exchange, request, error,
                    fmt::format("connect to {}:{}", request.url.host, request.url.port));
}

bool has_line_break(std::string_view text) noexcept {
  return text.find_first_of("\r\n") != std::string_view::npos;
}

Result<bhttp::request<bhttp::string_body>> make_message(const Request& request) {
  const Url& url = request.url;
  bool sane = !request.method.empty() && !has_line_break(request.method) &&
              request.method.find(' ') == std::string::npos && !has_line_break(url.target) &&
              url.target.find(' ') == std::string::npos && !has_line_break(url.host);
  for (const auto& [name, value] : request.headers)
    sane = sane && !has_line_break(name) && !has_line_break(value);
  if (!sane)
    return Error(Errc::invalid_argument, "method, target or a header holds a line break", url.display());

  bhttp::request<bhttp::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(url.target);
  const bool v6 = url.host.find(':') != std::string::npos;
  const bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  message.set(bhttp::field::host, fmt::format("{}{}{}{}", v6 ? "[" : "", url.host, v6 ? "]" : "",
                                              usual ? std::string() : fmt::format(":{}", url.port)));
  message.set(bhttp::field::user_agent, "dumb");
  message.set(bhttp::field::accept, "*/*");
  if (!url.user.empty() || !url.password.empty()) {
    message.set(bhttp::field::authorization, "Basic " + text::base64_encode(url.user + ":" + url.password));
  }
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.set(bhttp::field::connection, "close");
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

using Parser = bhttp::response_parser<bhttp::string_body>;

Response take(Parser& parser) {
  Response response;
  auto message = parser.release();
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  response.body = std::move(message.body());
  return response;
}

/// Reads the answer, past interim ones (1xx).
asio::awaitable<Result<Response>> receive(ExchangePtr exchange, Request request) {
  beast::flat_buffer buffer;
  for (int interim = 0; interim < 8; ++interim) {
    Parser parser;
    parser.body_limit(request.max_body);
    parser.header_limit(64U << 10U);
    parser.skip(request.method == "HEAD");
    const auto [error, bytes] = co_await bhttp::async_read(exchange->socket, buffer, parser, await_tuple);
    if (exchange->timed_out) co_return failure(*exchange, request, error, "");
    if (error == bhttp::error::body_limit) {
      co_return Error(Errc::io, fmt::format("the answer is larger than {} bytes", request.max_body),
                      request.url.display());
    }
    if (error == bhttp::error::end_of_stream) {
      co_return Error(error, "the connection was closed without an answer", request.url.display());
    }
    if (error) co_return failure(*exchange, request, error, "read the answer");
    if (parser.get().result_int() >= 200) co_return take(parser);
  }
  co_return Error(Errc::io, "nothing but interim answers", request.url.display());
}

asio::awaitable<Result<Response>> perform(ExchangePtr exchange, Request request) {
  const Result<bhttp::request<bhttp::string_body>> message = make_message(request);
  if (!message) co_return message.error();
  const Result<> resolved = co_await resolve(exchange, request);
  if (!resolved) co_return resolved.error();
  const Result<> connected = co_await connect(exchange, request);
  if (!connected) co_return connected.error();
  const auto [error, bytes] = co_await bhttp::async_write(exchange->socket, *message, await_tuple);
  // A server may answer and close before it has read everything (413, for instance): what it said counts.
  const bool refused = error == asio::error::broken_pipe || error == asio::error::connection_reset;
  if (error && (exchange->timed_out || !refused))
    co_return failure(*exchange, request, error, "send the request");
  Result<Response> answer = co_await receive(exchange, request);
  co_return answer;
}

}  // namespace

asio::awaitable<Result<Response>> fetch(Request request) {
  if (request.url.scheme != "http") {
    co_return Error(Errc::unsupported, "this build speaks plain http only", request.url.display());
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto exchange = std::make_shared<Exchange>(executor);
  const Guard guard(exchange);
  arm_deadline(exchange, request.timeout);
  try {
    Result<Response> answer = co_await perform(exchange, request);
    co_return answer;
  } catch (const boost::system::system_error& error) {
    // Thrown by an await that begins after the coroutine was cancelled.
    if (error.code() != asio::error::operation_aborted) throw;
    co_return failure(*exchange, request, error.code(), "");
  }
}

Result<Response> fetch_blocking(Request request) {
  asio::io_context context(1);
  Result<Response> answer = Error(Errc::io, "the request was not carried out");
  std::exception_ptr thrown;
  asio::co_spawn(context, fetch(std::move(request)),
                 [&](const std::exception_ptr& exception, Result<Response> result) {
                   thrown = exception;
                   answer = std::move(result);
                   context.stop();
                 });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return answer;
}

}  // namespace dumb::http
