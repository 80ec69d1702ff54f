// Children of an earlier run: what is written down with each, and how they are taken over.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>

#include "engine/impl.hpp"
#include "supervisor/proc_posix.hpp"
#include "supervisor/records_posix.hpp"

namespace dumb::engine {
namespace {

std::string fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>((hash >> shift) & 0xFFU);
  return text::hex_encode(bytes);
}

const char* const rest_file = "rest.json";  // in the run directory

std::int64_t integer_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

/// A process that is being made just now would be known to the next run by its mark alone. Mostly it is a
/// matter of less than a millisecond; one that hangs is left to that mark.
asio::awaitable<void> launches_over(supervisor::Supervisor& supervisor, asio::io_context& context) {
  const auto under_way = [&] {
    const std::vector<std::string> names = supervisor.occupied();
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return supervisor.info(name).pid <= 0; });
  };
  asio::steady_timer pause(context);
  for (int i = 0; i < 50 && under_way(); ++i) {
    pause.expires_after(std::chrono::milliseconds(1));
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace

/// Of what the user and the defaults say of a block. What is computed from it (waits, commands) does not
/// count: it is known only after setup.
std::string Engine::Impl::config_hash_of(const config::BlockRef& ref) const {
  const json::value* block = jsonx::find(config()->base(), ref.path);
  if (block == nullptr || !block->is_object()) return {};
  json::object members = block->get_object();
  members.stable_erase("enabled");
  return fnv1a(jsonx::print(members));
}

std::string Engine::Impl::note_of(const std::string& process_name) {
  const auto known = launched.find(process_name);
  if (known == launched.end()) return {};
  const supervisor::StopPlan& stop = known->second.stop;
  json::object note;
  note["signal"] = stop.signal;
  note["grace_ms"] = stop.grace.count();
  note["quit_signal"] = stop.quit_signal;
  note["quit_ms"] = stop.quit_grace.count();
  note["reserve_ms"] = stop.reserve.count();
  note["mount_point"] = known->second.mount_point.native();
  return jsonx::print(note);
}

/// How to stop a service whose block has vanished is in the note; of all others launch_plan() knows better.
void Engine::Impl::adopted(const std::string& process_name, const std::string& config_key,
                           const std::string& note) {
  causes.asked(process_name, Ask::start, cause::adopted, "an earlier run of DUMB started it");
  if (config()->find(process_name) != nullptr) return;
  Launched known;
  known.config_key = config_key;
  if (const auto parsed = jsonx::parse(note); parsed && parsed->is_object()) {
    const json::object& members = parsed->get_object();
    using std::chrono::milliseconds;
    const std::int64_t signal = integer_of(members, "signal");
    const std::int64_t quit = integer_of(members, "quit_signal");
    if (signal > 0 && signal < 65) known.stop.signal = static_cast<int>(signal);
    if (const std::int64_t grace = integer_of(members, "grace_ms"); grace > 0)
      known.stop.grace = milliseconds(grace);
    if (quit > 0 && quit < 65) {
      known.stop.quit_signal = static_cast<int>(quit);
      known.stop.quit_grace = milliseconds(integer_of(members, "quit_ms"));
    }
    known.stop.reserve = milliseconds(integer_of(members, "reserve_ms"));
    known.mount_point = jsonx::string_at(members, "mount_point");
  }
  launched[process_name] = std::move(known);
}

bool Engine::Impl::is_outdated(const std::string& process_name, bool adopted,
                               const std::string& config_hash) const {
  if (!adopted || config_hash.empty()) return false;
  const auto* ref = config()->find(process_name);
  return ref != nullptr && config_hash_of(*ref) != config_hash;
}

/// LIF-125.
void Engine::Impl::adopt_children() {
  const supervisor::Adoption found = supervisor.adopt();
  follow_log_levels();  // they may have changed meanwhile
  for (const std::string& sentence : found.sentences) log.warning(sentence);
  for (const std::string& name : found.adopted) {
    const supervisor::ServiceInfo info = supervisor.info(name);
    if (info.state == supervisor::State::stopping) {
      log.info(name + " was told to end by an earlier run of DUMB, and has pid " + std::to_string(info.pid) +
               " until then");
      continue;
    }
    std::string text = name + " goes on with pid " + std::to_string(info.pid);
    const auto* ref = config()->find(name);
    if (ref == nullptr) {
      text += "; it is no longer in the configuration";
    } else if (!ref->enabled) {
      text += "; it is disabled and left running";
    } else if (is_outdated(name, info.adopted, info.config_hash)) {
      text += "; it runs with an older configuration";
    }
    log.info(text);
  }
  for (const std::string& name : found.ended) {
    if (supervisor.info(name).completed) {
      log.info(name + " completed its work while nobody supervised it");
    } else {
      log.warning(name + " ended while nobody supervised it");
    }
  }
}

/// Nothing of it survives an orderly shutdown: what follows is a start of the whole stack.
void Engine::Impl::forget_rest() {
  resting.clear();
  supervisor.forget();
  std::error_code none;
  std::filesystem::remove(run_directory() / rest_file, none);
}

/// What the next run must leave as it is, should this one end without a shutdown.
void Engine::Impl::note_rest(const std::string& process_name) {
  if (shutting_down) return;  // stops are not the user's any more
  const auto* ref = config()->find(process_name);
  const supervisor::ServiceInfo info = supervisor.info(process_name);
  const bool repaired = repair.start_again && ref != nullptr && ref->config_key == "plex";
  const bool stopped = info.restart_disabled && !repaired;
  const auto known = resting.find(process_name);
  if (ref == nullptr || !(stopped || info.completed)) {
    if (known == resting.end()) return;
    resting.erase(known);
  } else {
    RestingService now;
    now.process_name = process_name;
    now.completed = info.completed;
    if (now.completed && info.last_exit_at) now.completed_at = unix_seconds(*info.last_exit_at);
    if (now.completed) now.config_hash = config_hash_of(*ref);
    if (known != resting.end() && known->second == now) return;
    resting[process_name] = std::move(now);
  }
  write_rest();
}

void Engine::Impl::write_rest() {
  const std::string text = print_resting(resting, supervisor::process_life_id());
  if (auto written = supervisor::replace_file(run_directory() / rest_file, text); !written)
    log.warning("what is stopped is not recorded: " + written.error().to_string());
}

/// LIF-125: what was stopped stays so, what has completed is not done again. A stop that was under way goes
/// on. Returns whom the boot leaves alone.
std::set<std::string> Engine::Impl::restore_rest() {
  std::set<std::string> names;
  const auto text = file::read(run_directory() / rest_file, std::uint64_t{16} << 20U);
  if (!text) return names;
  const auto found = parse_resting(*text, supervisor::process_life_id());
  if (!found) {
    log.warning("what was stopped in an earlier run is not known: rest.json " + found.error().to_string());
    return names;
  }
  resting = *found;
  for (const auto& [name, service] : *found) {
    const auto* ref = config()->find(name);
    if (ref == nullptr || !ref->enabled) continue;
    const supervisor::ServiceInfo info = supervisor.info(name);
    if (service.completed) {
      const bool valid = is_one_shot(name) && service.config_hash == config_hash_of(*ref);
      if (!valid || info.pid > 0) continue;
      const std::chrono::duration<double> at(service.completed_at);
      supervisor.leave_at_rest(name, WallTime(std::chrono::duration_cast<WallTime::duration>(at)));
      log.info(name + " has completed its work before and is not started again");
    } else if (info.pid > 0) {
      causes.asked(name, Ask::stop, cause::adopted, "a stop was asked for before");
      ++background;
      auto ended = [this](std::exception_ptr, const Result<void>&) { --background; };
      asio::co_spawn(context, supervisor.stop_and_wait(name), std::move(ended));
    } else {
      supervisor.leave_at_rest(name, std::nullopt);
      log.info(name + " was stopped before and is not started");
    }
    names.insert(name);
  }
  if (std::erase_if(resting, [&](const auto& entry) { return !names.contains(entry.first); }) > 0)
    write_rest();
  return names;
}

asio::awaitable<void> Engine::Impl::await_down() {
  asio::steady_timer pause(context);
  while (!shutting_down && runs.book().stops()) {
    pause.expires_after(std::chrono::milliseconds(20));
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<Result<void>> Engine::Impl::hand_over(std::function<void()> letting_go) {
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  shutting_down = true;
  host_stop = true;
  supervisor.refuse_starts();
  if (self_check) self_check->cancel();
  stop_workers();
  if (boot_event) boot_event->cancel();
  wake_stabilizer();
  runs.call_off_all("DUMB is replaced");
  co_await call_off_starts();
  co_await launches_over(supervisor, context);
  asio::steady_timer pause(context);
  constexpr std::chrono::milliseconds step(2);
  // What workers write is written atomically; most of it is done in this time.
  for (int i = 0; i < 20 && background > 0; ++i) {
    pause.expires_after(step);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  log.info("hands over to another dumb-server");
  if (letting_go) letting_go();
  supervisor.detach();
  events.stop_waiting();
  events.close();
  for (int i = 0; i < 500 && !events.written(); ++i) {
    pause.expires_after(step);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  log.flush();
  co_return Result<void>();
}

}  // namespace dumb::engine
