#include "engine/metrics_service.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <dumb/base/codec_text.hpp>
#include <dumb/base/text.hpp>
#include <dumb/schedule/zone.hpp>
#include <dumb/supervisor/helper.hpp>
#include <utility>

#include "base/offload.hpp"

namespace dumb::engine {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds answer_age{10};  // of paths that may hang
constexpr milliseconds answer_limit{1000};
constexpr std::chrono::seconds failure_pause{60};

metrics::Scope scope_of(const json::object& document) {
  const json::value* value = jsonx::find(document, {"dumb", "metrics", "system_scope"});
  const std::string scope =
      value != nullptr && value->is_string() ? std::string(value->get_string()) : "auto";
  return scope == "host"     ? metrics::Scope::host
         : scope == "cgroup" ? metrics::Scope::cgroup
                             : metrics::Scope::automatic;
}

void add_path(std::set<std::string>& paths, const json::value* value, bool parent) {
  if (value == nullptr || !value->is_string()) return;
  const std::string_view text = value->get_string();
  if (!text.starts_with('/') || text.find('{') != std::string_view::npos) return;
  const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  paths.insert(parent ? path.parent_path().native() : path.native());
}

}  // namespace

std::set<std::string> watched_paths(const json::object& document, const json::object& block) {
  std::set<std::string> paths;
  add_path(paths, block.if_contains("config_dir"), false);
  add_path(paths, block.if_contains("config_file"), true);
  add_path(paths, block.if_contains("log_file"), true);
  if (const json::value* env = block.if_contains("env"); env != nullptr && env->is_object()) {
    for (const auto& [name, value] : env->get_object()) add_path(paths, &value, false);
  }
  add_path(paths, document.if_contains("data_root"), false);
  const json::value* mounts = jsonx::find(document, {"rclone", "instances"});
  if (mounts != nullptr && mounts->is_object()) {
    for (const auto& [name, instance] : mounts->get_object()) {
      if (!instance.is_object()) continue;
      const json::object& remote = instance.get_object();
      const std::string directory = jsonx::string_at(remote, "mount_dir");
      const std::string mount = jsonx::string_at(remote, "mount_name");
      if (text::blank(directory)) continue;
      add_path(paths, remote.if_contains("mount_dir"), false);
      const json::value point(directory + "/" + mount);
      if (!text::blank(mount)) add_path(paths, &point, false);
    }
  }
  return paths;
}

MetricsService::MetricsService(Parts parts) : parts_(std::move(parts)), timer_(parts_.context) {}

metrics::HistorySettings MetricsService::settings() const {
  const config::SnapshotPtr config = parts_.config();
  const json::value* block = jsonx::find(config->effective(), {"dumb", "metrics"});
  return metrics::history_settings(block != nullptr && block->is_object() ? block->get_object()
                                                                          : json::object());
}

std::filesystem::path MetricsService::directory(const metrics::HistorySettings& settings) const {
  return parts_.root.map(settings.directory);
}

asio::awaitable<void> MetricsService::collect() {
  metrics::Look look;
  look.managed = parts_.managed();
  look.scope = scope_of(parts_.config()->effective());
  for (const auto& [path, known] : known_) look.known.emplace(path, known.answer);
  struct Taken {
    realtime::Message text;
    std::vector<std::string> unasked;
  };
  auto work = [sampler = sampler_, look = std::move(look)] {
    metrics::Sample sample = sampler->take(look);
    auto text = std::make_shared<const std::string>(codec::to_text(sample.snapshot));
    return Taken{std::move(text), std::move(sample.unasked)};
  };
  Taken taken = co_await offload(parts_.workers, work);
  last_ = std::move(taken.text);
  at_ = system_clock().now();
  ask_elsewhere(taken.unasked);
}

asio::awaitable<realtime::Message> MetricsService::snapshot(milliseconds age) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto self = shared_from_this();
  while (under_way_) {
    const auto event = under_way_;
    auto waiting = Event::wait(event);
    const std::optional<bool> over = co_await std::move(waiting);
    if (!over || last_) co_return last_;
  }
  if (last_ && system_clock().now() - at_ < age) co_return last_;
  under_way_ = std::make_shared<Event>(parts_.context.get_executor());
  struct Over {
    MetricsService& service;
    ~Over() { std::exchange(service.under_way_, nullptr)->set(true); }
  } const over{*this};
  auto collecting = collect();
  co_await std::move(collecting);
  co_return last_;
}

/// A path that may hang is asked by a process of its own, one at a time for each (UI-114).
void MetricsService::ask_elsewhere(const std::vector<std::string>& paths) {
  const std::set<std::string> wanted(paths.begin(), paths.end());
  std::erase_if(known_,
                [&](const auto& entry) { return !entry.second.asked && !wanted.contains(entry.first); });
  for (const std::string& path : wanted) {
    Known& known = known_[path];
    const bool fresh = known.at != SteadyTime() && system_clock().now() - known.at < answer_age;
    if (known.asked || fresh) continue;
    known.asked = true;
    ++parts_.tasks;
    auto ended = [self = shared_from_this(), path](const std::exception_ptr&) {
      --self->parts_.tasks;
      self->known_[path].asked = false;
      self->known_[path].at = system_clock().now();
    };
    asio::co_spawn(parts_.context, ask(path), std::move(ended));
  }
}

asio::awaitable<void> MetricsService::ask(std::string path) {
  supervisor::HelperSpec spec;
  spec.launch.argv = {"/usr/bin/stat", "-f", "-c", std::string(metrics::path_format), "--", path};
  spec.launch.env = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  spec.launch.directory = "/";
  spec.owner = "metrics:stat";
  spec.timeout = answer_limit;
  spec.kill_wait = milliseconds(100);
  auto asking = supervisor::run_helper(std::move(spec));
  const auto result = co_await std::move(asking);
  metrics::PathAnswer answer;
  if (result && !result->timed_out) {
    if (auto told = metrics::parse_path_answer(result->output)) answer = std::move(*told);
    answer.exists = result->output.find("No such file") == std::string::npos;
  }
  known_[path].answer = std::move(answer);
}

asio::awaitable<metrics::SeriesAnswer> MetricsService::series(metrics::HistoryQuery query) {
  const double now = unix_seconds(system_clock().wall());
  auto work = [query, now, from = directory(settings())] {
    metrics::SeriesBuilder builder(query, now);
    metrics::read_history(from, [&](const json::object& snapshot) { return builder.add(snapshot); });
    return builder.finish();
  };
  co_return co_await offload(parts_.workers, work);
}

asio::awaitable<HistoryItems> MetricsService::history(metrics::HistoryQuery query) {
  const double now = unix_seconds(system_clock().wall());
  auto work = [query, now, from = directory(settings())] {
    metrics::HistoryBuilder builder(query, now);
    metrics::read_history(from, [&](json::object snapshot) { return builder.add(std::move(snapshot)); });
    HistoryItems out;
    out.items = builder.take();
    out.truncated = builder.truncated();
    return out;
  };
  co_return co_await offload(parts_.workers, work);
}

asio::awaitable<void> MetricsService::append(metrics::HistorySettings wanted, realtime::Message line) {
  auto work = [writer = writer_, wanted, line, to = directory(wanted)] {
    const auto now = static_cast<schedule::Instant>(unix_seconds(system_clock().wall()));
    return writer->append(*line, now, schedule::machine_zone(), wanted, to);
  };
  const Result<void> written = co_await offload(parts_.workers, work);
  if (written) {
    failing_ = false;
  } else {
    failed_at_ = system_clock().now();
    if (!std::exchange(failing_, true))
      parts_.log.error("the history of metrics cannot be written: " + written.error().to_string());
  }
}

asio::awaitable<void> MetricsService::write_history() {
  const auto self = shared_from_this();
  for (;;) {
    const metrics::HistorySettings wanted = settings();
    const auto interval = milliseconds(static_cast<std::int64_t>(wanted.interval_seconds * 1000));
    // While it is off nothing wakes: a change of the configuration does.
    auto pausing =
        supervisor::pause_for(timer_, wanted.enabled ? interval : milliseconds(std::chrono::hours(24)));
    const bool go_on = co_await std::move(pausing);
    if (!go_on) co_return;
    if (!wanted.enabled) continue;
    if (failing_ && system_clock().now() - failed_at_ < failure_pause) continue;
    auto looking = snapshot(std::min(interval / 2, milliseconds(1000)));
    const realtime::Message line = co_await std::move(looking);
    if (!line) continue;
    auto writing = append(wanted, line);
    co_await std::move(writing);
  }
}

}  // namespace dumb::engine
