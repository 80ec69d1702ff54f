#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/graph/types.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::graph {

/// Number of a process in one model. Kept by update(); the number of a removed process may be given to a new
/// one. Nothing that leaves the module depends on these numbers.
using Index = std::uint32_t;

struct Process {
  std::string name;
  std::string key;
  std::string instance;
  bool enabled = false;
  bool operator==(const Process&) const = default;
};

/// `source` depends on `target`.
struct Edge {
  Index source = 0;
  Index target = 0;
  Signals signals;
  Condition condition = Condition::started;  ///< the most a `depends_on` entry asks; `started` without one
  bool operator==(const Edge&) const = default;
};

/// The dependency model of one configuration: every process, every ordered pair that depends, and why
/// (DEP-1 to DEP-20). Costs O(processes + edges + demands) to build. Not thread-safe while being updated;
/// a const model may be read from any thread. Copyable.
class Model {
 public:
  Model(const config::Snapshot& config, const catalog::Catalog& catalog);
  Model(const Model& other);
  Model(Model&& other) noexcept;
  Model& operator=(const Model& other);
  Model& operator=(Model&& other) noexcept;
  ~Model();

  /// Becomes the model of `next`, recomputing only what the differences touch (DEP-46). The result equals a
  /// new model of `next`. The first form finds the differences itself; the second is told the names of every
  /// process whose block was added, removed or changed (more do no harm), and then costs no more than these.
  void update(const config::Snapshot& next);
  void update(const config::Snapshot& next, const std::vector<std::string>& changed);

  std::uint64_t generation() const noexcept;  ///< of the configuration
  std::size_t size() const noexcept;          ///< processes
  /// All processes, by name in byte order.
  const std::vector<Index>& by_name() const noexcept;
  const Process& process(Index index) const;
  /// One more than the greatest Index in use; for arrays by Index.
  std::size_t bound() const noexcept;

  /// By exact name; null when there is none.
  const Index* find(std::string_view name) const;
  /// As API-16 says, then as key or alias if exactly one process has it (DEP-21). Fails with
  /// Errc::invalid_argument for a blank name, Errc::not_found otherwise.
  Result<Index> resolve(std::string_view asked) const;

  /// Edges from a process, soft ones too, by target Index.
  const std::vector<Edge>& outgoing(Index source) const;
  /// Sources of the edges to a process, in no order.
  const std::vector<Index>& incoming(Index target) const;
  /// Null when there is none.
  const Edge* edge(Index source, Index target) const;
  EdgeRow row(const Edge& edge) const;
  /// Unmet needs of a process, sorted (DEP-42), whether it is enabled or not.
  const std::vector<Missing>& missing(Index index) const;
  /// Names that a second block claims, sorted (DEP-1).
  const std::vector<std::string>& duplicates() const noexcept;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }  ///< for this module's other parts

 private:
  std::unique_ptr<Impl> impl_;
};

/// `runtime` or `all`, trimmed, any letter case; blank is `runtime`. Fails with Errc::invalid_argument.
Result<Scope> parse_scope(std::string_view text);

}  // namespace dumb::graph
