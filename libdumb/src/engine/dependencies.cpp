// What depends on what, as the API shows it.
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/graph/drawing.hpp>
#include <dumb/graph/explain.hpp>

#include "engine/impl.hpp"

namespace dumb::engine {

const graph::Model& Engine::Impl::dependencies() const {
  const config::SnapshotPtr now = config();
  if (!model_) {
    model_ = std::make_unique<graph::Model>(*now, catalog);
    ordering_.reset();
  } else if (model_->generation() != now->generation()) {
    model_->update(*now);
    ordering_.reset();
  }
  return *model_;
}

const graph::Ordering& Engine::Impl::ordering() const {
  const graph::Model& model = dependencies();
  if (!ordering_) ordering_ = graph::order_of(model);
  return *ordering_;
}

bool Engine::Impl::is_one_shot(const std::string& process_name) const {
  const graph::Model& model = dependencies();
  const graph::Index* target = model.find(process_name);
  if (target == nullptr) return false;
  for (const graph::Index source : model.incoming(*target)) {
    const graph::Edge* edge = model.edge(source, *target);
    if (model.process(source).enabled && edge->condition == graph::Condition::completed_successfully)
      return true;
  }
  return false;
}

/// The `status` of status() alone, which needs no reasons.
graph::Statuses Engine::Impl::statuses() const {
  graph::Statuses out;
  for (const config::BlockRef& ref : config()->blocks()) {
    const bool running = is_api(ref) || supervisor.running(ref.process_name);
    out[ref.process_name] = running ? "running" : "stopped";
  }
  return out;
}

/// DEP-32. Built once for each configuration, and again when a list of the processes has found other
/// versions.
const json::array& Engine::Impl::shown_processes() const {
  const config::SnapshotPtr snapshot = config();
  if (shown_processes_ && shown_generation_ == snapshot->generation()) return *shown_processes_;
  json::array shown;
  for (const config::BlockRef& ref : snapshot->blocks()) {
    ProcessEntry entry = entry_of(*snapshot, ref);
    entry.config = graph::shown_config(entry.config);
    if (const auto found = last_versions.find(ref.process_name); found != last_versions.end())
      entry.version = found->second;
    shown.push_back(codec::encode(entry));
  }
  shown_processes_ = std::move(shown);
  shown_generation_ = snapshot->generation();
  return *shown_processes_;
}

Result<graph::GraphAnswer> Engine::Impl::dependency_graph(std::string_view process_name,
                                                          std::string_view scope) const {
  const Result<graph::Scope> wanted = graph::parse_scope(scope);
  if (!wanted) return wanted.error();
  const graph::Model& model = dependencies();
  const Result<graph::Index> process = model.resolve(process_name);
  if (!process) return process.error();
  graph::GraphAnswer answer =
      graph::answer(model, ordering(), statuses(), *process, *wanted, system_clock().wall());
  answer.processes = shown_processes();
  return answer;
}

Result<PlanAnswer> Engine::Impl::startup_plan(const PlanRequest& request) const {
  graph::PlanOptions wanted;
  const std::string disabled = text::lower(text::trim(request.include_disabled));
  if (disabled != "true" && disabled != "false")
    return Error(Errc::invalid_argument, "include_disabled must be 'true' or 'false'");
  wanted.include_disabled = disabled == "true";
  const std::string format = text::lower(text::trim(request.format));
  if (format != "json" && format != "dot" && format != "mermaid")
    return Error(Errc::invalid_argument, "format must be 'json', 'dot' or 'mermaid'");
  const Result<graph::Scope> scope = graph::parse_scope(request.scope);
  if (!scope) return scope.error();
  wanted.scope = *scope;
  const graph::Model& model = dependencies();
  if (!text::blank(request.process_name)) {
    const Result<graph::Index> process = model.resolve(request.process_name);
    if (!process) return process.error();
    wanted.process_name = model.process(*process).name;
  }
  Result<graph::Plan> plan = graph::plan(model, wanted, system_clock().wall());
  if (!plan) return plan.error();
  if (format == "dot") return PlanAnswer(Text{"text/vnd.graphviz", graph::to_dot(*plan)});
  if (format == "mermaid") return PlanAnswer(Text{"text/plain; charset=utf-8", graph::to_mermaid(*plan)});
  return PlanAnswer(std::move(*plan));
}

graph::ProcessStates Engine::Impl::process_states() const {
  graph::ProcessStates states;
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    graph::ProcessState state;
    state.state = std::string(codec::enum_name(info.state));
    state.reason = info.reason;
    const auto verdict = verdicts.find(info.process_name);
    const bool found_healthy = verdict != verdicts.end() && verdict->second.verdict.healthy;
    state.healthy = info.state == supervisor::State::running && info.ready.value_or(found_healthy);
    state.completed = info.completed;
    state.settled = info.settled || !supervisor.coming(info.process_name);
    if (info.state == supervisor::State::running && !state.healthy && state.reason.empty()) {
      if (info.ready) {
        state.reason = info.readiness_reason;
      } else if (verdict != verdicts.end()) {
        state.reason = verdict->second.verdict.reason;
      }
    }
    states[info.process_name] = std::move(state);
  }
  for (const std::string& name : runs.book().pending()) {
    graph::ProcessState& state = states[name];
    if (state.state == "stopped" || state.state == "failed") state = {"waiting", {}, false, false};
  }
  return states;
}

std::string Engine::Impl::why_waiting(const std::string& process_name,
                                      const graph::ProcessStates& states) const {
  const graph::Model& model = dependencies();
  const graph::Index* process = model.find(process_name);
  if (process == nullptr) return {};
  std::string chain = graph::why_waiting(model, ordering(), states, *process);
  if (!chain.empty()) return chain;
  // The operation that is going to start it may know of more than the configuration of now.
  const std::vector<std::string> awaited = runs.book().awaited_by(process_name);
  return awaited.empty() ? chain : "waits for " + text::join(awaited, ", ");
}

}  // namespace dumb::engine
