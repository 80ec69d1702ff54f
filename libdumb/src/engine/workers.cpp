// Background workers: begun at the end of the boot, ended by the shutdown.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include "engine/ffprobe_watch_asio.hpp"
#include "engine/impl.hpp"
#include "engine/metrics_service.hpp"

namespace dumb::engine {

void Engine::Impl::start_workers() {
  start_worker("the ffprobe monitor", watch_ffprobe(ffprobe_watch()));
  start_worker("Plex DBRepair", repair_loop());
  start_worker("the history of metrics", metrics_service->write_history());
}

/// Runs until stop_workers(); its last handler is here, so that nothing it throws is lost.
void Engine::Impl::start_worker(std::string what, asio::awaitable<void> worker) {
  background_workers.emplace_back();
  ++background;
  auto ended = [this, what = std::move(what)](std::exception_ptr error) {
    --background;
    if (error) log.error(what + " ended by an exception");
  };
  asio::co_spawn(context, std::move(worker),
                 asio::bind_cancellation_slot(background_workers.back().slot(), std::move(ended)));
}

void Engine::Impl::stop_workers() {
  for (asio::cancellation_signal& worker : background_workers) worker.emit(asio::cancellation_type::terminal);
  stop_linking({});
}

FfprobeWatch Engine::Impl::ffprobe_watch() {
  FfprobeWatch watch;
  watch.changes = ffprobe_changes;
  watch.workers = &workers;
  watch.log = &log;
  watch.settings = [this] { return ffprobe_settings(config()->effective()); };
  watch.targets = [this] {
    std::vector<FfprobeTarget> targets;
    for (const config::BlockRef& ref : config()->blocks()) {
      if (!ref.enabled || (ref.config_key != "sonarr" && ref.config_key != "radarr")) continue;
      const supervisor::ServiceInfo info = supervisor.info(ref.process_name);
      if (info.pid > 0) targets.push_back({ref.process_name, info.pid});
    }
    return targets;
  };
  watch.launch = [this] {
    supervisor::LaunchSpec launch;
    config::Environment environment = manager->environment();
    for (const std::string& name : manager->secret_variables()) environment.erase(name);  // CFG-46
    for (const auto& [name, value] : environment) launch.env.push_back(name + "=" + value);
    launch.directory = root().prefix();
    launch.identity = service_identity();
    return launch;
  };
  return watch;
}

}  // namespace dumb::engine
