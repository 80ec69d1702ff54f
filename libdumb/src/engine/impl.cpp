#include "engine/impl.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <cstdlib>
#include <ctime>
#include <dumb/base/text.hpp>
#include <thread>

#include "engine/feeds.hpp"
#include "engine/link_service.hpp"
#include "engine/metrics_service.hpp"
#include "engine/run_lock.hpp"

namespace dumb::engine {
namespace {

constexpr std::size_t most_probes = 32;  // LIF-87

unsigned pool_size() {
  return std::max(4U, std::thread::hardware_concurrency());
}

const json::object empty_object;

const json::object& object_at(const json::object& document, const JsonPath& path) {
  const json::value* value = jsonx::find(document, path);
  return value != nullptr && value->is_object() ? value->get_object() : empty_object;
}

std::int64_t integer_at(const json::object& object, std::string_view key, std::int64_t otherwise) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
}

}  // namespace

std::string version(const config::Environment& environment) {
  const auto found = environment.find("DUMB_VERSION");
  if (found != environment.end() && !text::blank(found->second))
    return std::string(text::trim(found->second));
  return DUMB_VERSION_STRING;
}

namespace {

logs::MainLogOptions main_log_options(const config::Manager& manager, const Options& options,
                                      const std::optional<supervisor::Identity>& owner);

std::optional<supervisor::Identity> identity_of(const json::object& document) {
  if (::geteuid() != 0) return std::nullopt;
  supervisor::Identity identity;
  identity.uid = static_cast<uid_t>(integer_at(document, "puid", 1000));
  identity.gid = static_cast<gid_t>(integer_at(document, "pgid", 1000));
  identity.groups.push_back(identity.gid);
  // Device groups given to the container survive; root's own group does not.
  std::vector<gid_t> own(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(own.size()), own.data());
  for (int i = 0; i < count; ++i) {
    const gid_t group = own[static_cast<std::size_t>(i)];
    if (group != 0 && group != identity.gid) identity.groups.push_back(group);
  }
  return identity;
}

logs::MainLogOptions main_log_options(const config::Manager& manager, const Options& options,
                                      const std::optional<supervisor::Identity>& owner) {
  const json::object& dumb = object_at(manager.snapshot()->effective(), {"dumb"});
  logs::MainLogOptions log;
  log.directory = options.root.map(jsonx::string_at(dumb, "log_dir", "/log"));
  log.name = jsonx::string_at(dumb, "log_name", "DUMB");
  log.threshold = parse_level(jsonx::string_at(dumb, "log_level", "INFO")).value_or(Level::info);
  log.max_size = logs::parse_size(jsonx::string_at(dumb, "log_size", "10M"));
  const json::value* count = dumb.if_contains("log_count");
  log.keep = logs::parse_count(count == nullptr ? "" : jsonx::scalar_text(*count));
  const json::value* days = dumb.if_contains("log_days");
  log.days = days == nullptr ? 0 : logs::parse_count(jsonx::scalar_text(*days));
  log.color = jsonx::bool_at(dumb, "color_log", true);
  log.standard_output = options.log_to_standard_output;
  if (owner) {
    log.uid = owner->uid;
    log.gid = owner->gid;
  }
  return log;
}

}  // namespace

Engine::Impl::Impl(asio::io_context& io, Options opened, catalog::Catalog known,
                   std::unique_ptr<config::Manager> file, UniqueFd held)
    : context(io),
      options(std::move(opened)),
      lock(std::move(held)),
      catalog(std::move(known)),
      manager(std::move(file)),
      log(main_log_options(*manager, options, identity_of(manager->snapshot()->effective()))),
      workers(pool_size()),
      mount_workers(2),
      supervisor(io.get_executor(), mount_workers, *this, log,
                 {.run_directory = options.root.map("/run/dumb"),
                  .immediate_exit_watch = options.immediate_exit_watch,
                  .drain_limit = std::chrono::seconds(2),
                  .kill_wait = std::chrono::seconds(5),
                  .clock = nullptr,
                  .keeper = options.keeper}),
      versions(io.get_executor(), version_options()),
      save_gate(io.get_executor()),
      setup_gate(io.get_executor(), pool_size()),
      probe_gate(io.get_executor(), most_probes),
      started_at(system_clock().wall()),
      events({context, workers, log, background}, event_file()),
      runs(io, supervisor, log, background, run_hooks()) {
  log.set_secrets(manager->secret_values());
  links = make_links();
  feeds = make_feeds();
  metrics_service = make_metrics();
  update_service = make_updates();
  manager->on_change([this](const std::vector<JsonPath>&) {
    links->backups().follow_config();
    feeds->changed();
    metrics_service->config_changed();
    configure_logs();
    follow_log_levels();
    events.move_to(event_file());
    follow_restart_rules();
    ffprobe_changes->cancel();
    call_off_disabled();
    renew_needs();
    tell_cycles();
  });
}

setup::VersionOptions Engine::Impl::version_options() {
  setup::VersionOptions wanted;
  wanted.catalog = &catalog;
  wanted.root = options.root;
  wanted.environment = manager->environment();
  wanted.build_version = version();
  wanted.service_user = service_identity();
  wanted.workers = &workers;
  return wanted;
}

Engine::Impl::~Impl() {
  feeds->close();
  host_stop = true;
  workers.stop();
  mount_workers.stop();
  workers.join();
  mount_workers.join();
}

logs::MainLogOptions Engine::Impl::log_options() const {
  return main_log_options(*manager, options, service_identity());
}

void Engine::Impl::configure_logs() {
  log.configure(log_options());
  log.set_secrets(manager->secret_values());
}

logs::Redactor Engine::Impl::redactor() const {
  const std::uint64_t generation = config()->generation();
  if (!redactor_ || redactor_generation_ != generation) {
    redactor_ = std::make_unique<logs::Redactor>(manager->secret_values());
    redactor_generation_ = generation;
  }
  return *redactor_;
}

/// LIF-89: a changed policy counts for what is pending or refused, too. Later than now, because a start under
/// way may be what changed the configuration.
void Engine::Impl::follow_restart_rules() {
  const json::value* rules = jsonx::find(config()->effective(), {"dumb", "auto_restart"});
  const json::value present = rules != nullptr ? *rules : json::value();
  if (jsonx::same(present, known_rules)) return;
  known_rules = present;
  ++background;
  asio::post(context, [this] {
    --background;
    supervisor.rules_changed();
  });
}

std::optional<supervisor::Identity> Engine::Impl::service_identity() const {
  return identity_of(config()->effective());
}

std::string Engine::Impl::home_of_service_user() const {
  const auto identity = service_identity();
  if (!identity) return {};
  // Asked at every launch; an account that is made later changes the file.
  struct stat info {};
  const std::int64_t changed =
      ::stat("/etc/passwd", &info) == 0 ? info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec : 0;
  if (home_ && home_->uid == identity->uid && home_->changed == changed) return home_->directory;
  home_ = Home{identity->uid, changed, home_of(identity->uid)};
  return home_->directory;
}

std::string Engine::Impl::home_of(uid_t uid) const {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_dir;
  }
  return root().map("/home/DUMB").native();
}

std::string Engine::Impl::api_host() const {
  if (options.host) return *options.host;
  return jsonx::string_at(object_at(config()->effective(), {"dumb", "api_service"}), "host", "127.0.0.1");
}

int Engine::Impl::api_port() const {
  if (options.port) return *options.port;
  return static_cast<int>(
      integer_at(object_at(config()->effective(), {"dumb", "api_service"}), "port", 8000));
}

// ---- the facade ----

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(asio::io_context& context, Options options) {
  std::vector<Error> problems;
  auto catalog =
      catalog::Catalog::load(options.catalog_directory.empty() ? options.catalog_directory
                                                               : options.root.map(options.catalog_directory),
                             problems);
  if (!catalog) return catalog.error();
  config::OpenOptions file;
  file.file =
      options.config_file_as_is.empty() ? options.root.map(options.config_file) : options.config_file_as_is;
  file.root = options.root;
  file.model = catalog->model();
  file.environment = options.environment;
  file.env_file = options.root.map("/config/.env");
  file.secrets_dir = options.root.map("/run/secrets");
  auto manager = options.take_over ? config::Manager::open(file) : config::Manager::open(std::move(file));
  if (!manager) return manager.error();
  if (options.take_over) {
    if (auto ready = options.take_over(); !ready) return ready.error();
    manager = config::Manager::open(std::move(file));  // whoever ran until now may have saved since
    if (!manager) return manager.error();
  }
  const std::filesystem::path run_directory = options.root.map("/run/dumb");
  auto lock = lock_run_directory(run_directory);
  if (!lock) return lock.error();
  logs::settle_captures(run_directory);
  // CFG-13: before any log line is written.
  const std::string zone = jsonx::string_at((*manager)->snapshot()->effective(), "tz");
  if (!zone.empty()) {
    ::setenv("TZ", zone.c_str(), 1);
    ::tzset();
  }
  auto impl = std::make_unique<Impl>(context, std::move(options), std::move(*catalog), std::move(*manager),
                                     std::move(*lock));
  for (const Error& problem : problems) impl->log.error("catalogue: " + problem.to_string());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

asio::any_io_executor Engine::get_executor() const {
  return impl_->context.get_executor();
}
config::SnapshotPtr Engine::config() const {
  return impl_->config();
}
const catalog::Catalog& Engine::services() const {
  return impl_->catalog;
}
const Root& Engine::root() const {
  return impl_->root();
}
Log& Engine::log() {
  return impl_->log;
}
std::string Engine::host() const {
  return impl_->api_host();
}
int Engine::port() const {
  return impl_->api_port();
}
bool Engine::shutting_down() const {
  return impl_->shutting_down;
}

auth::Service& Engine::auth() {
  return impl_->auth();
}

auth::Service& Engine::Impl::auth() {
  if (accounts) return *accounts;
  std::vector<std::string> complaints;
  auth::Options wanted;
  wanted.file = root().map("/config/users.json");
  wanted.rules = auth::token_rules(manager->environment(), complaints);
  for (const std::string& complaint : complaints) log.warning(complaint);
  accounts = std::make_unique<auth::Service>(context.get_executor(), workers, log, std::move(wanted));
  accounts->open();
  return *accounts;
}

std::vector<std::string> Engine::allowed_hosts() const {
  std::vector<std::string> hosts;
  const json::value* list = jsonx::find(config()->effective(), {"dumb", "api_service", "allowed_hosts"});
  if (list == nullptr || !list->is_array()) return hosts;
  for (const json::value& host : list->get_array()) hosts.push_back(jsonx::scalar_text(host));
  return hosts;
}

asio::awaitable<Result<EventList>> Engine::events(EventQuery query) {
  return impl_->query_events(std::move(query));
}

asio::awaitable<void> Engine::boot() {
  return impl_->boot();
}
asio::awaitable<void> Engine::shutdown() {
  return impl_->shutdown();
}
bool Engine::quiet() const {
  return impl_->links->idle();
}
asio::awaitable<void> Engine::await_down() {
  return impl_->await_down();
}
asio::awaitable<Result<void>> Engine::hand_over(std::function<void()> letting_go) {
  return impl_->hand_over(std::move(letting_go));
}
void Engine::kill_now() {
  impl_->kill_now();
}
Result<void> Engine::reload() {
  return impl_->reload();
}
asio::awaitable<Result<OperationReply>> Engine::start(std::string name) {
  return impl_->start(std::move(name));
}
asio::awaitable<Result<OperationReply>> Engine::stop(std::string name) {
  return impl_->stop(std::move(name));
}
asio::awaitable<Result<OperationReply>> Engine::restart(std::string name) {
  return impl_->restart(std::move(name));
}
asio::awaitable<Result<StackOperation>> Engine::up(StackRequest request) {
  return impl_->up(std::move(request));
}
asio::awaitable<Result<StackOperation>> Engine::down(StackRequest request) {
  return impl_->down(std::move(request));
}
StackOperation Engine::stack_operation() const {
  return impl_->stack_operation();
}
StartupStatus Engine::startup_status() const {
  return impl_->startup_status();
}
Result<graph::GraphAnswer> Engine::dependency_graph(std::string_view name, std::string_view scope) const {
  return impl_->dependency_graph(name, scope);
}
Result<PlanAnswer> Engine::startup_plan(const PlanRequest& request) const {
  return impl_->startup_plan(request);
}
Result<ServiceStatus> Engine::status(std::string_view name) const {
  return impl_->status(name);
}
asio::awaitable<Result<ServiceHealth>> Engine::status_with_health(std::string name) {
  return impl_->status_with_health(std::move(name));
}
asio::awaitable<HealthReport> Engine::health() {
  return impl_->health();
}
asio::awaitable<ProcessList> Engine::processes() {
  return impl_->processes();
}
asio::awaitable<Result<ProcessDetail>> Engine::process(std::string name, std::string scope) {
  return impl_->process(std::move(name), std::move(scope));
}
asio::awaitable<Usage> Engine::usage() {
  return impl_->usage();
}
Capabilities Engine::capabilities() const {
  return {};
}
asio::awaitable<Result<LogChunk>> Engine::logs(LogQuery query) {
  return impl_->logs(std::move(query));
}
Result<json::object> Engine::config_of(std::optional<std::string> name) const {
  return impl_->config_of(std::move(name));
}
asio::awaitable<Result<json::object>> Engine::update_config(ConfigUpdate update) {
  return impl_->update_config(std::move(update));
}

}  // namespace dumb::engine
