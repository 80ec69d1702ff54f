#pragma once

#include <array>
#include <dumb/graph/model.hpp>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/facts.hpp"
#include "graph/tables.hpp"

namespace dumb::graph {

/// One reason for an edge, kept with the process whose block gives it. Edges are the union of these, so
/// that a change takes away exactly what its own block gave.
struct Contribution {
  Index other = 0;
  bool reversed = false;  ///< the edge goes from `other` to the owner
  std::uint16_t bits = 0;
  Condition condition = Condition::started;
  bool operator==(const Contribution&) const = default;
};
using Contributions = std::vector<Contribution>;

/// Contributions are found in this order; a later phase looks at the edges of the earlier ones.
enum Phase : std::size_t { observed, tabled, conditional, linked, phase_count };

/// Set beside conditional_startup_map when DEP-19 gave it, so that the phases can be told apart.
constexpr std::uint16_t gap_filler = 0x8000;
constexpr std::uint16_t soft_bits =
    static_cast<std::uint16_t>(Signals::of(Signal::zilean_optional_integration).bits() |
                               Signals::of(Signal::documented_integration).bits());

using IndexList = std::vector<Index>;
using Ports = std::unordered_map<std::uint16_t, IndexList>;
using Paths = std::map<std::string, IndexList, std::less<>>;

struct Model::Impl {
  explicit Impl(const catalog::Catalog& catalog) : tables(std::make_shared<const Tables>(catalog)) {}

  // index.cpp: who publishes what and who asks for what
  void enter(Index index);
  void leave(Index index);
  /// Everyone who asks for something that `facts` publishes.
  void askers(const Facts& own, IndexList& found) const;
  IndexList of_key(std::string_view key) const;
  /// DEP-13.
  IndexList resolve(const Reference& reference, const Facts& source) const;
  IndexList named(std::string_view text) const;
  IndexList with_slug(std::string_view segment) const;
  IndexList with_port(std::uint16_t port) const;
  /// DEP-16.
  IndexList with_mount(std::string_view path) const;

  // observe.cpp, derive.cpp: the phases
  void observe(Index index, Contributions& given, std::vector<Missing>& missing) const;
  void tables_of(Index index, Contributions& given, std::vector<Missing>& missing) const;
  void gaps_of(Index index, Contributions& given) const;
  void links_of(Index index, Contributions& given) const;

  // update.cpp: taking over a configuration
  void take(const config::Snapshot& next, const std::vector<std::string>* changed);
  bool edge_before(Index source, Index target, Phase phase) const;
  const Edge* edge(Index source, Index target) const;

  std::shared_ptr<const Tables> tables;
  std::uint64_t generation = 0;
  std::vector<Facts> facts;  ///< by Index; a free slot has no process name
  ByText<Index> by_exact;
  IndexList sorted;
  std::vector<std::string> duplicates;

  ByText<IndexList> by_key, by_lower_name, by_slug;
  Ports by_port;
  Paths by_mount;
  ByText<IndexList> asks_key, asks_name, asks_slug;
  Ports asks_port;
  Paths asks_path;

  std::array<std::vector<Contributions>, phase_count> given;
  std::array<std::vector<std::vector<Missing>>, 2> lacking;  ///< of the phases observed and tabled
  std::vector<IndexList> reversed;                           ///< by source: owners of edges from it
  std::vector<std::vector<Edge>> out;
  std::vector<IndexList> in;
  std::vector<std::vector<Missing>> missing;

 private:
  void change(const std::string& name, const Facts* next);
  void admit(const Facts& next);
  void withdraw(Index index);
  void positions(const config::Snapshot& next);
  void settle();
  void mark(Index index);
  void mark_mentioning(const IndexList& changed);
  bool recompute(Phase phase, Index index);
  void merge(Index source);
  void merge_touched();
  void order_names();

  IndexList affected_;        ///< to be recomputed
  std::vector<char> marked_;  ///< by Index: is in affected_
  IndexList touched_;         ///< sources whose edges have to be merged again
  IndexList withdrawn_;       ///< slots to free when everything is settled
  IndexList free_;
  IndexList admitted_;  ///< not in `sorted` yet
  bool first_ = true;   ///< nothing was taken over yet: everything is going to be computed
};

/// Adds candidates of one demand to what `source` gives, by DEP-12; true when there was one, or only
/// `source`.
struct Demand {
  Signal signal{};
  std::string_view reference;
  Reason otherwise = Reason::unresolved;  ///< without any candidate
  bool silent = false;                    ///< then nothing is reported
  bool optional = false;                  ///< only disabled ones: a warning
  Condition condition = Condition::started;
};
/// What DEP-12 leaves of the candidates of a demand; reports what is missing.
IndexList admitted(const Model::Impl& model, Index source, IndexList candidates, const Demand& demand,
                   std::vector<Missing>& missing);
/// Sorted, one entry per process and direction.
void unite(Contributions& given);
void sort_missing(std::vector<Missing>& missing);
Severity severity_of(Reason reason, bool optional);
std::string slug_of(std::string_view name);

}  // namespace dumb::graph
