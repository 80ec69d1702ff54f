#pragma once

#include <dumb/graph/plan.hpp>
#include <map>
#include <string>
#include <vector>

/// Why a process waits, in words. Pure.
namespace dumb::graph {

/// How a process is doing, as the supervisor knows it.
struct ProcessState {
  std::string state = "stopped";  ///< LIF-2
  std::string reason{};           ///< why it is in that state; may be empty
  bool healthy = false;           ///< meets the condition `healthy`
  bool completed = false;         ///< meets the condition `completed_successfully`
  bool settled = true;            ///< nothing that follows its start, as becoming ready, is under way
};
using ProcessStates = std::map<std::string, ProcessState, std::less<>>;

/// One step of the chain from a waiting process to the root cause.
struct Blocker {
  std::string process_name;  ///< what is waited for
  std::string what;  ///< "mount /mnt/debrid/riven", "http://127.0.0.1:9090/"; empty: the process itself
  Condition condition = Condition::started;
  ProcessState state;
};

/// Whether `state` meets `condition`.
bool meets(const ProcessState& state, Condition condition) noexcept;

/// The chain of unmet needs from `process` to a root cause: of several the one with the worst state (failed,
/// then stopped, then on its way), by name; one that is left out to break a cycle only when there is no
/// other. Empty when every need is met. Ends at a process that does not itself wait, before it would come
/// back to one already named, and after 16 steps. `ordering` is order_of(model).
std::vector<Blocker> blocking_chain(const Model& model, const Ordering& ordering, const ProcessStates& states,
                                    Index process);

/// "waits for mount /mnt/debrid/riven, provided by Rclone w/ Riven, which failed: exit code 1"; empty when
/// nothing blocks. Never holds credentials of a URL.
std::string why_waiting(const Model& model, const Ordering& ordering, const ProcessStates& states,
                        Index process);

/// The mount, directory or URL over which `source` depends on `target`, for people; empty when the need is
/// for the process itself.
std::string needed_through(const Model& model, Index source, Index target);

}  // namespace dumb::graph
