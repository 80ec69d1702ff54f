#include "socket_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

namespace dumb::test {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

struct SocketClient::State {
  asio::io_context context;
  websocket::stream<asio::ip::tcp::socket> stream{context};
  boost::beast::flat_buffer buffer;
  websocket::response_type answer;
  bool reading = false;
  bool ended = false;

  /// Runs until `done` or the limit is over.
  bool run(const bool& done, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    context.restart();
    while (!done && context.run_one_until(end) != 0) {
    }
    return done;
  }
};

SocketClient::SocketClient(int port, std::string_view target, std::string_view header)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.stream.next_layer().connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
  s.stream.set_option(websocket::stream_base::decorator([header](websocket::request_type& request) {
    const auto colon = header.find(": ");
    if (colon != std::string_view::npos)
      request.set(std::string(header.substr(0, colon)), std::string(header.substr(colon + 2)));
  }));
  error_code error;
  s.stream.handshake(s.answer, "127.0.0.1:" + std::to_string(port), std::string(target), error);
  s.ended = bool(error);
}

SocketClient::~SocketClient() {
  cut();
}

int SocketClient::status() const {
  return static_cast<int>(state_->answer.result_int());
}

std::optional<std::string> SocketClient::receive(std::chrono::milliseconds limit) {
  State& s = *state_;
  if (s.ended) return std::nullopt;
  bool done = false;
  error_code failed;
  if (!s.reading) {
    s.reading = true;
    s.stream.async_read(s.buffer, [&s, &done, &failed](const error_code& error, std::size_t) {
      s.reading = false;
      failed = error;
      done = true;
    });
  }
  if (!s.run(done, limit)) {
    cut();  // the read refers to this call
    return std::nullopt;
  }
  if (failed) {
    s.ended = true;
    return std::nullopt;
  }
  std::string text(static_cast<const char*>(s.buffer.cdata().data()), s.buffer.size());
  s.buffer.clear();
  return text;
}

int SocketClient::close_code(std::chrono::milliseconds limit) {
  while (receive(limit)) {
  }
  return state_->stream.reason().code;
}

std::string SocketClient::close_reason() const {
  return state_->stream.reason().reason.c_str();
}

bool SocketClient::send(std::string_view text) {
  error_code error;
  state_->stream.text(true);
  state_->stream.write(asio::buffer(text), error);
  return !error;
}

bool SocketClient::send_binary(std::string_view bytes) {
  error_code error;
  state_->stream.binary(true);
  state_->stream.write(asio::buffer(bytes), error);
  return !error;
}

bool SocketClient::send_raw(std::string_view bytes) {
  error_code error;
  asio::write(state_->stream.next_layer(), asio::buffer(bytes), error);
  return !error;
}

void SocketClient::cut() {
  State& s = *state_;
  error_code ignored;
  s.stream.next_layer().close(ignored);
  s.context.restart();
  s.context.poll();
  s.ended = true;
}

}  // namespace dumb::test
