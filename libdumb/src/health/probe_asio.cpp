#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <dumb/health/health.hpp>
#include <memory>

namespace dumb::health {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);

/// One attempt to reach one host. Shared, because a name look-up cannot be interrupted and may outlive it.
struct Attempt {
  explicit Attempt(const asio::any_io_executor& executor)
      : socket(executor), resolver(executor), limit(executor), resolved(executor) {}

  tcp::socket socket;
  tcp::resolver resolver;
  asio::steady_timer limit;
  asio::steady_timer resolved;  ///< never expires; cancelled when `addresses` are there
  std::vector<tcp::endpoint> addresses;
  bool over = false;

  void end() {
    error_code ignored;
    over = true;
    limit.cancel();
    resolver.cancel();
    resolved.cancel();
    socket.close(ignored);
  }
};
using AttemptPtr = std::shared_ptr<Attempt>;

class Guard {
 public:
  explicit Guard(AttemptPtr attempt) : attempt_(std::move(attempt)) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() { attempt_->end(); }

 private:
  AttemptPtr attempt_;
};

asio::awaitable<void> resolve(AttemptPtr attempt, std::string host, std::uint16_t port) {
  error_code not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) {
    attempt->addresses.emplace_back(address, port);
    co_return;
  }
  attempt->resolved.expires_at(asio::steady_timer::time_point::max());
  attempt->resolver.async_resolve(host, std::to_string(port),
                                  [attempt](error_code error, const tcp::resolver::results_type& results) {
                                    if (!error) {
                                      for (const auto& entry : results)
                                        attempt->addresses.push_back(entry.endpoint());
                                    }
                                    attempt->resolved.cancel();
                                  });
  [[maybe_unused]] const auto [waited] = co_await attempt->resolved.async_wait(await_tuple);
}

asio::awaitable<bool> reaches(std::string host, std::uint16_t port, std::chrono::milliseconds timeout) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto attempt = std::make_shared<Attempt>(executor);
  const Guard guard(attempt);
  attempt->limit.expires_after(timeout);
  attempt->limit.async_wait([attempt](error_code error) {
    if (!error) attempt->end();
  });
  co_await resolve(attempt, host, port);
  for (const tcp::endpoint& address : attempt->addresses) {
    if (attempt->over) break;
    error_code ignored;
    attempt->socket.close(ignored);
    const auto [error] = co_await attempt->socket.async_connect(address, await_tuple);
    if (!error) co_return true;
  }
  co_return false;
}

std::string shown(const Endpoint& endpoint) {
  std::string out;
  for (const std::string& host : endpoint.hosts) {
    const bool v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    out += fmt::format("{}{}{}{}:{}", out.empty() ? "" : " or ", v6 ? "[" : "", host, v6 ? "]" : "",
                       endpoint.port);
  }
  return out;
}

/// The attempts of one probe; shared with their completion handlers, which may run after the probe was
/// cancelled.
struct Round {
  Round(const asio::any_io_executor& executor, std::size_t count)
      : done(executor), stop(count), answered(count), left(count) {}

  asio::steady_timer done;  ///< never expires; cancelled by the last attempt
  std::vector<asio::cancellation_signal> stop;
  std::vector<char> answered;
  std::size_t left;
};

}  // namespace

asio::awaitable<bool> answers(Endpoint endpoint, std::chrono::milliseconds timeout) {
  for (const std::string& host : endpoint.hosts) {
    const bool reached = co_await reaches(host, endpoint.port, timeout);
    if (reached) co_return true;
  }
  co_return false;
}

namespace {

asio::awaitable<bool> answers_in_turn(Endpoint endpoint, std::chrono::milliseconds timeout, Gate* places) {
  if (places == nullptr) {
    const bool alone = co_await answers(endpoint, timeout);
    co_return alone;
  }
  const bool entered = co_await places->enter();
  if (!entered) co_return false;
  const Gate::Held place(*places);
  const bool reached = co_await answers(endpoint, timeout);
  co_return reached;
}

}  // namespace

asio::awaitable<Verdict> probe(std::vector<Endpoint> endpoints, std::chrono::milliseconds timeout,
                               Gate* places) {
  if (endpoints.empty()) co_return Verdict();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto round = std::make_shared<Round>(executor, endpoints.size());
  round->done.expires_at(asio::steady_timer::time_point::max());
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    auto record = [round, i](const std::exception_ptr& thrown, bool reached) {
      round->answered[i] = static_cast<char>(!thrown && reached);
      if (--round->left == 0) round->done.cancel();
    };
    auto handler = asio::bind_cancellation_slot(round->stop[i].slot(), std::move(record));
    asio::co_spawn(executor, answers_in_turn(endpoints[i], timeout, places), std::move(handler));
  }
  [[maybe_unused]] const auto [waited] = co_await round->done.async_wait(await_tuple);
  if (round->left != 0) {
    for (asio::cancellation_signal& signal : round->stop) signal.emit(asio::cancellation_type::terminal);
    co_return Verdict{false, "the check was cancelled"};
  }
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (round->answered[i] == 0) co_return Verdict{false, "no answer on " + shown(endpoints[i])};
  }
  co_return Verdict();
}

}  // namespace dumb::health
