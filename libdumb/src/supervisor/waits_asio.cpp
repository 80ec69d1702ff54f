#include <dumb/supervisor/waits.hpp>

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <exception>
#include <set>

#include "base/offload.hpp"
#include "supervisor/event_asio.hpp"
#include "supervisor/waker_asio.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds directory_recheck{5'000};
constexpr milliseconds mount_recheck{30'000};
constexpr milliseconds mount_try{2'000};

/// What a worker found out about a directory: neither path is touched on the event loop.
struct Seen {
  bool there = false;
  std::filesystem::path nearest;  ///< nearest existing ancestor; empty when a mount on the way hangs
};

Seen look(std::filesystem::path path) {
  Seen seen;
  PathState state = inspect_path(path, mount_try);
  seen.there = state == PathState::directory;
  while (state != PathState::directory && state != PathState::dead && path.has_parent_path() &&
         path.parent_path() != path) {
    path = path.parent_path();
    state = inspect_path(path, mount_try);
  }
  if (state == PathState::directory) seen.nearest = path;
  return seen;
}

asio::awaitable<Seen> look_on(asio::thread_pool& workers, std::filesystem::path path) {
  auto work = [path] { return look(path); };
  Seen seen = co_await offload(workers, work);
  co_return seen;
}

milliseconds left_of(std::optional<Clock::time_point> deadline, milliseconds wanted) {
  if (!deadline) return wanted;
  const auto left = std::chrono::duration_cast<milliseconds>(*deadline - Clock::now());
  return std::clamp(left, milliseconds(0), wanted);
}

bool over(std::optional<Clock::time_point> deadline) {
  return deadline && Clock::now() >= *deadline;
}

std::string list_of(std::string_view what, const std::vector<std::filesystem::path>& paths,
                    const Root& root) {
  std::string text = "waits for " + std::string(what);
  for (std::size_t i = 0; i < paths.size(); ++i) text += (i == 0 ? "" : ", ") + root.unmap(paths[i]).native();
  return text;
}

Error timed_out(const std::string& missing) {
  return Error(Errc::timed_out, "gave up: " + missing);
}
Error cancelled() {
  return Error(Errc::cancelled, "the wait was cancelled");
}

asio::awaitable<Result<void>> wait_for_directories(WaitPlan plan, asio::thread_pool& workers,
                                                   std::optional<Clock::time_point> deadline,
                                                   std::function<void(std::string)> progress) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto waker = std::make_shared<Waker>(executor);
  const CloseAtEnd closing(waker);
  const int inotify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  waker->watch(inotify);
  std::array<char, 4096> drain{};
  for (;;) {
    std::vector<std::filesystem::path> missing;
    for (const auto& path : plan.directories) {
      Seen seen = co_await look_on(workers, path);
      if (!seen.there && inotify >= 0 && !seen.nearest.empty()) {
        ::inotify_add_watch(inotify, seen.nearest.c_str(),
                            IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
        // Look again now that the watch stands, so that nothing created in between is missed.
        seen = co_await look_on(workers, path);
      }
      if (!seen.there) missing.push_back(path);
    }
    if (missing.empty()) break;
    const std::string sentence =
        list_of(missing.size() == 1 ? "directory " : "directories ", missing, plan.root);
    progress(sentence);
    if (over(deadline)) co_return timed_out(sentence);
    const milliseconds time = left_of(deadline, directory_recheck);
    const bool going_on = co_await sleep_on(waker, asio::posix::descriptor_base::wait_read, time);
    if (!going_on) co_return cancelled();
    while (inotify >= 0 && ::read(inotify, drain.data(), drain.size()) > 0) {
    }
  }
  co_return Result<void>();
}

asio::awaitable<bool> try_mount(asio::thread_pool& workers, std::filesystem::path point) {
  auto work = [point] { return mount_answers(point, mount_try); };
  const bool answers = co_await offload(workers, work);
  co_return answers;
}

asio::awaitable<Result<void>> wait_for_mounts(WaitPlan plan, asio::thread_pool& workers,
                                              std::optional<Clock::time_point> deadline,
                                              std::function<void(std::string)> progress) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto waker = std::make_shared<Waker>(executor);
  const CloseAtEnd closing(waker);
  waker->watch(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  for (;;) {
    waker->arm(asio::posix::descriptor_base::wait_error);
    const std::vector<Mount> mounts = read_mounts();
    std::vector<std::filesystem::path> missing;
    bool dead = false;
    for (const auto& point : plan.mounts) {
      if (!is_mounted(mounts, point)) {
        missing.push_back(point);
        continue;
      }
      const bool answers = co_await try_mount(workers, point);
      if (!answers) {
        missing.push_back(point);
        dead = true;
      }
    }
    if (missing.empty()) break;
    const std::string sentence = list_of(missing.size() == 1 ? "mount " : "mounts ", missing, plan.root);
    progress(sentence);
    if (over(deadline)) co_return timed_out(sentence);
    // A mount that is there but does not answer yet tells nobody when it does.
    const milliseconds time = left_of(deadline, dead ? milliseconds(500) : mount_recheck);
    const bool going_on = co_await sleep_on(waker, asio::posix::descriptor_base::wait_error, time);
    if (!going_on) co_return cancelled();
  }
  co_return Result<void>();
}

/// The URL waits of one service: probes run side by side and report here.
struct UrlRound {
  UrlRound(const asio::any_io_executor& executor, std::vector<UrlWait> all)
      : waits(std::move(all)), open(waits.size()), finished(std::make_shared<OneShot<bool>>(executor)) {}
  std::vector<UrlWait> waits;
  std::size_t open;
  std::set<std::size_t> met;
  std::string fault;  // a URL that can never be asked
  std::function<void(std::string)> progress;
  std::shared_ptr<OneShot<bool>> finished;
  std::vector<std::unique_ptr<asio::cancellation_signal>> stops;

  std::string missing() const {
    std::string text;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (met.contains(i)) continue;
      const auto url = http::parse_url(waits[i].url);
      text += (text.empty() ? "waits for URL " : ", ") + (url ? url->display() : std::string("(invalid)"));
    }
    return text;
  }
  void report() const {
    if (progress && met.size() < waits.size()) progress(missing());
  }
};

asio::awaitable<bool> probe_once(const UrlWait& wait, http::Url url, milliseconds limit) {
  http::Request request;
  request.url = url;
  request.timeout = std::min(wait.timeout, limit);
  request.headers = wait.headers;
  request.method = wait.method.empty() ? probe_method(url.target) : wait.method;
  if (!wait.user.empty() || !wait.password.empty()) {
    request.headers.emplace_back("Authorization",
                                 "Basic " + text::base64_encode(wait.user + ":" + wait.password));
  } else if (!url.user.empty()) {
    request.headers.emplace_back("Authorization",
                                 "Basic " + text::base64_encode(url.user + ":" + url.password));
  }
  if (request.method == "PROPFIND") request.headers.emplace_back("Depth", "0");
  auto response = co_await http::fetch(request);
  if (response && request.method == "PROPFIND" && (response->status == 405 || response->status == 501)) {
    request.method = "GET";
    response = co_await http::fetch(request);
  }
  if (!response || response->status < 200 || response->status > 299) co_return false;
  co_return wait.expected_json_path.empty() || has_json_path(response->body, wait.expected_json_path);
}

asio::awaitable<void> probe_until_met(std::shared_ptr<UrlRound> round, std::size_t index,
                                      Clock::time_point deadline) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const UrlWait wait = round->waits[index];
  const auto url = http::parse_url(wait.url);
  if (!url) {
    round->fault = url.error().to_string();
    co_return;
  }
  asio::steady_timer timer(executor);
  milliseconds pause{1'000};
  for (;;) {
    const milliseconds left = left_of(deadline, milliseconds(3'600'000));
    if (left <= milliseconds(0)) co_return;
    const bool met = co_await probe_once(wait, *url, left);
    if (met) {
      round->met.insert(index);
      round->report();
      co_return;
    }
    const milliseconds time = left_of(deadline, pause);
    const bool going_on = co_await pause_for(timer, time);
    if (!going_on) co_return;
    pause = std::min(pause * 3 / 2, milliseconds(10'000));
  }
}

asio::awaitable<Result<void>> wait_for_urls(WaitPlan plan, std::optional<Clock::time_point> deadline,
                                            std::function<void(std::string)> progress) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto round = std::make_shared<UrlRound>(executor, plan.urls);
  round->progress = progress;
  Clock::time_point end = Clock::now() + plan.url_limit;
  if (deadline) end = std::min(end, *deadline);
  round->report();
  for (std::size_t i = 0; i < round->waits.size(); ++i) {
    round->stops.push_back(std::make_unique<asio::cancellation_signal>());
    auto done = [round](std::exception_ptr) {
      if (--round->open == 0) round->finished->set(true);
    };
    asio::co_spawn(executor, probe_until_met(round, i, end),
                   asio::bind_cancellation_slot(round->stops[i]->slot(), std::move(done)));
  }
  const auto finished = round->finished;
  const std::optional<bool> all = co_await OneShot<bool>::wait(finished);
  if (!all) {
    const auto deaf = asio::disable_cancellation();
    co_await asio::this_coro::reset_cancellation_state(deaf);
    for (const auto& stop : round->stops) stop->emit(asio::cancellation_type::all);
    co_await OneShot<bool>::wait(finished);
    co_return cancelled();
  }
  if (!round->fault.empty()) co_return Error(Errc::invalid_config, round->fault);
  if (round->met.size() < round->waits.size()) co_return timed_out(round->missing());
  co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> wait_for(WaitPlan plan, asio::thread_pool& workers,
                                       std::function<void(std::string)> progress) {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::optional<Clock::time_point> deadline;
  if (plan.limit) deadline = Clock::now() + *plan.limit;
  if (!plan.directories.empty()) {
    auto directories = co_await wait_for_directories(plan, workers, deadline, progress);
    if (!directories) co_return directories.error();
  }
  if (!plan.mounts.empty()) {
    auto mounts = co_await wait_for_mounts(plan, workers, deadline, progress);
    if (!mounts) co_return mounts.error();
  }
  if (!plan.urls.empty()) {
    auto urls = co_await wait_for_urls(plan, deadline, progress);
    if (!urls) co_return urls.error();
  }
  co_return Result<void>();
}

}  // namespace dumb::supervisor
