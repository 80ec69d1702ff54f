// Ports of the blocks of a call (ONB-47 to ONB-52).
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

constexpr std::array<const char*, 3> fields{"port", "frontend_port", "backend_port"};
constexpr std::int64_t highest = 65535;

std::optional<std::int64_t> port_at(const json::object& block, std::string_view field) {
  const json::value* value = block.if_contains(field);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  const std::int64_t port = value->get_int64();
  if (port <= 0 || port > highest) return std::nullopt;
  return port;
}

void add_ports(const json::object& block, std::set<std::int64_t>& out) {
  for (const char* field : fields) {
    if (const auto port = port_at(block, field)) out.insert(*port);
  }
}

/// ONB-47 for a field that holds no port.
std::int64_t default_port(const catalog::Service* service, std::string_view field) {
  if (service == nullptr) return 7000;
  return port_at(service->defaults, field).value_or(7000);
}

class Registry {
 public:
  Registry(Workbench& bench, const std::vector<PortTarget>& targets) : bench_(bench) {
    reserve_others(targets);
  }

  /// 0: nothing free above, or the service cannot move.
  std::int64_t take(std::int64_t wanted, bool movable, const std::set<std::int64_t>& own) {
    for (std::int64_t port = wanted; port <= highest; ++port) {
      const bool free = own.contains(port) || !bench_.facts.port_in_use(port);
      if (!owned_.contains(port) && free) {
        owned_.insert(port);
        return port;
      }
      if (!movable) break;
    }
    return 0;
  }
  void keep(std::int64_t port) { owned_.insert(port); }

 private:
  /// ONB-48: what is not of this call comes first, whatever its state; disabled blocks only where they are
  /// instances of a key of the call.
  void reserve_others(const std::vector<PortTarget>& targets) {
    std::set<JsonPath> mine;
    std::set<std::string> keys;
    for (const PortTarget& target : targets) {
      mine.insert(target.path);
      keys.insert(target.key);
    }
    owned_.insert(bench_.facts.api_port);
    for (const config::BlockRef& ref : config::collect_blocks(bench_.document)) {
      if (mine.contains(ref.path)) continue;
      const bool sibling = !ref.instance.empty() && keys.contains(ref.config_key);
      const bool counts = ref.enabled || sibling || bench_.facts.running.contains(ref.process_name);
      if (counts) add_ports(*bench_.block(ref.path), owned_);
    }
  }

  Workbench& bench_;
  std::set<std::int64_t> owned_;
};

/// The fields of a block that hold a port, or should.
std::vector<std::string> port_fields(const catalog::Service* service, const json::object& block) {
  std::vector<std::string> out;
  for (const char* field : fields) {
    if (block.contains(field) || (service != nullptr && service->defaults.contains(field)))
      out.emplace_back(field);
  }
  return out;
}

struct Decider {
  Workbench& bench;
  Registry& registry;
  std::map<std::string, Launch>& launches;
  std::vector<PortChangeEntry>& changes;

  void decide(const PortTarget& target) {
    json::object& block = *bench.block(target.path);
    const catalog::Service* service = bench.facts.catalog->find(target.key);
    const bool running = bench.facts.running.contains(target.process_name);
    const json::value* before = jsonx::find(bench.facts.config->effective(), target.path);
    std::set<std::int64_t> own;
    if (running && before != nullptr && before->is_object()) add_ports(before->get_object(), own);
    for (const std::string& field : port_fields(service, block)) {
      const std::int64_t wanted = port_at(block, field).value_or(default_port(service, field));
      const bool present = running && before != nullptr && before->is_object() &&
                           port_at(before->get_object(), field) == wanted;
      if (present) {
        registry.keep(wanted);  // ONB-50: without a look
        continue;
      }
      const bool movable = target.key != "plex";
      const std::int64_t port = registry.take(wanted, movable, own);
      if (port == 0) {
        const std::string why = movable ? "nothing is free up to 65535" : "it cannot move";
        launches[target.process_name].failure =
            Failure{Stage::ports, field + " " + std::to_string(wanted) + " of " + target.process_name +
                                      " is taken, and " + why};
        continue;
      }
      const bool same_as_before =
          running && before != nullptr && before->is_object() && port_at(before->get_object(), field) == port;
      if (port_at(block, field) != port) block[field] = port;
      if (port != wanted && !same_as_before) changes.push_back({target.process_name, field, wanted, port});
    }
  }
};

}  // namespace

void assign_call_ports(Workbench& bench, const std::vector<PortTarget>& targets,
                       std::map<std::string, Launch>& launches, std::vector<PortChangeEntry>& changes) {
  Registry registry(bench, targets);
  // Running ones first, then those that were enabled before, both in document order; then the rest in plan
  // order.
  std::map<JsonPath, std::pair<int, std::size_t>> rank;
  const auto& blocks = bench.facts.config->blocks();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const bool running = bench.facts.running.contains(blocks[i].process_name);
    if (running || blocks[i].enabled) rank[blocks[i].path] = {running ? 0 : 1, i};
  }
  std::vector<PortTarget> ordered = targets;
  const auto rank_of = [&](const PortTarget& target) {
    const auto found = rank.find(target.path);
    return found == rank.end() ? std::pair<int, std::size_t>{2, 0} : found->second;
  };
  std::stable_sort(ordered.begin(), ordered.end(),
                   [&](const PortTarget& a, const PortTarget& b) { return rank_of(a) < rank_of(b); });
  Decider decider{bench, registry, launches, changes};
  for (const PortTarget& target : ordered) decider.decide(target);
}

}  // namespace dumb::onboarding
