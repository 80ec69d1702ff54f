#pragma once

#include <dumb/catalog/catalog.hpp>
#include <dumb/config/snapshot.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

/// Which enabled process needs which other one, and the orders that follow. Pure.
namespace dumb::graph {

/// Process name -> names of the processes it needs; every process of the snapshot is a key. Free of cycles:
/// an edge that would close one is left out, weakest source first.
using Needs = std::map<std::string, std::set<std::string>>;

/// Needs among the processes named in `of`: tables of the catalogue (DEP-6, DEP-17, DEP-19), mounts and
/// directories that another process provides (DEP-16), local ports of awaited URLs (DEP-14), `depends_on`.
Needs needs_of(const config::Snapshot& config, const catalog::Catalog& catalog,
               const std::set<std::string>& of);

/// Groups to stop one after another, members of a group together: a process stops after the ones that need it
/// (DEP-44); what no need orders goes by the tier of its key, lowest first (LIF-73). Pairs are process name,
/// tier.
std::vector<std::vector<std::string>> stop_groups(const std::map<std::string, std::size_t>& tier_of,
                                                  const Needs& needs);

}  // namespace dumb::graph
