#pragma once

#include <dumb/graph/plan.hpp>
#include <string>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

/// How one service is, as `graph` notes it behind the name.
struct ServiceNote {
  std::string process_name;
  std::string state;   ///< LIF-2; empty: unknown
  std::string reason;  ///< of a state that is not "running"; may be empty
};

/// The tree of a plan, needs below what needs them; below it why services are not running, cycles and needs
/// that nothing meets. `subject` is drawn bold. Pure.
std::string render_graph(const graph::Plan& plan, const std::string& subject,
                         const std::vector<ServiceNote>& notes, const Style& style);

}  // namespace dumb::cli
