#include <algorithm>
#include <dumb/graph/explain.hpp>
#include <tuple>

#include "graph/model_impl.hpp"

namespace dumb::graph {
namespace {

constexpr std::size_t most_steps = 16;

/// Lower is worse.
int badness(const ProcessState& state) {
  if (state.state == "failed") return 0;
  if (state.state == "backoff") return 1;
  if (state.state == "stopped") return 2;
  if (state.state == "stopping") return 3;
  return state.state == "running" ? 5 : 4;
}

ProcessState state_in(const ProcessStates& states, const std::string& name) {
  const auto found = states.find(name);
  return found == states.end() ? ProcessState() : found->second;
}

/// "which failed: exit code 1".
std::string doing(const Blocker& blocker) {
  const std::string& state = blocker.state.state;
  const auto with_reason = [&](std::string text) {
    return blocker.state.reason.empty() ? text : text + ": " + blocker.state.reason;
  };
  if (state == "failed") return with_reason("failed");
  if (state == "backoff") return with_reason("failed and is about to be restarted");
  if (state == "stopped") return with_reason("is stopped");
  if (state == "setting_up") return with_reason("is being set up");
  if (state == "waiting") {
    const std::string& reason = blocker.state.reason;
    return reason.starts_with("waits for ") ? reason : with_reason("is waiting");
  }
  if (state == "starting") return with_reason("is starting");
  if (state == "stopping") return with_reason("is stopping");
  if (!blocker.state.settled) return with_reason("is running but not ready yet");
  if (blocker.condition == Condition::healthy) return with_reason("is running but not healthy yet");
  if (blocker.condition == Condition::completed_successfully) return with_reason("has not ended yet");
  return with_reason("is " + state);
}

std::string object_of(const Blocker& blocker) {
  if (blocker.what.empty()) return blocker.process_name;
  const bool url = blocker.what.find("://") != std::string::npos;
  return blocker.what + (url ? ", served by " : ", provided by ") + blocker.process_name;
}

bool blocks(const Model& model, const Edge& edge, const ProcessStates& states) {
  const Process& target = model.process(edge.target);
  if (!edge.signals.hard() || target.key == "dumb_api_service") return false;
  const ProcessState state = state_in(states, target.name);
  // Nobody waits for what is neither enabled nor on its way.
  return (target.enabled || state.state != "stopped") && !meets(state, edge.condition);
}

/// The edge to the worst unmet need, or null.
const Edge* worst(const Model& model, const Ordering& ordering, const ProcessStates& states, Index process) {
  const Edge* found = nullptr;
  const auto rank = [&](const Edge& edge) {
    const std::string& name = model.process(edge.target).name;
    return std::tuple<bool, int, std::string_view>(ordering.relaxed(edge), badness(state_in(states, name)),
                                                   name);
  };
  for (const Edge& edge : model.outgoing(process)) {
    if (!blocks(model, edge, states)) continue;
    if (found == nullptr || rank(edge) < rank(*found)) found = &edge;
  }
  return found;
}

}  // namespace

bool meets(const ProcessState& state, Condition condition) noexcept {
  switch (condition) {
    case Condition::healthy:
      return state.state == "running" && state.healthy;
    case Condition::completed_successfully:
      return state.completed;
    case Condition::started:
      break;
  }
  return (state.state == "running" && state.settled) || state.completed;
}

std::string needed_through(const Model& model, Index source, Index target) {
  const Edge* edge = model.edge(source, target);
  if (edge == nullptr) return {};
  const Facts& own = model.impl().facts[source];
  const Facts& other = model.impl().facts[target];
  for (const Signal signal : {Signal::wait_for_mounts, Signal::wait_for_dir}) {
    if (!edge->signals.has(signal)) continue;
    for (const PathWait& wait : own.paths) {
      if (wait.signal != signal || wait.path.empty()) continue;
      for (const std::string* mount : {&other.mount, &other.second_mount}) {
        if (!within(wait.path, *mount) && !within(*mount, wait.path)) continue;
        return (signal == Signal::wait_for_mounts ? "mount " : "directory ") + wait.path;
      }
    }
  }
  if (!edge->signals.has(Signal::wait_for_url)) return {};
  for (const UrlWait& wait : own.urls) {
    const bool port =
        wait.local && std::find(other.ports.begin(), other.ports.end(), wait.port) != other.ports.end();
    const bool named =
        std::any_of(wait.references.begin(), wait.references.end(), [&](const Reference& reference) {
          const IndexList found = model.impl().resolve(reference, own);
          return std::find(found.begin(), found.end(), target) != found.end();
        });
    if (wait.valid && (port || named)) return wait.url;
  }
  return {};
}

std::vector<Blocker> blocking_chain(const Model& model, const Ordering& ordering, const ProcessStates& states,
                                    Index process) {
  std::vector<Blocker> chain;
  std::vector<Index> seen{process};
  Index at = process;
  while (chain.size() < most_steps) {
    const Edge* edge = worst(model, ordering, states, at);
    if (edge == nullptr || std::find(seen.begin(), seen.end(), edge->target) != seen.end()) break;
    const std::string& name = model.process(edge->target).name;
    chain.push_back({name, needed_through(model, at, edge->target), edge->condition, state_in(states, name)});
    if (chain.back().state.state != "waiting") break;
    at = edge->target;
    seen.push_back(at);
  }
  return chain;
}

std::string why_waiting(const Model& model, const Ordering& ordering, const ProcessStates& states,
                        Index process) {
  const std::vector<Blocker> chain = blocking_chain(model, ordering, states, process);
  std::string text;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    text += (i == 0 ? "waits for " : ", which waits for ") + object_of(chain[i]);
  }
  return chain.empty() ? text : text + ", which " + doing(chain.back());
}

}  // namespace dumb::graph
