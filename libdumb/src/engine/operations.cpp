// start, stop, restart as the API asks for them.
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

#include "engine/impl.hpp"

namespace dumb::engine {

Result<config::BlockRef> Engine::Impl::find(std::string_view process_name) const {
  if (text::blank(process_name)) return Error(Errc::invalid_argument, "process_name must not be blank");
  const config::SnapshotPtr snapshot = config();
  if (const auto* ref = snapshot->resolve(process_name)) return *ref;
  const std::string folded = text::fold(process_name);
  if (folded == "dumbapi" || folded == "dmbapi") {
    for (const auto* ref : snapshot->of_key("dumb_api_service")) return *ref;
  }
  // A block that vanished by a reload while its process runs can still be looked at and stopped.
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.pid <= 0 || text::fold(info.process_name) != folded) continue;
    config::BlockRef gone;
    gone.process_name = info.process_name;
    const auto known = launched.find(info.process_name);
    if (known != launched.end()) gone.config_key = known->second.config_key;
    return gone;
  }
  return Error(Errc::not_found, "there is no process named '" + std::string(text::trim(process_name)) + "'");
}

Result<config::BlockRef> Engine::Impl::find_configured(std::string_view process_name) const {
  auto ref = find(process_name);
  if (ref && ref->path.empty()) {
    return Error(Errc::not_found, "is no longer in the configuration", ref->process_name);
  }
  return ref;
}

Result<config::BlockRef> Engine::Impl::find_operable(std::string_view process_name) const {
  auto ref = find(process_name);
  if (!ref) return ref;
  if (is_api(*ref)) {
    return Error(Errc::unsupported, "is DUMB itself and cannot be started, stopped or restarted",
                 ref->process_name);
  }
  if (shutting_down) return Error(Errc::unavailable, "DUMB is shutting down", ref->process_name);
  return ref;
}

/// find_operable(), once the boot lets operations in: what was true before may not be any more.
asio::awaitable<Result<config::BlockRef>> Engine::Impl::await_operable(std::string process_name) {
  const auto early = find_operable(process_name);
  if (!early) co_return early.error();
  co_await first_start_queued();
  co_return find_operable(process_name);
}

OperationReply Engine::Impl::reply(std::string_view status, const std::string& process_name) {
  OperationReply answer;
  answer.status = std::string(status);
  answer.process_name = process_name;
  if (const auto moved = port_changes.find(process_name); moved != port_changes.end()) {
    answer.port_changes = moved->second;
  }
  return answer;
}

asio::awaitable<Result<OperationReply>> Engine::Impl::start(std::string process_name) {
  const auto ref = co_await await_operable(process_name);
  if (!ref) co_return ref.error();
  const std::string name = ref->process_name;
  if (const auto present = find_configured(name); !present) co_return present.error();
  if (supervisor.info(name).state == supervisor::State::running) {
    port_changes.erase(name);
    co_return reply("Service started successfully", name);
  }
  if (supervisor.busy(name)) co_return Error(Errc::conflict, "another operation is under way", name);
  api_start.insert(name);
  causes.asked(name, Ask::start, cause::api, "a start was asked for");
  const Result<void> started = co_await supervisor.start(name);
  if (!started) co_return Error(started.error().code(), started.error().message(), name);
  co_return reply("Service started successfully", name);
}

/// LIF-67: pgAgent works on the database, so it ends first. Whether it was running.
asio::awaitable<bool> Engine::Impl::stop_agent_of(std::string config_key) {
  const std::string agent = "pgAgent";
  if (config_key != "postgres" || supervisor.info(agent).pid <= 0) co_return false;
  causes.asked(agent, Ask::stop, cause::needs, "its database is about to stop");
  const Result<void> stopped = co_await supervisor.stop_and_wait(agent);
  if (!stopped) log.warning(stopped.error().to_string());
  co_return true;
}

/// LIF-49: after a restart of postgres.
asio::awaitable<void> Engine::Impl::start_agent() {
  const std::string agent = "pgAgent";
  const auto admins = config()->of_key("pgadmin");
  if (admins.empty() || !admins.front()->enabled) co_return;
  causes.asked(agent, Ask::start, cause::needs, "its database was started anew");
  const Result<void> started = co_await supervisor.start(agent);
  if (!started) log.warning(agent + " failed to start: " + started.error().message());
}

asio::awaitable<Result<OperationReply>> Engine::Impl::stop(std::string process_name) {
  const auto ref = co_await await_operable(process_name);
  if (!ref) co_return ref.error();
  const std::string name = ref->process_name;
  port_changes.erase(name);
  runs.book().call_off(std::set<std::string>{name}, "a stop was asked for");
  const std::string key = ref->config_key;
  if (key == "plex") repair.start_again = false;
  co_await stop_agent_of(key);
  causes.asked(name, Ask::stop, cause::api, "a stop was asked for");
  const Result<supervisor::StopReply> stopped = co_await supervisor.stop(name);
  if (!stopped) co_return Error(stopped.error().code(), stopped.error().message(), name);
  note_rest(name);  // a stop of what a repair had stopped changes nothing else
  const bool joined = *stopped == supervisor::StopReply::already_stopping;
  co_return reply(joined ? "Shutdown already in progress" : "Service stopped successfully", name);
}

asio::awaitable<Result<OperationReply>> Engine::Impl::restart(std::string process_name) {
  const auto ref = co_await await_operable(process_name);
  if (!ref) co_return ref.error();
  const std::string name = ref->process_name;
  if (const auto present = find_configured(name); !present) co_return present.error();
  if (supervisor.busy(name) && !supervisor.preemptible(name)) {
    co_return Error(Errc::conflict, "another operation is under way", name);
  }
  const std::string key = ref->config_key;
  const bool agent = co_await stop_agent_of(key);
  api_start.insert(name);
  causes.asked(name, Ask::restart, cause::api, "a restart was asked for");
  const Result<void> started = co_await supervisor.restart(name);
  if (!started) co_return Error(started.error().code(), started.error().message(), name);
  if (agent) co_await start_agent();
  const supervisor::ServiceInfo info = supervisor.info(name);
  if (info.state != supervisor::State::running) {
    co_return Error(Errc::spawn_failed,
                    "is " + std::string(codec::enum_name(info.state)) + " after the restart", name);
  }
  co_return reply("Service restarted successfully", name);
}

}  // namespace dumb::engine
