#include "http/exchange_asio.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <dumb/base/text.hpp>
#include <memory>
#include <optional>

namespace dumb::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;
using Tls = ssl::stream<tcp::socket&>;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t piece = 64U << 10U;
constexpr std::uint64_t head_limit = 64U << 10U;

/// Everything a deadline may have to take away from a running exchange. Shared, because the resolver cannot
/// be interrupted: a look-up that outlives its exchange completes into this and is forgotten.
struct Exchange {
  Exchange(const asio::any_io_executor& executor, Request what, Limits given)
      : request(std::move(what)),
        limits(given),
        socket(executor),
        resolver(executor),
        deadline(executor),
        resolved(executor),
        whole_until(Steady::now() + limits.whole) {}

  /// The part that begins now may take so long.
  void allow(std::chrono::milliseconds time) { part_until = Steady::now() + time; }
  Steady::time_point until() const { return std::min(whole_until, part_until); }

  Request request;
  Limits limits;
  tcp::socket socket;
  tcp::resolver resolver;
  asio::steady_timer deadline;
  asio::steady_timer resolved;  ///< never expires; cancelled when `addresses` are there
  std::optional<ssl::context> trust;
  std::optional<Tls> tls;
  std::vector<tcp::endpoint> addresses;
  error_code resolve_error;
  Steady::time_point whole_until;
  Steady::time_point part_until = Steady::time_point::max();
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

/// Waits for the earliest limit and looks again then: a limit that was put off meanwhile has not been
/// reached.
void watch(const ExchangePtr& exchange) {
  exchange->deadline.expires_at(exchange->until());
  exchange->deadline.async_wait([exchange](error_code error) {
    if (error) return;
    if (Steady::now() < exchange->until()) {
      watch(exchange);
      return;
    }
    error_code ignored;
    exchange->timed_out = true;
    exchange->resolved.cancel();
    exchange->resolver.cancel();
    exchange->socket.close(ignored);
  });
}

/// Begins a part of the exchange that has a limit of its own.
void allow(const ExchangePtr& exchange, std::chrono::milliseconds time) {
  exchange->allow(time);
  if (exchange->until() < exchange->deadline.expiry()) watch(exchange);
}

Error failure(const Exchange& exchange, error_code code, std::string_view what) {
  const std::string where = exchange.request.url.display();
  if (exchange.timed_out) {
    const auto limit = Steady::now() >= exchange.whole_until ? exchange.limits.whole : exchange.limits.idle;
    return Error(Errc::timed_out, fmt::format("no answer within {} ms", limit.count()), where);
  }
  if (code == asio::error::operation_aborted)
    return Error(Errc::cancelled, "the request was cancelled", where);
  return Error(code, fmt::format("cannot {}: {}", what, code.message()), where);
}

asio::awaitable<Result<>> resolve(ExchangePtr exchange) {
  const Url& url = exchange->request.url;
  error_code not_numeric;
  const auto address = asio::ip::make_address(url.host, not_numeric);
  if (!not_numeric) {
    exchange->addresses.emplace_back(address, url.port);
    co_return Result<>();
  }
  exchange->resolved.expires_at(asio::steady_timer::time_point::max());
  exchange->resolver.async_resolve(url.host, std::to_string(url.port),
                                   [exchange](error_code error, const tcp::resolver::results_type& results) {
                                     exchange->resolve_error = error;
                                     for (const auto& entry : results) {
                                       exchange->addresses.push_back(entry.endpoint());
                                     }
                                     exchange->resolved.expires_at(asio::steady_timer::time_point::min());
                                   });
  [[maybe_unused]] const auto [waited] = co_await exchange->resolved.async_wait(await_tuple);
  if (exchange->timed_out || (exchange->addresses.empty() && !exchange->resolve_error)) {
    co_return failure(*exchange, asio::error::operation_aborted, "");
  }
  if (exchange->resolve_error) co_return failure(*exchange, exchange->resolve_error, "resolve " + url.host);
  co_return Result<>();
}

asio::awaitable<Result<>> connect(ExchangePtr exchange) {
  error_code error;
  for (const tcp::endpoint& address : exchange->addresses) {
    error_code ignored;
    exchange->socket.close(ignored);
    const auto [connected] = co_await exchange->socket.async_connect(address, await_tuple);
    if (!connected && !exchange->timed_out) co_return Result<>();
    error = connected;
    if (exchange->timed_out || error == asio::error::operation_aborted) break;
  }
  const Url& url = exchange->request.url;
  co_return failure(*exchange, error, fmt::format("connect to {}:{}", url.host, url.port));
}

/// Prepares a client that trusts what the machine trusts, and only for the host it asks for.
error_code prepare_tls(Exchange& exchange) {
  error_code error;
  exchange.trust.emplace(ssl::context::tls_client);
  exchange.trust->set_default_verify_paths(error);
  if (error) return error;
  exchange.tls.emplace(exchange.socket, *exchange.trust);
  const std::string& host = exchange.request.url.host;
  error_code not_numeric;
  asio::ip::make_address(host, not_numeric);
  SSL* handle = exchange.tls->native_handle();
  if (not_numeric && SSL_set_tlsext_host_name(handle, host.c_str()) != 1)
    return asio::error::invalid_argument;
  X509_VERIFY_PARAM* wanted = SSL_get0_param(handle);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool set = not_numeric ? X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1
                               : X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
  if (!set) return asio::error::invalid_argument;
  exchange.tls->set_verify_mode(ssl::verify_peer, error);
  return error;
}

/// Why a server's certificate was refused; empty when it was not.
std::string refusal(Exchange& exchange) {
  const long verdict = SSL_get_verify_result(exchange.tls->native_handle());
  return verdict == X509_V_OK ? std::string() : X509_verify_cert_error_string(verdict);
}

asio::awaitable<Result<>> shake_hands(ExchangePtr exchange) {
  const std::string whom = "agree on TLS with " + exchange->request.url.host;
  if (const error_code error = prepare_tls(*exchange)) co_return failure(*exchange, error, whom);
  const auto [error] = co_await exchange->tls->async_handshake(ssl::stream_base::client, await_tuple);
  if (const std::string why = error ? refusal(*exchange) : std::string(); !why.empty()) {
    const Url& url = exchange->request.url;
    co_return Error(error, fmt::format("the certificate of {} is refused: {}", url.host, why), url.display());
  }
  if (error || exchange->timed_out) co_return failure(*exchange, error, whom);
  co_return Result<>();
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

using Parser = bhttp::response_parser<bhttp::buffer_body>;

Response head_of(const Parser& parser) {
  Response response;
  response.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) {
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return response;
}

template <class Stream>
asio::awaitable<Result<>> receive_body(ExchangePtr exchange, Stream& stream, beast::flat_buffer& buffer,
                                       Parser& parser, Sink& sink) {
  while (!parser.is_done()) {
    std::string bytes(piece, '\0');
    auto& body = parser.get().body();
    body.data = bytes.data();
    body.size = bytes.size();
    body.more = true;
    allow(exchange, exchange->limits.idle);
    const auto [error, got] = co_await bhttp::async_read_some(stream, buffer, parser, await_tuple);
    if (exchange->timed_out) co_return failure(*exchange, error, "");
    if (error == bhttp::error::partial_message || error == ssl::error::stream_truncated) {
      co_return Error(Errc::io, "the answer ended early", exchange->request.url.display());
    }
    if (error && error != bhttp::error::need_buffer && error != bhttp::error::end_of_stream)
      co_return failure(*exchange, error, "read the answer");
    bytes.resize(bytes.size() - body.size);
    exchange->part_until = Steady::time_point::max();  // a slow taker is not the server's fault
    if (bytes.empty()) continue;
    const Result<> taken = co_await sink.data(std::move(bytes));
    if (!taken) co_return taken.error();
  }
  co_return Result<>();
}

/// Reads the answer, past interim ones (1xx).
template <class Stream>
asio::awaitable<Result<Response>> receive(ExchangePtr exchange, Stream& stream, Sink& sink) {
  beast::flat_buffer buffer;
  allow(exchange, exchange->limits.first_byte);
  for (int interim = 0; interim < 8; ++interim) {
    Parser parser;
    parser.body_limit(boost::none);
    parser.header_limit(head_limit);
    parser.skip(exchange->request.method == "HEAD");
    const auto [error, bytes] = co_await bhttp::async_read_header(stream, buffer, parser, await_tuple);
    if (exchange->timed_out) co_return failure(*exchange, error, "");
    if (error == bhttp::error::end_of_stream || error == ssl::error::stream_truncated) {
      co_return Error(error, "the connection was closed without an answer", exchange->request.url.display());
    }
    if (error) co_return failure(*exchange, error, "read the answer");
    if (parser.get().result_int() < 200) continue;
    Response head = head_of(parser);
    const Result<> wanted = co_await sink.head(head);
    if (!wanted) co_return wanted.error();
    const Result<> received = co_await receive_body(exchange, stream, buffer, parser, sink);
    if (!received) co_return received.error();
    co_return head;
  }
  co_return Error(Errc::io, "nothing but interim answers", exchange->request.url.display());
}

template <class Stream>
asio::awaitable<Result<Response>> converse(ExchangePtr exchange, Stream& stream,
                                           bhttp::request<bhttp::string_body>& message, Sink& sink) {
  allow(exchange, exchange->limits.idle);
  const auto [error, bytes] = co_await bhttp::async_write(stream, message, await_tuple);
  // A server may answer and close before it has read everything (413, for instance): what it said counts.
  const bool refused = error == asio::error::broken_pipe || error == asio::error::connection_reset;
  if (error && (exchange->timed_out || !refused)) co_return failure(*exchange, error, "send the request");
  Result<Response> answer = co_await receive(exchange, stream, sink);
  co_return answer;
}

asio::awaitable<Result<Response>> perform(ExchangePtr exchange, Sink& sink) {
  Result<bhttp::request<bhttp::string_body>> message = make_message(exchange->request);
  if (!message) co_return message.error();
  allow(exchange, exchange->limits.connect);
  const Result<> resolved = co_await resolve(exchange);
  if (!resolved) co_return resolved.error();
  const Result<> connected = co_await connect(exchange);
  if (!connected) co_return connected.error();
  if (exchange->request.url.scheme != "https") {
    Result<Response> answer = co_await converse(exchange, exchange->socket, *message, sink);
    co_return answer;
  }
  const Result<> secured = co_await shake_hands(exchange);
  if (!secured) co_return secured.error();
  Result<Response> answer = co_await converse(exchange, *exchange->tls, *message, sink);
  co_return answer;
}

}  // namespace

asio::awaitable<Result<Response>> exchange(Request request, Limits limits, Sink& sink) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<Exchange>(executor, std::move(request), limits);
  const Guard guard(state);
  watch(state);
  try {
    Result<Response> answer = co_await perform(state, sink);
    co_return answer;
  } catch (const boost::system::system_error& error) {
    // Thrown by an await that begins after the coroutine was cancelled.
    if (error.code() != asio::error::operation_aborted) throw;
    co_return failure(*state, error.code(), "");
  }
}

}  // namespace dumb::http
