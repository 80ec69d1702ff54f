#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <dumb/http/client.hpp>
#include <dumb/setup/version.hpp>
#include <dumb/supervisor/helper.hpp>
#include <map>
#include <set>
#include <utility>

#include "setup/offload_asio.hpp"
#include "setup/version.hpp"
#include "setup/version_posix.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::setup {

namespace asio = boost::asio;
using Version = std::optional<std::string>;
using Filled = supervisor::OneShot<Version>;

namespace {

constexpr auto lifetime = std::chrono::seconds(60);  // of what commands and HTTP told

/// One source, or chain of sources, and what it gave.
struct Entry {
  version::Plan plan;
  std::set<std::pair<std::string, std::string>> users;  ///< (config key, instance) that came here
  std::vector<version::FileVersion> files;              ///< one per source of the plan
  Version value;
  std::optional<SteadyTime> fetched;  ///< nullopt: never, or forgotten
  unsigned generation = 0;            ///< a fill of an older one is not remembered
  unsigned filling_generation = 0;
  std::shared_ptr<Filled> filling;  ///< set while a fill is under way
  asio::cancellation_signal stop;
};

struct Result {
  Version value;
  std::vector<version::FileVersion> files;
};

bool only_files(const version::Plan& plan) {
  for (const auto& source : plan) {
    if (!version::is_file(source)) return false;
  }
  return true;
}

std::vector<std::string> environment_list(const config::Environment& environment) {
  std::vector<std::string> list;
  for (const auto& [name, value] : environment) list.push_back(name + "=" + value);
  return list;
}

asio::awaitable<Version> from_command(version::Source source, const VersionOptions& options) {
  supervisor::HelperSpec spec;
  spec.launch.argv = source.argv;
  if (spec.launch.argv.front().starts_with('/')) {
    spec.launch.argv.front() = version::place(spec.launch.argv.front(), options.root).native();
  }
  spec.launch.env = environment_list(options.environment);
  spec.launch.directory = "/";
  spec.launch.identity = options.service_user;
  spec.owner = "version";
  spec.timeout = source.timeout;
  const auto ended = co_await supervisor::run_helper(std::move(spec));
  if (!ended || ended->timed_out || !ended->status.success()) co_return std::nullopt;
  co_return version::read(source, ended->output);
}

asio::awaitable<Version> from_http(version::Source source) {
  const auto url = http::parse_url(source.url);
  if (!url) co_return std::nullopt;
  http::Request request;
  request.url = *url;
  request.timeout = source.timeout;
  request.max_body = 1U << 20U;
  const auto response = co_await http::fetch(std::move(request));
  if (!response || response->status < 200 || response->status > 299) co_return std::nullopt;
  co_return version::read(source, response->body);
}

asio::awaitable<version::FileVersion> from_file(version::Source source, version::FileVersion known,
                                                const VersionOptions& options) {
  if (options.workers == nullptr) co_return version::read_file(source, options.root, known);
  auto work = [source = std::move(source), known = std::move(known), root = options.root](
                  const std::atomic<bool>&) { return version::read_file(source, root, known); };
  auto found = co_await offload(*options.workers, std::move(work));
  co_return found;
}

/// Tries the sources of a plan in order. `options` outlives it: the state that owns both is held by the
/// caller.
asio::awaitable<Result> fetch_version(version::Plan plan, std::vector<version::FileVersion> known,
                                      const VersionOptions& options) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Result result;
  result.files.resize(plan.size());
  for (std::size_t i = 0; i < plan.size() && !result.value; ++i) {
    const version::Source& source = plan[i];
    if (version::is_file(source)) {
      version::FileVersion before = i < known.size() ? known[i] : version::FileVersion();
      result.files[i] = co_await from_file(source, std::move(before), options);
      result.value = result.files[i].version;
    } else if (source.kind == version::Kind::command || source.kind == version::Kind::dpkg) {
      result.value = co_await from_command(source, options);
    } else if (source.kind == version::Kind::http) {
      result.value = co_await from_http(source);
    } else if (source.kind == version::Kind::env) {
      const auto found = options.environment.find(source.name);
      if (found != options.environment.end()) result.value = version::read(source, found->second);
    } else {
      result.value = version::read(source, source.fixed);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) break;
  }
  co_return result;
}

}  // namespace

struct VersionCache::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor where, VersionOptions given)
      : executor(std::move(where)), options(std::move(given)) {}

  asio::any_io_executor executor;
  VersionOptions options;
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries;
  bool closed = false;  ///< the cache is gone, and with it what the options point to

  /// A query on its way to its answer. Nothing is under way when `running` is null.
  struct Pending {
    std::shared_ptr<Entry> entry;
    std::shared_ptr<Filled> running;
    unsigned generation = 0;
    Version value;
  };

  std::shared_ptr<Entry> entry_of(const VersionQuery& query);
  Pending begin(const VersionQuery& query);
  void follow(Pending& pending);
  std::shared_ptr<Filled> fill(const std::shared_ptr<Entry>& entry);
  void filled(const std::shared_ptr<Entry>& entry, unsigned generation, Result result);
};

/// Null when there is nothing to read.
std::shared_ptr<Entry> VersionCache::State::entry_of(const VersionQuery& query) {
  if (options.catalog == nullptr || query.config == nullptr) return nullptr;
  version::Scope scope;
  scope.service = options.catalog->find(query.block.config_key);
  scope.block = query.config->block(query.block.config_key, query.block.instance);
  scope.instance = query.block.instance;
  scope.build_version = options.build_version;
  version::Plan plan = version::plan(scope);
  if (plan.empty()) return nullptr;
  auto& entry = entries[version::identity(plan)];
  if (entry == nullptr) {
    entry = std::make_shared<Entry>();
    entry->plan = std::move(plan);
  }
  entry->users.emplace(query.block.config_key, query.block.instance);
  return entry;
}

std::shared_ptr<Filled> VersionCache::State::fill(const std::shared_ptr<Entry>& entry) {
  if (entry->filling != nullptr) return entry->filling;
  entry->filling = std::make_shared<Filled>(executor);
  entry->filling_generation = entry->generation;
  auto running = entry->filling;
  // The handler is the root: what the coroutine threw is no version.
  auto handler = [self = shared_from_this(), entry, generation = entry->generation](std::exception_ptr thrown,
                                                                                    Result result) {
    self->filled(entry, generation, thrown ? Result() : std::move(result));
  };
  asio::co_spawn(executor, fetch_version(entry->plan, entry->files, options),
                 asio::bind_cancellation_slot(entry->stop.slot(), std::move(handler)));
  return running;
}

void VersionCache::State::filled(const std::shared_ptr<Entry>& entry, unsigned generation, Result result) {
  const auto waiting = std::exchange(entry->filling, nullptr);
  if (generation == entry->generation && !closed) {
    entry->value = result.value;
    entry->files = std::move(result.files);
    entry->fetched = options.clock->now();
  }
  if (waiting != nullptr) waiting->set(std::move(result.value));
}

VersionCache::VersionCache(asio::any_io_executor executor, VersionOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(options))) {}

VersionCache::~VersionCache() {
  state_->closed = true;
  for (auto& [identity, entry] : state_->entries) {
    if (entry->filling != nullptr) entry->stop.emit(asio::cancellation_type::all);
  }
  // A signal may be delivered by way of the executor; the slots live until then.
  asio::post(state_->executor, [state = state_] { static_cast<void>(state); });
}

/// Starts what the query needs; does not wait.
VersionCache::State::Pending VersionCache::State::begin(const VersionQuery& query) {
  Pending pending;
  pending.entry = entry_of(query);
  if (pending.entry == nullptr) return pending;
  if (!only_files(pending.entry->plan) && pending.entry->fetched) {
    // An old value is good enough for this call; the next one finds the new one.
    if (options.clock->now() - *pending.entry->fetched >= lifetime) fill(pending.entry);
    pending.value = pending.entry->value;
    return pending;
  }
  follow(pending);
  return pending;
}

void VersionCache::State::follow(Pending& pending) {
  pending.running = fill(pending.entry);
  pending.generation = pending.entry->filling_generation;
}

asio::awaitable<std::vector<Version>> VersionCache::get_all(std::vector<VersionQuery> queries) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto state = state_;
  std::vector<State::Pending> pending;
  pending.reserve(queries.size());
  for (const auto& query : queries) pending.push_back(state->begin(query));
  std::vector<Version> found(queries.size());
  for (std::size_t i = 0; i < pending.size(); ++i) {
    State::Pending& one = pending[i];
    found[i] = one.value;
    while (one.running != nullptr) {
      const auto running = one.running;
      const auto outcome = co_await Filled::wait(running);
      if (!outcome) co_return found;
      found[i] = *outcome;
      // Forgotten meanwhile: what was found may be the version before an update.
      const bool outdated = one.generation != one.entry->generation && !state->closed;
      one.running = nullptr;
      if (outdated) state->follow(one);
    }
  }
  co_return found;
}

asio::awaitable<Version> VersionCache::get(VersionQuery query) {
  std::vector<VersionQuery> queries;
  queries.push_back(std::move(query));
  const auto found = co_await get_all(std::move(queries));
  co_return found.front();
}

void VersionCache::forget(std::string_view config_key, std::string_view instance) {
  for (auto& [identity, entry] : state_->entries) {
    for (const auto& [key, name] : entry->users) {
      if (key != config_key || (!instance.empty() && name != instance)) continue;
      ++entry->generation;
      entry->fetched.reset();
      entry->value.reset();
      entry->files.clear();
      break;
    }
  }
}

}  // namespace dumb::setup
