#include "supervisor/readiness_asio.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <dumb/health/health.hpp>
#include <dumb/http/client.hpp>
#include <dumb/supervisor/helper.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <utility>

#include "base/offload.hpp"
#include "supervisor/waker_asio.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr int most_datagrams = 64;  // in one go, so that a chatty service delays nobody else

/// Of one probe. `cancelled`: nobody wants to know any more.
struct Answer {
  bool good = false;
  bool cancelled = false;
  std::string text;
};

Answer failure(const Error& error) {
  return {false, error.is(Errc::cancelled), error.message()};
}

asio::awaitable<bool> is_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

asio::awaitable<Answer> ask_http(const readiness::Http& how, milliseconds limit) {
  http::Request request;
  const auto url = http::parse_url(how.url);
  if (!url) co_return failure(url.error());
  request.url = *url;
  request.timeout = limit;
  const Result<http::Response> response = co_await http::fetch(request);
  if (!response) co_return failure(response.error());
  const bool good = response->status >= 200 && response->status <= 399;
  co_return Answer{good, false, fmt::format("HTTP status {} from {}", response->status, url->display())};
}

asio::awaitable<Answer> ask_tcp(const readiness::Tcp& how, milliseconds limit) {
  const health::Endpoint endpoint{{how.host}, how.port};
  const bool good = co_await health::answers(endpoint, limit);
  co_return Answer{good, false, fmt::format("no answer on {}:{}", how.host, how.port)};
}

asio::awaitable<Answer> ask_exec(const readiness::Exec& how, const ReadinessWatch& watch) {
  // Entering a directory on a mount that hangs, or executing what is there, would hold this thread.
  asio::thread_pool& workers = *watch.workers;
  const milliseconds limit = watch.settings.timeout;
  LaunchSpec launch = watch.launch;
  launch.argv = how.argv;
  auto look = [launch, limit]() -> std::string {
    if (inspect_path(launch.directory, limit) != PathState::directory) return "the working directory";
    return inspect_program(launch, limit) == PathState::dead ? launch.argv.front() : std::string();
  };
  const std::string dead = co_await offload(workers, look);
  if (!dead.empty()) co_return Answer{false, false, dead + " does not answer"};
  const bool over = co_await is_cancelled();
  if (over) co_return Answer{false, true, {}};
  // Checks that sleep uninterruptibly must not pile up.
  if (watch.probes.use_count() > 1)
    co_return Answer{false, false, how.argv.front() + " of before survives SIGKILL"};
  HelperSpec helper;
  helper.until_reaped = watch.probes;
  helper.launch = std::move(launch);
  helper.timeout = limit;
  helper.kill_wait = watch.kill_wait;
  const Result<HelperResult> result = co_await run_helper(std::move(helper));
  if (watch.probes.use_count() > 1 && watch.log != nullptr)
    watch.log->warning("a readiness check by " + how.argv.front() + " survives SIGKILL and is left behind");
  if (!result) co_return failure(result.error());
  if (result->timed_out) {
    co_return Answer{false, false,
                     fmt::format("{} did not end within {} ms", how.argv.front(), limit.count())};
  }
  co_return Answer{result->status.success(), false, how.argv.front() + ": " + result->status.to_string()};
}

asio::awaitable<Answer> ask_mount(const readiness::Mount& how, const ReadinessWatch& watch) {
  if (!is_mounted(read_mounts(), how.point)) co_return Answer{false, false, how.shown + " is not mounted"};
  asio::thread_pool& workers = *watch.workers;
  auto look = [point = how.point, limit = watch.settings.timeout] { return mount_answers(point, limit); };
  const bool good = co_await offload(workers, look);
  co_return Answer{good, false, how.shown + " does not answer"};
}

asio::awaitable<Answer> ask(const ReadinessWatch& watch) {
  const milliseconds limit = watch.settings.timeout;
  Answer answer;
  if (const auto* http = std::get_if<readiness::Http>(&watch.settings.how)) {
    answer = co_await ask_http(*http, limit);
  } else if (const auto* tcp = std::get_if<readiness::Tcp>(&watch.settings.how)) {
    answer = co_await ask_tcp(*tcp, limit);
  } else if (const auto* exec = std::get_if<readiness::Exec>(&watch.settings.how)) {
    answer = co_await ask_exec(*exec, watch);
  } else if (const auto* mount = std::get_if<readiness::Mount>(&watch.settings.how)) {
    answer = co_await ask_mount(*mount, watch);
  }
  co_return answer;
}

/// http, tcp, exec and mount. A change of the mount table asks anew at once.
asio::awaitable<void> watch_polled(const ReadinessWatch& watch) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto waker = std::make_shared<Waker>(executor);
  const CloseAtEnd closing(waker);
  if (std::holds_alternative<readiness::Mount>(watch.settings.how)) {
    waker->watch(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  }
  if (watch.settings.initial_delay > milliseconds(0)) {
    const bool going_on = co_await pause_for(waker->timer, watch.settings.initial_delay);
    if (!going_on) co_return;
  }
  ReadinessTracker tracker(watch.settings);
  for (;;) {
    waker->arm(asio::posix::descriptor_base::wait_error);
    const Answer answer = co_await ask(watch);
    const bool over = co_await is_cancelled();
    if (over || answer.cancelled) co_return;
    if (const auto state = tracker.on(answer.good, answer.text)) watch.tell(*state);
    const milliseconds pause = tracker.next_pause();
    const bool going_on = co_await sleep_on(waker, asio::posix::descriptor_base::wait_error, pause);
    if (!going_on) co_return;
  }
}

asio::awaitable<void> watch_line(const ReadinessWatch& watch) {
  if (watch.ready) co_return;
  watch.tell({false, "has not written the awaited line"});
  const auto line = watch.line;
  const std::optional<bool> written = co_await OneShot<bool>::wait(line);
  if (written) watch.tell({true, {}});
}

/// What the datagrams of a run add up to.
struct Told {
  bool ready = false;
  bool stopping = false;
  std::string status;

  void take(const Notification& news) {
    if (news.status) status = *news.status;
    if (news.ready) ready = true;
    if (news.ready || news.stopping) stopping = news.stopping;
  }
  ReadinessState state() const {
    if (stopping) return {false, status.empty() ? "says that it is stopping" : status};
    if (!ready && status.empty()) return {false, "has not sent READY=1"};
    return {ready, status};
  }
};

asio::awaitable<void> watch_notify(const ReadinessWatch& watch, int fd) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto waker = std::make_shared<Waker>(executor);
  const CloseAtEnd closing(waker);
  waker->watch(fd);
  Told told;
  told.ready = watch.ready;
  const auto hear = [&](const Datagram& datagram) {
    if (belongs_to(watch.members, datagram.sender)) told.take(parse_notification(datagram.text));
  };
  if (watch.notify.said) hear(*watch.notify.said);
  ReadinessState shown = told.state();
  watch.tell(shown);
  for (;;) {
    for (int i = 0; i < most_datagrams; ++i) {
      const auto datagram = receive_datagram(fd, Reading::looked_at);
      if (!datagram) break;
      hear(*datagram);
      if (const ReadinessState now = told.state(); now.ready != shown.ready) {
        shown = now;
        watch.tell(shown);
      }
      // Only now that it is written down: who is killed before has it said again to the next run.
      receive_datagram(fd, Reading::taken);
    }
    if (const ReadinessState now = told.state(); now != shown) {
      shown = now;
      watch.tell(shown);
    }
    const bool going_on =
        co_await sleep_on(waker, asio::posix::descriptor_base::wait_read, std::chrono::hours(1));
    if (!going_on) co_return;
  }
}

}  // namespace

asio::awaitable<void> watch_readiness(ReadinessWatch watch) {
  co_await asio::this_coro::throw_if_cancelled(false);
  watch.probes = std::make_shared<int>();
  if (std::holds_alternative<readiness::LogLine>(watch.settings.how)) {
    co_await watch_line(watch);
  } else if (std::holds_alternative<readiness::Notify>(watch.settings.how)) {
    const int fd = watch.notify.fd.release();
    co_await watch_notify(watch, fd);
  } else {
    co_await watch_polled(watch);
  }
}

}  // namespace dumb::supervisor
