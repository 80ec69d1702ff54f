#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "http_core_asio.hpp"

namespace dumb::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

std::string url_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  if (endpoint.address().is_v6()) return fmt::format("http://[{}]:{}", address, endpoint.port());
  return fmt::format("http://{}:{}", address, endpoint.port());
}

Error listen_error(const std::string& host, std::uint16_t port, const boost::system::error_code& code) {
  const bool taken = code == boost::asio::error::address_in_use;
  return Error(code, fmt::format("cannot listen on {} port {}: {}", host, port,
                                 taken ? "another program already listens there" : code.message()));
}

Result<tcp::endpoint> resolve(const asio::any_io_executor& executor, const std::string& host,
                              std::uint16_t port) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint(address, port);
  tcp::resolver resolver(executor);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) return listen_error(host, port, error);
  return found.begin()->endpoint();
}

tcp protocol_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const bool known = ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  return known && address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
}

/// What makes accept() fail for a while without being wrong with the listening socket.
bool is_shortage(const boost::system::error_code& error) {
  namespace errc = boost::system::errc;
  return error == errc::too_many_files_open || error == errc::too_many_files_open_in_system ||
         error == errc::no_buffer_space || error == errc::not_enough_memory;
}

void start_connection(const std::shared_ptr<HttpServer::Core>& core, tcp::socket socket) {
  const auto self = core->connections.emplace(core->connections.end());
  core->statistics.open = core->connections.size();
  ++core->statistics.accepted;
  auto ended = [core, self](const std::exception_ptr& failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& error) {
        if (!core->stopping) core->log.error(fmt::format("HTTP connection: {}", error.what()));
      }
    }
    core->connections.erase(self);
    core->statistics.open = core->connections.size();
    core->changed.cancel();
  };
  auto serving = serve_connection(core, std::move(socket), self);
  asio::co_spawn(core->executor, std::move(serving),
                 asio::bind_cancellation_slot(self->cancel.slot(), ended));
}

asio::awaitable<void> pause(std::shared_ptr<HttpServer::Core> core, std::chrono::milliseconds limit) {
  core->changed.expires_after(limit);
  co_await core->changed.async_wait(token);
}

asio::awaitable<void> wait_until_empty(std::shared_ptr<HttpServer::Core> core,
                                       std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!core->connections.empty() && std::chrono::steady_clock::now() < end) {
    core->changed.expires_at(end);
    co_await core->changed.async_wait(token);
  }
}

asio::awaitable<void> accept_connections(std::shared_ptr<HttpServer::Core> core) {
  while (core->acceptor.is_open()) {
    if (core->connections.size() >= core->limits.connections) {
      auto room = pause(core, std::chrono::milliseconds(1000));
      co_await std::move(room);
      continue;
    }
    auto [error, socket] = co_await core->acceptor.async_accept(token);
    if (!error) {
      start_connection(core, std::move(socket));
    } else if (is_shortage(error)) {
      if (core->statistics.accept_failures++ == 0) {
        core->log.warning(fmt::format("HTTP: cannot accept a connection: {}", error.message()));
      }
      // The connection stays in the kernel's queue: without a pause this would spin.
      auto relief = pause(core, std::chrono::milliseconds(100));
      co_await std::move(relief);
    } else if (error == asio::error::operation_aborted) {
      break;
    }
  }
}

void look_round(const std::shared_ptr<HttpServer::Core>& core) {
  bool more = false;
  for (ConnectionHandle& connection : core->connections) {
    if (!connection.busy || connection.watched) continue;
    if (connection.met) {
      connection.watch();
    } else {
      connection.met = true;
      more = true;
    }
  }
  if (more) look_after_requests(core);
}

void begin_accepting(const std::shared_ptr<HttpServer::Core>& core) {
  auto ended = [core](const std::exception_ptr& failure) {
    if (failure && !core->stopping) core->log.error("HTTP: accepting connections ended unexpectedly");
  };
  auto accepting = accept_connections(core);
  asio::co_spawn(core->executor, std::move(accepting), ended);
}

}  // namespace

void look_after_requests(const std::shared_ptr<HttpServer::Core>& core) {
  if (core->looking || core->stopping) return;
  core->looking = true;
  core->round.expires_after(core->limits.watch_after);
  core->round.async_wait([core](const boost::system::error_code& cancelled) {
    core->looking = false;
    if (!cancelled && !core->stopping) look_round(core);
  });
}

HttpServer::HttpServer(asio::any_io_executor executor, Handler handler, Limits limits, Log& log)
    : core_(std::make_shared<Core>(std::move(executor), std::move(handler), limits, log)) {}

HttpServer::~HttpServer() {
  boost::system::error_code ignored;
  core_->stopping = true;
  core_->acceptor.close(ignored);
  core_->round.cancel();
}

void HttpServer::set_upgrader(Upgrader upgrader) {
  core_->upgrader = std::move(upgrader);
}

Result<void> HttpServer::listen(const std::string& host, std::uint16_t port) {
  const auto endpoint = resolve(core_->executor, host, port);
  if (!endpoint) return endpoint.error();
  boost::system::error_code error;
  tcp::acceptor& acceptor = core_->acceptor;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint->address() == asio::ip::address_v6::any()) {
    acceptor.set_option(asio::ip::v6_only(false), error);
  }
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    return listen_error(host, port, error);
  }
  begin_accepting(core_);
  return {};
}

Result<void> HttpServer::listen(const std::string& host, std::uint16_t port, UniqueFd listening) {
  const auto wanted = resolve(core_->executor, host, port);
  if (!wanted) return wanted.error();
  tcp::acceptor& acceptor = core_->acceptor;
  boost::system::error_code error;
  acceptor.assign(protocol_of(listening.get()), listening.get(), error);
  if (error) return Error(error, "cannot use the listening socket: " + error.message());
  listening.release();
  const tcp::endpoint present = acceptor.local_endpoint(error);
  const bool same_port = port == 0 || present.port() == port;
  if (error || !same_port || present.address() != wanted->address()) {
    tcp::acceptor given = std::move(acceptor);
    acceptor = tcp::acceptor(core_->executor);
    // At the same port the two would be in each other's way.
    if (same_port) given.close(error);
    const auto opened = listen(host, same_port ? present.port() : port);
    if (opened || same_port) return opened;
    core_->log.error(fmt::format("{}; still listening on port {}", opened.error().message(), present.port()));
    acceptor = std::move(given);
  }
  begin_accepting(core_);
  return {};
}

UniqueFd HttpServer::release() {
  UniqueFd copy(::fcntl(core_->acceptor.native_handle(), F_DUPFD_CLOEXEC, 3));
  boost::system::error_code ignored;
  core_->acceptor.close(ignored);
  return copy;
}

asio::awaitable<void> HttpServer::see_off(std::chrono::milliseconds limit) {
  const auto core = core_;
  core->draining = true;
  for (ConnectionHandle& connection : core->connections) {
    connection.seen_off = true;
    connection.leave();
  }
  const auto waits = [](const ConnectionHandle& connection) {
    return connection.seen_off && !connection.busy;
  };
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::any_of(core->connections.begin(), core->connections.end(), waits) &&
         std::chrono::steady_clock::now() < end) {
    core->changed.expires_at(end);
    co_await core->changed.async_wait(token);
  }
}

asio::awaitable<void> HttpServer::finish(std::chrono::milliseconds limit) {
  const auto core = core_;
  core->draining = true;
  for (const ConnectionHandle& connection : core->connections) {
    if (!connection.seen_off) {
      connection.leave();
    } else if (!connection.busy) {
      connection.close();
    }
  }
  auto answering = wait_until_empty(core, limit);
  co_await std::move(answering);
  core->stopping = true;
  core->round.cancel();
  for (ConnectionHandle& connection : core->connections) {
    connection.close();
    connection.cancel.emit(asio::cancellation_type::all);
  }
}

std::uint16_t HttpServer::port() const noexcept {
  boost::system::error_code error;
  const auto endpoint = core_->acceptor.local_endpoint(error);
  return error ? 0 : endpoint.port();
}

std::string HttpServer::url() const {
  boost::system::error_code error;
  const auto endpoint = core_->acceptor.local_endpoint(error);
  return error ? std::string() : url_of(endpoint);
}

HttpServer::Statistics HttpServer::statistics() const noexcept {
  return core_->statistics;
}

asio::awaitable<void> HttpServer::stop() {
  const auto core = core_;
  core->stopping = true;
  core->round.cancel();
  boost::system::error_code ignored;
  core->acceptor.close(ignored);
  for (const ConnectionHandle& connection : core->connections) {
    connection.leave();
    if (!connection.busy) connection.close();
  }
  auto ending = wait_until_empty(core, core->limits.stop_time);
  co_await std::move(ending);
  for (ConnectionHandle& connection : core->connections) {
    connection.close();
    connection.cancel.emit(asio::cancellation_type::all);
  }
  auto cancelling = wait_until_empty(core, std::chrono::milliseconds(500));
  co_await std::move(cancelling);
}

}  // namespace dumb::server
