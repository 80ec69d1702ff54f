#include "harness.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <exception>
#include <future>
#include <stdexcept>

#include "support/catch.hpp"

namespace dumb::test {

namespace asio = boost::asio;

void LogCapture::write(Level level, std::string_view message) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(fmt::format("{} {}", level_name(level), message));
}

std::vector<std::string> LogCapture::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

Loop::Loop() {
  thread_ = std::thread([this, guard = asio::make_work_guard(context_)] { context_.run(); });
}

Loop::~Loop() {
  end();
}

void Loop::end() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

void Loop::run(const std::function<void()>& work) {
  std::promise<void> done;
  asio::post(context_, [&] {
    try {
      work();
      done.set_value();
    } catch (...) {
      done.set_exception(std::current_exception());
    }
  });
  done.get_future().get();
}

void Loop::await(const std::function<asio::awaitable<void>()>& work) {
  std::promise<void> done;
  asio::co_spawn(context_, work, [&](const std::exception_ptr& failure) {
    if (failure) {
      done.set_exception(failure);
    } else {
      done.set_value();
    }
  });
  done.get_future().get();
}

HandlerServer::HandlerServer(server::HttpServer::Handler handler, server::Limits limits) {
  loop_.run([&] {
    server_ = std::make_unique<server::HttpServer>(loop_.context().get_executor(), std::move(handler), limits,
                                                   log_);
    const auto listening = server_->listen("127.0.0.1", 0);
    if (!listening) throw std::runtime_error(listening.error().to_string());
    port_ = server_->port();
  });
}

HandlerServer::~HandlerServer() {
  stop();
  loop_.end();
}

server::HttpServer::Statistics HandlerServer::statistics() {
  server::HttpServer::Statistics out;
  loop_.run([&] { out = server_->statistics(); });
  return out;
}

void HandlerServer::stop() {
  loop_.await([this] { return server_->stop(); });
}

RawClient::RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close();
    throw std::runtime_error("cannot connect");
  }
}

RawClient::~RawClient() {
  close();
}

void RawClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

void RawClient::finish_sending() {
  ::shutdown(fd_, SHUT_WR);
}

namespace {

/// Whether something can be read, or the end is reached, within `limit`. Signals do not end the wait: the
/// engine under test handles SIGCHLD in this process.
bool readable(int fd, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry{fd, POLLIN, 0};
    const int ready = ::poll(&entry, 1, std::max(0, static_cast<int>(left.count())));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace

bool RawClient::fill() {
  if (!readable(fd_, std::chrono::seconds(20))) return false;
  char bytes[65536];
  const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::optional<Answer> RawClient::receive(Body body) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  Answer out;
  const auto lines = text::split(text::replace_all(buffer_.substr(0, end), "\r\n", "\n"), '\n');
  buffer_.erase(0, end + 4);
  out.status = std::stoi(lines.at(0).substr(9));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto colon = lines[i].find(':');
    out.headers[text::lower(lines[i].substr(0, colon))] = std::string(text::trim(lines[i].substr(colon + 1)));
  }
  const auto length = out.headers.find("content-length");
  if (body == Body::absent || length == out.headers.end()) return out;
  const std::size_t size = std::stoul(length->second);
  while (buffer_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  out.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return out;
}

bool RawClient::closed(std::chrono::milliseconds limit) {
  if (!buffer_.empty()) return false;
  if (!readable(fd_, limit)) return false;
  char byte = 0;
  return ::recv(fd_, &byte, 1, 0) <= 0;
}

Answer request(int port, std::string_view method, std::string_view target, std::string_view body,
               std::string_view head) {
  RawClient client(port);
  const std::string length =
      body.empty() ? std::string() : fmt::format("Content-Length: {}\r\n", body.size());
  client.send(fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{}{}\r\n{}", method,
                          target, port, head, length, body));
  auto answer = client.receive(method == "HEAD" ? RawClient::Body::absent : RawClient::Body::expected);
  INFO(method << ' ' << target);
  REQUIRE(answer);
  return std::move(*answer);
}

}  // namespace dumb::test
