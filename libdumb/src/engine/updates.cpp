// Updates of services: what the update service asks of the engine.
#include <dumb/base/text.hpp>

#include "engine/impl.hpp"
#include "engine/update_service.hpp"

namespace dumb::engine {
namespace {

/// A bound of SVC-59 in seconds, replaced by the environment.
std::chrono::milliseconds limit_of(const config::Environment& environment, const std::string& name,
                                   std::chrono::milliseconds otherwise) {
  const auto found = environment.find(name);
  const auto seconds = found == environment.end() ? std::nullopt : text::to_double(found->second);
  if (!seconds || *seconds <= 0) return otherwise;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000));
}

}  // namespace

std::shared_ptr<UpdateService> Engine::Impl::make_updates() {
  UpdateService::Hooks hooks;
  hooks.state_file = root().map("/config/updates/schedule.json");
  const config::Environment& given = manager->environment();
  hooks.health_timeout = limit_of(given, "DUMB_LIMIT_HEALTH_TIMEOUT_S", hooks.health_timeout);
  hooks.stabilization = limit_of(given, "DUMB_LIMIT_STABILIZATION_S", hooks.stabilization);
  hooks.config = [this] { return config(); };
  hooks.find = [this](std::string_view name) { return find_configured(name); };
  hooks.options = [this](const config::BlockRef& ref) { return setup::install_options(setup_context(ref)); };
  hooks.version = [this](config::BlockRef ref) { return version_of(std::move(ref)); };
  hooks.is_running = [this](const std::string& name) { return supervisor.info(name).pid > 0; };
  hooks.is_busy = [this](const std::string& name) { return supervisor.busy(name); };
  hooks.stop = [this](std::string name) -> asio::awaitable<Result<void>> {
    causes.asked(name, Ask::stop, cause::api, "an update is put in place");
    return supervisor.stop_and_wait(name);
  };
  hooks.start = [this](std::string name) -> asio::awaitable<Result<void>> {
    causes.asked(name, Ask::start, cause::api, "follows an update");
    return supervisor.start(name);
  };
  hooks.probe = [this](std::string name) { return probe_now(std::move(name)); };
  hooks.save = [this](std::string name, json::object members) {
    return save_block(std::move(name), std::move(members), config::Manager::Persist::yes);
  };
  hooks.forget = [this](const config::BlockRef& ref) {
    set_up.erase(ref.process_name);
    versions.forget(ref.config_key, ref.instance);
  };
  hooks.pool = &workers;
  return std::make_shared<UpdateService>(context, log, background, std::move(hooks));
}

// ---- the facade ----

asio::awaitable<Result<UpdateStatus>> Engine::update_status(std::string process_name) {
  Result<UpdateStatus> status = impl_->update_service->status(process_name);
  co_return status;
}
asio::awaitable<Result<json::object>> Engine::update_check(UpdateCheckRequest request) {
  return impl_->update_service->check(std::move(request));
}
asio::awaitable<Result<json::object>> Engine::update_install(UpdateInstallRequest request) {
  return impl_->update_service->install(std::move(request));
}
asio::awaitable<Result<RescheduleReply>> Engine::reschedule_update(std::string process_name) {
  const Result<std::string> message = impl_->update_service->reschedule(process_name);
  if (!message) co_return message.error();
  co_return RescheduleReply{"ok", *message};
}

}  // namespace dumb::engine
