// The repair of Plex's database: when it is due, while Plex is stopped, or before Plex starts (SVC-195).
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>
#include <ctime>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>
#include <dumb/supervisor/helper.hpp>

#include "engine/impl.hpp"
#include "engine/line_file.hpp"
#include "supervisor/left_helpers_posix.hpp"
#include "supervisor/records_posix.hpp"

namespace dumb::engine {
namespace {

constexpr std::string_view name_of_repair = "Plex DBRepair";

asio::awaitable<bool> is_cancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

/// "[2026-02-11 12.00.00] ", as the script itself stamps its log.
std::string stamp(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "[%Y-%m-%d %H.%M.%S] ", &local);
  return {text.data(), size};
}

bool is_installed(const RepairLaunch& launch) {
  const std::string& program = launch.argv.front();
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  for (const std::string& entry : launch.env) {
    if (entry.starts_with("PATH=")) return supervisor::find_program(program, entry.substr(5)).has_value();
  }
  return false;
}

/// One answer of Plex; nullopt when it is none.
asio::awaitable<std::optional<std::string>> ask_plex(std::int64_t port, std::string target,
                                                     std::string token) {
  http::Request request;
  request.url.scheme = "http";
  request.url.host = "127.0.0.1";
  request.url.port = static_cast<std::uint16_t>(port);
  request.url.target = std::move(target);
  request.headers.emplace_back("Accept", "application/json");
  if (!token.empty()) request.headers.emplace_back("X-Plex-Token", std::move(token));
  const Result<http::Response> answer = co_await http::fetch(request);
  if (!answer || answer->status != 200) co_return std::nullopt;
  co_return answer->body;
}

}  // namespace

bool is_repair(std::string_view name) {
  const std::string folded = text::fold(name);
  return folded == "plexdbrepair" || folded == "dbrepair";
}

/// While it lives a repair is under way: visible, and no start of Plex gets past its beginning.
class Engine::Impl::Repairing {
 public:
  explicit Repairing(Impl& impl) : repair_(impl.repair) {
    repair_.ended = std::make_shared<supervisor::OneShot<bool>>(impl.context.get_executor());
    repair_.started_at = system_clock().wall();
  }
  Repairing(const Repairing&) = delete;
  Repairing& operator=(const Repairing&) = delete;
  ~Repairing() {
    const auto ended = std::exchange(repair_.ended, nullptr);
    repair_.schedule.ran(system_clock().now());
    ended->set(true);
  }

 private:
  Repair& repair_;
};

std::optional<config::BlockRef> Engine::Impl::plex_block() const {
  const auto blocks = config()->of_key("plex");
  if (blocks.empty()) return std::nullopt;
  return *blocks.front();
}

asio::awaitable<void> Engine::Impl::repair_loop() {
  co_await asio::this_coro::throw_if_cancelled(false);
  asio::steady_timer timer(context);
  for (bool going = true; going;) {
    try {
      co_await repair_cycle();
    } catch (const std::exception& error) {
      log.error(std::string(name_of_repair) + ": " + error.what());
    }
    // A change of the configuration is noticed within a minute.
    std::chrono::milliseconds pause = options.repair_minute;
    if (const auto next = repair.schedule.next()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - system_clock().now());
      pause = std::clamp(left, std::chrono::milliseconds(1), pause);
    }
    // A cancellation that ended the repair itself is over with it.
    if (shutting_down) co_return;
    going = co_await supervisor::pause_for(timer, pause);
  }
}

asio::awaitable<void> Engine::Impl::repair_cycle() {
  repair.schedule.set(repair_settings(config()->effective(), options.repair_minute), system_clock().now());
  const auto plex = plex_block();
  if (!plex || repair.ended || !repair.schedule.due(system_clock().now())) co_return;
  const PlexUse use = co_await plex_use(*plex);
  const bool cancelled = co_await is_cancelled();
  if (cancelled || shutting_down || repair.ended) co_return;
  const std::string name(name_of_repair);
  switch (repair.schedule.decide(use, system_clock().now())) {
    case RepairSchedule::Verdict::postponed:
      log.info(name + " waits: " + plex->process_name + " is in use");
      co_return;
    case RepairSchedule::Verdict::gave_up:
      log.warning(name + " is given up until its next time: " + plex->process_name + " was in use all along");
      co_return;
    case RepairSchedule::Verdict::skipped:
      log.warning(name + " is skipped: cannot tell whether " + plex->process_name + " is in use");
      co_return;
    case RepairSchedule::Verdict::run:
      break;
  }
  const std::string process_name = plex->process_name;
  co_await repair_and_start_again(process_name);
}

asio::awaitable<PlexUse> Engine::Impl::plex_use(config::BlockRef plex) {
  const supervisor::ServiceInfo info = supervisor.info(plex.process_name);
  if (info.state != supervisor::State::running) {
    co_return info.pid > 0 || supervisor.busy(plex.process_name) ? PlexUse::busy : PlexUse::idle;
  }
  const config::SnapshotPtr snapshot = config();
  const json::object& block = snapshot->block(plex);
  const json::value* port = block.if_contains("port");
  const std::int64_t number = port != nullptr && port->is_int64() ? port->get_int64() : 32400;
  const json::value* configured = jsonx::find(snapshot->effective(), {"dumb", "plex_token"});
  std::string token = configured != nullptr ? jsonx::scalar_text(*configured) : std::string();
  if (text::blank(token)) {
    const std::filesystem::path file = root().map(jsonx::string_at(block, "config_file"));
    auto read = [file] {
      const auto text = file::read(file, 1U << 20U);
      return text ? plex_token(*text) : std::string();
    };
    token = co_await offload(workers, read);
  }
  const std::string sessions_target = "/status/sessions";
  const std::optional<std::string> sessions = co_await ask_plex(number, sessions_target, token);
  const auto watching = sessions ? plex_items(*sessions) : std::nullopt;
  if (!watching) co_return PlexUse::unknown;
  if (*watching > 0) co_return PlexUse::busy;
  const std::string recorders_target = "/livetv/dvrs";
  const std::optional<std::string> recorders = co_await ask_plex(number, recorders_target, token);
  const auto schedules = recorders ? plex_schedules(*recorders) : std::nullopt;
  if (!schedules) co_return PlexUse::unknown;
  for (const std::string& target : *schedules) {
    const std::optional<std::string> schedule = co_await ask_plex(number, target, token);
    const auto planned = schedule ? plex_items(*schedule) : std::nullopt;
    if (!planned) co_return PlexUse::unknown;
    if (*planned > 0) co_return PlexUse::busy;
  }
  co_return PlexUse::idle;
}

/// The launch of a repair that can be made; nullopt, with a warning, when there is none.
asio::awaitable<std::optional<RepairLaunch>> Engine::Impl::repair_command() {
  const std::string name(name_of_repair);
  config::Environment environment = manager->environment();
  for (const std::string& variable : manager->secret_variables()) environment.erase(variable);  // CFG-46
  environment[std::string(supervisor::helper_variable)] = supervisor::run_directory_id(run_directory());
  Result<RepairLaunch> launch = repair_launch(*config(), root(), environment);
  if (!launch) {
    log.warning(name + ": " + launch.error().to_string());
    co_return std::nullopt;
  }
  const RepairLaunch wanted = *launch;
  auto look = [wanted] { return is_installed(wanted); };
  const bool installed = co_await offload(workers, look);
  if (!installed) {
    log.warning(name + ": " + root().unmap(wanted.argv.front()).native() + " is not an executable file");
    co_return std::nullopt;
  }
  co_return wanted;
}

asio::awaitable<void> Engine::Impl::repair_and_start_again(std::string plex) {
  const std::optional<RepairLaunch> launch = co_await repair_command();
  const bool cancelled = co_await is_cancelled();
  if (!launch || cancelled || shutting_down || repair.ended) co_return;
  {
    const Repairing repairing(*this);
    repair.start_again = supervisor.info(plex).pid > 0 || supervisor.busy(plex);
    Result<void> stopped;
    if (repair.start_again) {
      causes.asked(plex, Ask::stop, cause::repair, "its database is repaired");
      stopped = co_await supervisor.stop_and_wait(plex);
    }
    if (stopped) {
      try {
        const Result<void> run = co_await run_repair(*launch);
        if (!run) repair.start_again = false;
      } catch (const std::exception& error) {
        log.error(std::string(name_of_repair) + ": " + error.what());
      }
    } else if (!shutting_down) {
      log.error(std::string(name_of_repair) + " is not run: " + plex +
                " could not be stopped: " + stopped.error().to_string());
    }
  }
  if (!std::exchange(repair.start_again, false) || shutting_down) co_return;
  // It ran as root: configuring gives what it wrote back to the service user.
  set_up.erase(plex);
  repair.just_ran = true;
  causes.asked(plex, Ask::start, cause::repair, "the repair of its database is over");
  const Result<void> started = co_await supervisor.start(plex);
  repair.just_ran = false;
  if (!started) log.error(plex + " did not start again after its repair: " + started.error().to_string());
}

/// The step of Plex's setup. The start it belongs to waits for it.
asio::awaitable<Result<void>> Engine::Impl::repair_before_start() {
  if (repair.just_ran) co_return Result<void>();
  const std::optional<RepairLaunch> launch = co_await repair_command();
  const bool cancelled = co_await is_cancelled();
  if (!launch || cancelled) co_return Result<void>();
  const Repairing repairing(*this);
  const Result<void> run = co_await run_repair(*launch);
  co_return run;
}

/// Fails only with Errc::cancelled, which the coroutine's own state no longer tells then.
asio::awaitable<Result<void>> Engine::Impl::run_repair(RepairLaunch launch) {
  const std::string name(name_of_repair);
  const logs::Redactor redact = redactor();
  const logs::MainLogOptions logging = log_options();
  std::shared_ptr<LineFile> file;
  if (!launch.log_file.empty()) {
    const logs::FileSinkOptions sink{logging.max_size, logging.keep, logging.days, logging.uid, logging.gid};
    file = std::make_shared<LineFile>(launch.log_file, sink);
  }
  const auto write = [this, file, redact](std::string_view line) {
    if (!file || !file->add(redact(text::to_utf8(line)))) return;
    asio::post(workers, [file] { file->flush(); });
  };
  write(stamp(system_clock().wall()) + "DUMB starts " + text::shell_join(launch.argv));
  log.info(name + " begins");
  supervisor::HelperSpec spec;
  spec.owner = name;
  spec.launch.argv = launch.argv;
  spec.launch.env = launch.env;
  spec.launch.directory = launch.directory;
  spec.timeout = std::chrono::hours(24);  // hours are usual; Plex must not stay down for ever
  spec.on_line = write;
  const Result<supervisor::HelperResult> result = co_await supervisor::run_helper(std::move(spec));
  std::string ended = "did not start: ";
  if (!result) {
    ended = result.error().is(Errc::cancelled) ? "was cancelled" : ended + result.error().message();
  } else {
    ended = result->timed_out ? "was ended after 24 hours" : "ended with " + result->status.to_string();
  }
  write(stamp(system_clock().wall()) + "DUMB: the repair " + ended);
  if (result && !result->timed_out && result->status.success()) {
    log.info(name + " " + ended);
  } else {
    log.warning(name + " " + ended);
  }
  if (file) {
    auto flush = [file] { return file->flush(); };
    const std::string problem = co_await offload(workers, flush);
    if (!problem.empty()) log.warning(name + ": its log cannot be written: " + problem);
  }
  if (!result && result.error().is(Errc::cancelled)) co_return result.error();
  co_return Result<void>();
}

}  // namespace dumb::engine
