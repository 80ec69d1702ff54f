// Reading and changing the configuration.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "engine/impl.hpp"

namespace dumb::engine {

Result<json::object> Engine::Impl::config_of(std::optional<std::string> process_name) const {
  if (!process_name) return config()->effective();
  const auto ref = find_configured(*process_name);
  if (!ref) return ref.error();
  return config()->block(*ref);
}

asio::awaitable<Result<void>> Engine::Impl::apply(config::Change change) {
  auto shared = std::make_shared<config::Change>(std::move(change));
  auto work = [this, shared] { return manager->write(*shared); };
  const Result<void> written = co_await offload(workers, work);
  if (!written) co_return written.error();
  const bool saved = !shared->file_edits.empty();
  manager->commit(std::move(*shared));
  tell_stack(cause::config,
             saved ? "the configuration was changed and saved" : "the configuration was changed");
  co_return Result<void>();
}

asio::awaitable<Result<void>> Engine::Impl::save_block(std::string process_name, json::object updates,
                                                       config::Manager::Persist persist) {
  const bool entered = co_await save_gate.enter();
  if (!entered) co_return Error(Errc::cancelled, "the change was cancelled", process_name);
  const Gate::Held held(save_gate);
  auto change = manager->plan_block_update(process_name, updates, persist);
  if (!change) co_return change.error();
  const Result<void> done = co_await apply(std::move(*change));
  co_return done;
}

asio::awaitable<Result<json::object>> Engine::Impl::update_config(ConfigUpdate update) {
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  json::object answer;
  if (!update.process_name) {
    if (update.updates.empty()) co_return Error(Errc::invalid_argument, "updates must not be empty");
    const bool entered = co_await save_gate.enter();
    if (!entered) co_return Error(Errc::cancelled, "the change was cancelled");
    const Gate::Held held(save_gate);
    auto change = manager->plan_global_update(update.updates);
    if (!change) co_return change.error();
    const Result<void> done = co_await apply(std::move(*change));
    if (!done) co_return done.error();
    json::array keys;
    for (const auto& [key, value] : update.updates) keys.emplace_back(key);
    answer["status"] = "global config updated";
    answer["keys"] = std::move(keys);
    co_return answer;
  }
  const auto ref = find_configured(*update.process_name);
  if (!ref) co_return ref.error();
  const std::string wanted = jsonx::string_at(update.updates, "process_name", ref->process_name);
  const bool renames = text::trim(wanted) != ref->process_name;
  if (renames && supervisor.info(ref->process_name).pid > 0) {
    co_return Error(Errc::conflict, "cannot be renamed while it runs", ref->process_name);
  }
  const config::Manager::Persist persist =
      update.persist ? config::Manager::Persist::yes : config::Manager::Persist::no;
  const Result<void> saved = co_await save_block(ref->process_name, update.updates, persist);
  if (!saved) co_return saved.error();
  set_up.erase(ref->process_name);  // SVC-15: configured anew before its next start
  answer["status"] = "service config updated";
  answer["process_name"] = renames ? std::string(text::trim(wanted)) : ref->process_name;
  answer["persisted"] = update.persist;
  co_return answer;
}

Result<void> Engine::Impl::reload() {
  auto done = manager->reload();
  if (!done) {
    log.error("the configuration is not reloaded, the running one stays: " + done.error().to_string());
    tell_stack(cause::reload, "the configuration was not read again: " + done.error().to_string());
  } else {
    set_up.clear();
    log.info("the configuration was read again");
    tell_stack(cause::reload, "the configuration was read again");
  }
  return done;
}

}  // namespace dumb::engine
