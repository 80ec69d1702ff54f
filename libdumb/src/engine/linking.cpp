// Services are linked to each other while they run (SVC-19, SVC-161).
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "engine/impl.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {
namespace {

using std::chrono::seconds;
/// Before the second, third and every later attempt.
constexpr std::array<seconds, 3> link_pauses{seconds(15), seconds(60), seconds(300)};

}  // namespace

/// Of one service, or of all when the name is empty.
void Engine::Impl::stop_linking(std::string_view process_name) {
  for (auto each = linking.begin(); each != linking.end();) {
    const auto it = each++;  // what ends takes itself out of the list
    if (process_name.empty() || it->process_name == process_name)
      it->stop.emit(asio::cancellation_type::terminal);
  }
}

void Engine::Impl::link_in_background(const std::string& process_name, json::array steps) {
  stop_linking(process_name);
  if (shutting_down) return;
  const auto mine = linking.emplace(linking.end());
  mine->process_name = process_name;
  ++background;
  auto ended = [this, mine](std::exception_ptr error) {
    --background;
    if (error) log.error(mine->process_name + ": linking it to others ended by an exception");
    linking.erase(mine);
  };
  asio::co_spawn(context, keep_linked(process_name, std::move(steps)),
                 asio::bind_cancellation_slot(mine->stop.slot(), std::move(ended)));
}

asio::awaitable<void> Engine::Impl::keep_linked(std::string process_name, json::array steps) {
  co_await asio::this_coro::throw_if_cancelled(false);
  for (std::size_t attempt = 0;; ++attempt) {
    const auto ref = find_configured(process_name);
    if (!ref || supervisor.info(process_name).pid <= 0) co_return;
    setup::Context request = setup_context(*ref);
    const Result<bool> done = co_await setup::reconcile(std::move(request), steps);
    if (!done || *done) co_return;
    asio::steady_timer timer(context);
    timer.expires_after(link_pauses[std::min(attempt, link_pauses.size() - 1)]);
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    co_await timer.async_wait(token);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

}  // namespace dumb::engine
