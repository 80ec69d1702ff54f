#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <optional>
#include <variant>

#include "answers.hpp"
#include "http_core_asio.hpp"
#include "socket_deadline_asio.hpp"
#include "websocket_asio.hpp"

namespace dumb::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
using Parser = http::request_parser<http::string_body>;

/// The Date field; converted once a second.
const std::string& http_date() {
  thread_local std::time_t converted = -1;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != converted) {
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    std::array<char, 40> buffer{};
    text.assign(buffer.data(),
                std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc));
    converted = now;
  }
  return text;
}

/// One client. Reads requests one after the other; lives in the frame of run().
class Connection {
 public:
  Connection(std::shared_ptr<HttpServer::Core> core, asio::ip::tcp::socket socket, ConnectionHandle& handle)
      : shared_core_(std::move(core)),
        core_(*shared_core_),
        limits_(core_.limits),
        handle_(handle),
        socket_(std::move(socket)),
        deadline_(std::make_unique<Deadline>(socket_)),
        watch_(std::make_shared<Watch>(Watch{this})) {
    error_code error;
    socket_.set_option(asio::ip::tcp::no_delay(true), error);
    socket_.non_blocking(true, error);
    const auto peer = socket_.remote_endpoint(error);
    if (!error) peer_ = peer.address().to_string();
    handle_.close = [this] { close(); };
    handle_.watch = [this] { watch(); };
  }
  ~Connection() {
    watch_->connection = nullptr;
    handle_.close = handle_.leave = handle_.watch = [] {};
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> run() {
    bool open = true;
    while (open && !core_.stopping) {
      auto turn = serve_one();
      open = co_await std::move(turn);
      handle_.busy = false;
    }
    close();
  }

 private:
  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

  struct Watch {
    Connection* connection;  // null when the connection is gone
    bool waits = false;
  };

  /// The next thing the client sends, or its end, is looked at.
  void watch() {
    handle_.watched = true;
    if (watch_->waits) return;
    watch_->waits = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_read, [watch = watch_](const error_code& error) {
      watch->waits = false;
      if (!error && watch->connection != nullptr) watch->connection->look();
    });
  }

  /// A client that sends its next request already is taken to be there until the present one is answered.
  void look() {
    if (!handle_.busy) return;
    char byte = 0;
    error_code error;
    socket_.receive(asio::buffer(&byte, 1), asio::ip::tcp::socket::message_peek, error);
    if (error == asio::error::would_block || error == asio::error::interrupted) return watch();
    if (error) handle_.cancel.emit(asio::cancellation_type::total);
  }

  /// One request and its answer; false when the connection ends.
  asio::awaitable<bool> serve_one() {
    auto arrival = wait_for_bytes();
    const bool arrived = co_await std::move(arrival);
    if (!arrived) co_return false;
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser.body_limit(limits_.body_bytes);
    error_code error = read_at_once(parser);
    if (!error && !parser.is_done()) {
      auto reading = read_request(parser);
      error = co_await std::move(reading);
    }
    deadline_->disarm();
    handle_.busy = true;
    handle_.met = false;
    handle_.watched = false;
    look_after_requests(shared_core_);
    if (error) {
      auto refusing = refuse(error);
      co_await std::move(refusing);
      co_return false;
    }
    keep_alive_ = parser.get().keep_alive();
    head_only_ = parser.get().method() == http::verb::head;
    auto message = parser.release();
    const bool wants_socket = core_.upgrader && websocket::is_upgrade(message) && buffer_.size() == 0;
    if (wants_socket) head_ = message;
    auto request = request_of(message);
    Response response;
    if (auto* refusal = std::get_if<Response>(&request)) {
      response = std::move(*refusal);
    } else {
      auto answering = answer(std::get<Request>(std::move(request)), wants_socket);
      response = co_await std::move(answering);
    }
    if (feed_) {
      auto serving = serve_socket();
      co_await std::move(serving);
      co_return false;
    }
    const std::string text = text_of(response);
    std::size_t done = 0;
    const error_code failed = write_at_once(text, done);
    if (failed == asio::error::would_block) {
      auto writing = write_rest(text, done);
      const bool written = co_await std::move(writing);
      if (!written) co_return false;
    } else if (failed) {
      co_return false;
    }
    co_return keep_alive_;
  }

  /// Waits for the first byte of a request.
  asio::awaitable<bool> wait_for_bytes() {
    if (buffer_.size() > 0) co_return true;
    deadline_->arm(first_ ? limits_.header_time : limits_.idle_time, Deadline::Late::close);
    first_ = false;
    const auto space = buffer_.prepare(4096);
    const auto [error, count] = co_await socket_.async_read_some(space, token);
    if (error) co_return false;
    buffer_.commit(count);
    co_return true;
  }

  /// Takes what has arrived. Nearly always that is a whole head, which then costs no turn of the event loop.
  error_code read_at_once(Parser& parser) {
    error_code error;
    const std::size_t used = parser.put(buffer_.cdata(), error);
    buffer_.consume(used);
    return error == http::error::need_more ? error_code() : error;
  }

  asio::awaitable<error_code> read_request(Parser& parser) {
    deadline_->arm(limits_.header_time, Deadline::Late::stop_reading);
    if (!parser.is_header_done()) {
      const auto [head_error, head_size] = co_await http::async_read_header(socket_, buffer_, parser, token);
      if (head_error) co_return head_error;
    }
    if (parser.is_done()) co_return error_code();
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto bytes = asio::buffer(go_on);
      const auto [error, count] = co_await asio::async_write(socket_, bytes, token);
      if (error) co_return error;
    }
    deadline_->arm(limits_.body_time, Deadline::Late::stop_reading);
    const auto [body_error, body_size] = co_await http::async_read(socket_, buffer_, parser, token);
    co_return body_error;
  }

  /// The request as routes see it, or why it is none.
  std::variant<Request, Response> request_of(http::request<http::string_body>& message) const {
    const Target target = parse_target({message.target().data(), message.target().size()});
    Request request;
    request.method = std::string(message.method_string());
    request.authority = target.authority;
    request.path = target.path;
    for (const auto& field : message)
      request.headers.add(std::string(field.name_string()), std::string(field.value()));
    request.body = std::move(message.body());
    request.peer = peer_;
    const std::size_t hosts = request.headers.count("Host");
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
      return detail_response(400, "The request needs exactly one Host field.");
    }
    if (target.query.size() > limits_.query_bytes) return detail_response(414, "The query is too long.");
    request.query = parse_query(target.query);
    return request;
  }

  /// Notes the feed to serve when that is the answer.
  asio::awaitable<Response> answer(Request request, bool wants_socket) {
    if (wants_socket) {
      auto upgraded = core_.upgrader(request);
      if (auto* refusal = std::get_if<Response>(&upgraded)) co_return std::move(*refusal);
      feed_ = std::get<std::shared_ptr<engine::Feed>>(std::move(upgraded));
      if (feed_) co_return Response();
    }
    auto running = core_.handler(std::move(request));
    Response response = co_await std::move(running);
    co_return response;
  }

  /// Serves a live channel until either side ends it.
  asio::awaitable<void> serve_socket() {
    handle_.watched = true;
    deadline_.reset();
    const auto over = std::make_shared<asio::steady_timer>(core_.executor);
    over->expires_at(asio::steady_timer::time_point::max());
    const auto session = std::make_shared<WebSocketSession>(std::move(socket_), std::move(feed_),
                                                            limits_.socket, [over] { over->cancel(); });
    handle_.close = [session] { session->drop(); };
    handle_.leave = [session] { session->leave(); };
    session->start(std::move(head_));
    co_await over->async_wait(token);
    handle_.close = handle_.leave = [] {};
    session->drop();
  }

  /// Answers what could not be read, if anybody is there to read it.
  asio::awaitable<void> refuse(error_code error) {
    Response response;
    if (error == http::error::body_limit) {
      response = detail_response(413, fmt::format("The body is larger than {} bytes.", limits_.body_bytes));
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response = long_query() ? detail_response(414, "The query is too long.")
                              : detail_response(431, "The header fields are too large.");
    } else if (deadline_->passed()) {
      response = detail_response(408, "The request did not arrive in time.");
    } else if (error.category() == make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      response = detail_response(400, "The request is not valid HTTP.");
    } else {
      co_return;
    }
    keep_alive_ = false;
    const std::string text = text_of(response);
    auto writing = write_rest(text, 0);
    const bool written = co_await std::move(writing);
    if (!written) co_return;
    auto draining = drain();
    co_await std::move(draining);
  }

  /// Whether the bytes that overflowed the header limit begin with a request line longer than a query may be.
  bool long_query() const {
    const auto data = buffer_.cdata();
    const std::string_view text(static_cast<const char*>(data.data()), data.size());
    const std::string_view line = text.substr(0, text.find('\n'));
    const auto mark = line.find('?');
    return mark != std::string_view::npos && line.size() - mark > limits_.query_bytes;
  }

  std::string text_of(const Response& response) {
    if (response.close || core_.stopping || core_.draining) keep_alive_ = false;
    std::string text = head_text(response, keep_alive_ ? "keep-alive" : "close", http_date());
    if (!head_only_) text += response.body;
    return text;
  }

  /// Writes what the socket takes; would_block when that is not all.
  error_code write_at_once(const std::string& text, std::size_t& done) {
    error_code error;
    while (done < text.size() && (!error || error == asio::error::interrupted)) {
      done += socket_.write_some(asio::buffer(text.data() + done, text.size() - done), error);
    }
    return done == text.size() ? error_code() : error;
  }

  /// `text` outlives the awaiting of this.
  asio::awaitable<bool> write_rest(const std::string& text, std::size_t done) {
    error_code error = write_at_once(text, done);
    while (error == asio::error::would_block) {
      deadline_->arm(limits_.write_time, Deadline::Late::close);
      const auto [late] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, token);
      deadline_->disarm();
      error = late ? late : write_at_once(text, done);
    }
    co_return !error;
  }

  /// Reads away what the client still sends, for a moment: closing on unread bytes would reset the connection
  /// and the answer could be lost on its way.
  asio::awaitable<void> drain() {
    error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    deadline_->arm(limits_.stop_time, Deadline::Late::close);
    std::size_t left = 16U << 20U;
    for (;;) {
      buffer_.clear();
      const auto space = buffer_.prepare(16384);
      const auto [error, count] = co_await socket_.async_read_some(space, token);
      if (error || count >= left) co_return;
      left -= count;
    }
  }

  std::shared_ptr<HttpServer::Core> shared_core_;
  HttpServer::Core& core_;
  const Limits& limits_;
  ConnectionHandle& handle_;
  asio::ip::tcp::socket socket_;
  std::unique_ptr<Deadline> deadline_;  // null once the socket is a live channel's
  std::shared_ptr<Watch> watch_;        // shared with a wait that may complete late
  beast::flat_buffer buffer_;
  std::shared_ptr<engine::Feed> feed_;     // to be served from now on
  http::request<http::string_body> head_;  // of the request for it
  std::string peer_;
  bool first_ = true;
  bool keep_alive_ = true;
  bool head_only_ = false;
};

}  // namespace

asio::awaitable<void> serve_connection(std::shared_ptr<HttpServer::Core> core, asio::ip::tcp::socket socket,
                                       std::list<ConnectionHandle>::iterator self) {
  Connection connection(std::move(core), std::move(socket), *self);
  auto running = connection.run();
  co_await std::move(running);
}

}  // namespace dumb::server
