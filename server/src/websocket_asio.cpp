#include "websocket_asio.hpp"

#include <algorithm>
#include <utility>

#include "socket_progress_posix.hpp"

namespace dumb::server {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

namespace {

constexpr std::size_t most_answers = 16;  // to pings of a client that does not read

}  // namespace

WebSocketSession::WebSocketSession(asio::ip::tcp::socket socket, std::shared_ptr<engine::Feed> feed,
                                   SocketLimits limits, std::function<void()> ended)
    : stream_(std::move(socket)),
      feed_(std::move(feed)),
      limits_(limits),
      ended_(std::move(ended)),
      timer_(stream_.get_executor()) {}

void WebSocketSession::start(UpgradeRequest request) {
  request_ = std::move(request);
  heard_at_ = pinged_at_ = moved_at_ = Clock::now();
  // Silence and stalls are looked for here: the stream's own timeout would not part one from the other.
  stream_.set_option(websocket::stream_base::timeout{limits_.silence, websocket::stream_base::none(), false});
  stream_.read_message_max(limits_.message_bytes);
  stream_.text(true);
  stream_.control_callback(
      [this](websocket::frame_type, boost::beast::string_view) { heard_at_ = Clock::now(); });
  stream_.async_accept(request_, [self = shared_from_this()](const error_code& error) {
    self->request_ = {};
    if (error) return self->drop();
    self->accepted();
  });
}

void WebSocketSession::accepted() {
  open_ = true;
  read();
  watch();
  close_unless_allowed();
  if (closing_) return;
  // The feed is owned here, and outlives what it calls.
  feed_->begin([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
  pump();
}

void WebSocketSession::read() {
  stream_.async_read(input_, [self = shared_from_this()](const error_code& error, std::size_t size) {
    if (error) return self->drop();
    self->heard(size);
  });
}

void WebSocketSession::heard(std::size_t size) {
  heard_at_ = Clock::now();
  if (stream_.got_binary()) {
    close(CloseCode::unknown_data, "only text is understood");
  } else {
    const std::string_view text(static_cast<const char*>(input_.cdata().data()), size);
    if (const std::string_view answer = feed_->answer(text); !answer.empty()) {
      answer_ = answer;
      answers_ = std::min(answers_ + 1, most_answers);
    }
  }
  input_.consume(size);
  if (size > 4096) input_.shrink_to_fit();
  pump();
  read();
}

void WebSocketSession::pump() {
  if (!open_ || closing_ || sending_) return;
  if (answers_ > 0) {
    --answers_;
    sending_ = std::make_shared<const std::string>(answer_);
  } else {
    sending_ = feed_->take();
  }
  if (!sending_) return;
  moved_ = acknowledged();
  moved_at_ = Clock::now();
  stream_.async_write(
      asio::buffer(*sending_),
      [self = shared_from_this()](const error_code& error, std::size_t) { self->written(error); });
}

void WebSocketSession::written(const error_code& error) {
  sending_.reset();
  if (error) return drop();
  pump();
}

void WebSocketSession::close(CloseCode code, std::string reason) {
  if (!open_ || std::exchange(closing_, true)) return;
  closing_since_ = Clock::now();
  timer_.cancel();
  watch();
  reason.resize(
      std::min<std::size_t>(reason.size(), 120));  // of a control frame's 125 bytes, two are the code
  stream_.async_close({code, reason}, [self = shared_from_this()](const error_code&) { self->drop(); });
}

void WebSocketSession::close_unless_allowed() {
  if (auto why = feed_->refusal()) close(CloseCode::policy_error, std::move(*why));
}

void WebSocketSession::leave() {
  if (!open_) return drop();
  close(CloseCode::going_away, "the server is going away");
}

void WebSocketSession::drop() {
  if (!ended_) return;
  open_ = false;
  timer_.cancel();
  error_code ignored;
  stream_.next_layer().close(ignored);
  std::exchange(ended_, nullptr)();
}

void WebSocketSession::watch() {
  timer_.expires_after(closing_ ? std::min(limits_.goodbye, limits_.look_every) : limits_.look_every);
  timer_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
    const auto self = weak.lock();
    if (!cancelled && self && self->open_) self->tick();
  });
}

void WebSocketSession::tick() {
  const Clock::time_point now = Clock::now();
  if (closing_ && now - closing_since_ >= limits_.goodbye) return drop();
  if (now - heard_at_ >= limits_.silence) return drop();
  if (sending_) {
    if (const std::uint64_t bytes = acknowledged(); bytes != std::exchange(moved_, bytes)) moved_at_ = now;
    // A close frame would wait behind what it does not take.
    if (now - moved_at_ >= limits_.stall) return drop();
  }
  watch();
  if (closing_) return;
  close_unless_allowed();
  if (closing_ || pinging_ || now - std::max(heard_at_, pinged_at_) < limits_.ping_after) return;
  pinging_ = true;
  pinged_at_ = now;
  stream_.async_ping({}, [self = shared_from_this()](const error_code& error) {
    self->pinging_ = false;
    if (error) self->drop();
  });
}

std::uint64_t WebSocketSession::acknowledged() {
  return acknowledged_bytes(stream_.next_layer().native_handle());
}

}  // namespace dumb::server
