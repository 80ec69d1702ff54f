// Onboarding: decides, saves once, then starts one process after the other (ONB-5, ONB-30 to ONB-63).
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>

#include "engine/impl.hpp"

namespace dumb::engine {
namespace {

using onboarding::Decision, onboarding::Failure, onboarding::Progress, onboarding::Reply, onboarding::Stage;

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr int most_rounds = 3;              // ONB-53
constexpr std::size_t shortest_secret = 4;  // what is shorter would make sentences unreadable
constexpr std::chrono::milliseconds look_again{50};

bool holds_files(const std::filesystem::path& directory) {
  std::error_code ignored;
  const std::filesystem::directory_iterator entries(directory, ignored);
  return !ignored && entries != std::filesystem::directory_iterator();
}

/// Asks once per number: a look reads the kernel's table of sockets.
std::function<bool(std::int64_t)> remembered_probe() {
  return [known = std::map<std::int64_t, bool>()](std::int64_t port) mutable {
    const auto found = known.find(port);
    if (found != known.end()) return found->second;
    return known[port] = supervisor::port_in_use(port);
  };
}

/// ONB-62: nothing that came in as a secret goes out again, even where a service printed it.
class Scrubber {
 public:
  Scrubber(const onboarding::Request& request, logs::Redactor redact) : redact_(std::move(redact)) {
    for (std::string& secret : onboarding::secrets_of(request)) {
      if (secret.size() >= shortest_secret) secrets_.push_back(std::move(secret));
    }
    std::sort(secrets_.begin(), secrets_.end(),
              [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  }
  std::string operator()(std::string text) const {
    for (const std::string& secret : secrets_) text = text::replace_all(std::move(text), secret, "***");
    return redact_(text);
  }
  template <class T>
  void clean(T& reply) const {
    for (onboarding::ErrorEntry& entry : reply.errors) entry.error = (*this)(std::move(entry.error));
    for (onboarding::WarningEntry& entry : reply.warnings) entry.warning = (*this)(std::move(entry.warning));
  }

 private:
  logs::Redactor redact_;
  std::vector<std::string> secrets_;
};

/// A service whose waits are met and that cannot be executed is still in the state it waited in.
Stage stage_of(Stage reached, const Error& error) {
  const bool waited = error.is(Errc::timed_out) || error.is(Errc::cancelled) || error.is(Errc::unavailable);
  return reached == Stage::wait && !waited ? Stage::launch : reached;
}

void refuse_all(Decision& decision, const Error& error) {
  for (onboarding::Unit& unit : decision.units) {
    if (!unit.refused) unit.refused = Failure{Stage::configure, error.to_string()};
  }
  decision.port_changes.clear();
}

/// The changed places, without values (ONB-62).
std::vector<std::string> changed_places(const Decision& decision) {
  std::vector<std::string> out;
  for (const config::Edit& edit : decision.edits) out.push_back(jsonx::pointer(edit.path));
  return out;
}

struct Held {
  bool& flag;
  explicit Held(bool& held) : flag(held) { flag = true; }
  ~Held() { flag = false; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
};

}  // namespace

asio::awaitable<Decision> Engine::Impl::decide_onboarding(onboarding::Request request) {
  onboarding::Facts facts;
  facts.catalog = &catalog;
  facts.model = &manager->model();
  facts.config = config();
  facts.api_port = api_port();
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.state == supervisor::State::running) facts.running.insert(info.process_name);
  }
  const Root prefix = root();
  facts.holds_files = [prefix](const std::string& directory) { return holds_files(prefix.map(directory)); };
  facts.port_in_use = remembered_probe();
  auto work = [facts, request] { return onboarding::decide(facts, request); };
  const Decision decision = co_await offload(workers, work);
  co_return decision;
}

/// The one save of a call. A document that cannot be written fails every service.
asio::awaitable<Decision> Engine::Impl::configure_onboarding(onboarding::Request request) {
  Decision decision;
  const bool entered = co_await save_gate.enter();
  if (!entered) co_return decision;
  const Gate::Held held(save_gate);
  decision = co_await decide_onboarding(std::move(request));
  if (decision.edits.empty()) co_return decision;
  auto change = manager->plan_edits(decision.edits);
  if (!change) {
    refuse_all(decision, change.error());
    co_return decision;
  }
  const Result<void> saved = co_await apply(std::move(*change));
  if (!saved) {
    refuse_all(decision, saved.error());
    co_return decision;
  }
  log.info("onboarding changed " + text::join(changed_places(decision), ", "));
  for (const onboarding::PortChangeEntry& moved : decision.port_changes) {
    log.info(moved.process_name + " " + moved.field + " " + std::to_string(moved.from) +
             " is taken, moved to " + std::to_string(moved.to));
  }
  co_return decision;
}

asio::awaitable<Result<onboarding::PlanReply>> Engine::Impl::onboarding_plan(onboarding::Request request) {
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  const Scrubber scrub(request, redactor());
  const Decision decision = co_await decide_onboarding(std::move(request));
  std::set<std::string> running;
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.state == supervisor::State::running) running.insert(info.process_name);
  }
  onboarding::PlanReply answer;
  answer.changes = changed_places(decision);
  Progress progress(decision);
  answer.steps = progress.steps(running);
  while (const auto next = progress.next()) progress.done(std::nullopt);
  answer.errors = progress.reply().errors;
  answer.warnings = progress.reply().warnings;
  answer.port_changes = progress.reply().port_changes;
  scrub.clean(answer);
  co_return answer;
}

asio::awaitable<Result<Reply>> Engine::Impl::onboard(onboarding::Request request) {
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  if (onboarding_under_way) co_return Error(Errc::conflict, "another onboarding is under way");
  const Held one_at_a_time(onboarding_under_way);
  co_await first_start_queued();
  onboarding_states.clear();
  Decision decision = co_await configure_onboarding(request);
  const Scrubber scrub(request, redactor());
  Progress progress(std::move(decision));
  while (const auto next = progress.next()) {
    if (shutting_down) {
      progress.abandon({Stage::launch, "DUMB is shutting down"});
      break;
    }
    const std::string name = next->process_name;
    const onboarding::Progress::Next step = *next;
    const std::optional<Failure> failure = co_await onboard_process(step);
    if (const auto moved = port_changes.find(name); moved != port_changes.end()) {
      for (const PortChange& change : moved->second)
        progress.moved({name, change.field, change.from, change.to});
    }
    progress.done(failure);
  }
  Reply reply = progress.reply();
  scrub.clean(reply);
  co_return reply;
}

/// ONB-5: another operation of the process comes first, for a while.
asio::awaitable<std::optional<Failure>> Engine::Impl::await_free(std::string process_name) {
  const SteadyTime deadline = system_clock().now() + options.onboarding_patience;
  asio::steady_timer timer(context);
  while (supervisor.busy(process_name) && !shutting_down) {
    if (system_clock().now() >= deadline)
      co_return Failure{Stage::launch, process_name + " is busy with another operation"};
    timer.expires_after(look_again);
    co_await timer.async_wait(token);
  }
  co_return std::nullopt;
}

void Engine::Impl::note_onboarding(const supervisor::ServiceInfo& at) {
  using supervisor::State;
  if (!onboarding_under_way) return;
  if (at.state == State::setting_up || at.state == State::waiting || at.state == State::starting)
    onboarding_states[at.process_name] = at.state;
}

Stage Engine::Impl::stage_reached(const std::string& process_name) const {
  const auto found = onboarding_states.find(process_name);
  if (found == onboarding_states.end()) return Stage::launch;
  if (found->second == supervisor::State::setting_up) return Stage::setup;
  return found->second == supervisor::State::waiting ? Stage::wait : Stage::launch;
}

asio::awaitable<Result<void>> Engine::Impl::start_onboarded(onboarding::Progress::Next next) {
  const std::string name = next.process_name;
  const bool running = supervisor.info(name).state == supervisor::State::running;
  if (running && next.restart) {
    const Result<OperationReply> done = co_await restart(name);
    if (!done) co_return done.error();
  } else if (!running) {
    port_changes.erase(name);
    const Result<OperationReply> done = co_await start(name);
    if (!done) co_return done.error();
  } else {
    port_changes.erase(name);
  }
  if (!next.settle || supervisor.info(name).settled) co_return Result<void>();
  const Result<void> settled = co_await supervisor.start_and_settle(name);
  if (!settled) co_return Error(settled.error().code(), settled.error().message(), name);
  co_return Result<void>();
}

/// Whether somebody else listens where the service should.
asio::awaitable<bool> Engine::Impl::has_lost_port(std::string process_name) {
  if (supervisor.info(process_name).pid > 0) co_return false;
  std::set<std::string> one;
  one.insert(process_name);
  const std::vector<supervisor::PortClaim> claims = supervisor::port_claims(*config(), one);
  auto work = [claims] {
    return std::any_of(claims.begin(), claims.end(), [](const supervisor::PortClaim& claim) {
      return supervisor::port_in_use(claim.port);
    });
  };
  const bool lost = co_await offload(workers, work);
  co_return lost;
}

asio::awaitable<std::optional<Failure>> Engine::Impl::onboard_process(onboarding::Progress::Next next) {
  const std::string name = next.process_name;
  const std::optional<Failure> busy = co_await await_free(name);
  if (busy) co_return busy;
  for (int round = 1;; ++round) {
    onboarding_states.erase(name);
    const Result<void> started = co_await start_onboarded(next);
    if (started) co_return std::nullopt;
    const Failure failure{stage_of(stage_reached(name), started.error()), started.error().to_string()};
    const bool may_try = failure.stage == Stage::launch && round < most_rounds && !shutting_down;
    if (!may_try) co_return failure;
    const bool lost = co_await has_lost_port(name);
    if (!lost) co_return failure;
    log.warning(name + " ended while another program took its port; it is moved and started again");
  }
}

asio::awaitable<Result<onboarding::Marked>> Engine::Impl::mark_onboarding(bool completed) {
  ConfigUpdate update;
  json::object dumb;
  dumb["onboarding_completed"] = completed;
  update.updates["dumb"] = std::move(dumb);
  const Result<json::object> done = co_await update_config(std::move(update));
  if (!done) co_return done.error();
  onboarding::Marked answer;
  answer.status = completed ? "Onboarding marked as completed" : "Onboarding will be offered again";
  co_return answer;
}

onboarding::Status Engine::onboarding_status() const {
  const json::value* done = jsonx::find(config()->effective(), {"dumb", "onboarding_completed"});
  return {done == nullptr || !done->is_bool() || !done->get_bool()};
}
asio::awaitable<Result<onboarding::Marked>> Engine::mark_onboarding(bool completed) {
  return impl_->mark_onboarding(completed);
}
asio::awaitable<Result<Reply>> Engine::onboard(onboarding::Request request) {
  return impl_->onboard(std::move(request));
}
asio::awaitable<Result<onboarding::PlanReply>> Engine::onboarding_plan(onboarding::Request request) {
  return impl_->onboarding_plan(std::move(request));
}
onboarding::CoreServiceList Engine::core_services() const {
  return onboarding::core_services(impl_->catalog);
}
onboarding::OptionalServiceList Engine::optional_services(const onboarding::OptionalQuery& query) const {
  return onboarding::optional_services(impl_->catalog, *impl_->config(), query);
}

}  // namespace dumb::engine
