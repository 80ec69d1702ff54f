// What the tables of the catalogue add to the edges that the blocks give (DEP-12, DEP-18 to DEP-20).
#include <algorithm>
#include <array>
#include <dumb/base/codec.hpp>
#include <tuple>

#include "graph/model_impl.hpp"

namespace dumb::graph {

Severity severity_of(Reason reason, bool optional) {
  switch (reason) {
    case Reason::disabled:
      return optional ? Severity::warning : Severity::error;
    case Reason::unresolved:
      return Severity::warning;
    case Reason::external:
      return Severity::info;
    case Reason::missing:
    case Reason::invalid:
      break;
  }
  return Severity::error;
}

IndexList admitted(const Model::Impl& model, Index source, IndexList candidates, const Demand& demand,
                   std::vector<Missing>& missing) {
  const auto report = [&](Reason reason) {
    if (reason != Reason::disabled && demand.silent) return;
    missing.push_back({model.facts[source].process.name, demand.signal, std::string(demand.reference), reason,
                       severity_of(reason, demand.optional)});
  };
  if (candidates.empty()) {
    report(demand.otherwise);
    return candidates;
  }
  std::erase(candidates, source);
  if (candidates.empty()) return candidates;
  const auto available = [&](Index index) { return model.facts[index].available; };
  if (std::any_of(candidates.begin(), candidates.end(), available)) {
    std::erase_if(candidates, [&](Index index) { return !available(index); });
  } else {
    report(Reason::disabled);
  }
  return candidates;
}

void unite(Contributions& given) {
  std::sort(given.begin(), given.end(), [](const Contribution& a, const Contribution& b) {
    return std::tie(a.other, a.reversed) < std::tie(b.other, b.reversed);
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (kept > 0 && given[kept - 1].other == given[i].other &&
        given[kept - 1].reversed == given[i].reversed) {
      Contribution& last = given[kept - 1];
      last.bits = static_cast<std::uint16_t>(last.bits | given[i].bits);
      last.condition = std::max(last.condition, given[i].condition);
    } else {
      given[kept++] = given[i];
    }
  }
  given.resize(kept);
}

void sort_missing(std::vector<Missing>& missing) {
  const auto key = [](const Missing& row) {
    return std::tuple<std::string_view, std::string_view, std::string_view, std::string_view,
                      std::string_view>(row.process_name, codec::enum_name(row.signal), row.reference,
                                        codec::enum_name(row.reason), codec::enum_name(row.severity));
  };
  if (missing.size() > 1)
    std::sort(missing.begin(), missing.end(),
              [&](const Missing& a, const Missing& b) { return key(a) < key(b); });
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
}

/// Whether a hard edge exists that was found before `phase`.
bool Model::Impl::edge_before(Index source, Index target, Phase phase) const {
  const Edge* found = edge(source, target);
  if (found == nullptr) return false;
  std::uint16_t bits = static_cast<std::uint16_t>(found->signals.bits() & ~soft_bits);
  if (phase <= conditional && (bits & gap_filler) != 0)
    bits = static_cast<std::uint16_t>(bits &
                                      ~(gap_filler | Signals::of(Signal::conditional_startup_map).bits()));
  if (phase <= tabled)
    bits = static_cast<std::uint16_t>(bits & ~Signals::of(Signal::core_service_map).bits());
  return bits != 0;
}

void Model::Impl::tables_of(Index index, Contributions& given_out, std::vector<Missing>& missing_out) const {
  const Facts& own = facts[index];
  const KeyRow* row = tables->find(own.process.key);
  if (row == nullptr) return;
  for (const std::string& key : own.requires_) {
    IndexList candidates = of_key(key);
    if (tables->scoped(key))
      std::erase_if(candidates, [&](Index p) { return !facts[p].has_ref(own.process.key); });
    const Demand demand{.signal = Signal::core_service_map,
                        .reference = key,
                        .otherwise = Reason::missing,
                        .optional = optional_need(*row, key)};
    for (const Index p : admitted(*this, index, std::move(candidates), demand, missing_out)) {
      const bool companion = edge_before(p, index, tabled) && !edge_before(index, p, tabled);
      if (!companion)
        given_out.push_back({p, false, Signals::of(Signal::core_service_map).bits(), Condition::started});
    }
  }
  unite(given_out);
}

void Model::Impl::gaps_of(Index index, Contributions& given_out) const {
  const Facts& own = facts[index];
  const KeyRow* row = tables->find(own.process.key);
  // What rclone starts after depends on its flags: DEP-17.
  if (row == nullptr || own.process.key == "rclone") return;
  const catalog::Dependencies& links = row->links;
  const bool narrowed =
      links.start_after_narrowed && std::any_of(links.start_after.begin(), links.start_after.end(),
                                                [&](const std::string& key) { return own.has_ref(key); });
  const auto bits =
      static_cast<std::uint16_t>(Signals::of(Signal::conditional_startup_map).bits() | gap_filler);
  for (const std::string& key : links.start_after) {
    if (narrowed && !own.has_ref(key)) continue;
    for (const Index p : of_key(key)) {
      const Facts& other = facts[p];
      if (p == index || !other.process.enabled) continue;
      if (!links.start_after_field.empty() && std::find(other.true_fields.begin(), other.true_fields.end(),
                                                        links.start_after_field) == other.true_fields.end())
        continue;
      if (edge_before(index, p, conditional) || edge_before(p, index, conditional)) continue;
      given_out.push_back({p, false, bits, Condition::started});
    }
  }
  unite(given_out);
}

void Model::Impl::links_of(Index index, Contributions& given_out) const {
  const KeyRow* row = tables->find(facts[index].process.key);
  if (row == nullptr) return;
  for (const std::string& key : row->links.soft_links) {
    const Signal signal =
        key == "zilean" ? Signal::zilean_optional_integration : Signal::documented_integration;
    std::vector<Missing> unreported;
    const Demand demand{.signal = signal, .reference = key, .silent = true};
    for (const Index p : admitted(*this, index, of_key(key), demand, unreported)) {
      if (edge_before(index, p, linked) || edge_before(p, index, linked)) continue;
      given_out.push_back({p, false, Signals::of(signal).bits(), Condition::started});
    }
  }
  unite(given_out);
}

}  // namespace dumb::graph
