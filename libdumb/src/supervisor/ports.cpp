#include <boost/json.hpp>
#include <dumb/supervisor/ports.hpp>
#include <map>

namespace dumb::supervisor {

std::vector<PortClaim> port_claims(const config::Snapshot& config, const std::set<std::string>& of) {
  std::vector<PortClaim> claims;
  for (const config::BlockRef& ref : config.blocks()) {
    if (!of.contains(ref.process_name)) continue;
    const json::object& block = config.block(ref);
    for (const char* field : {"port", "frontend_port", "backend_port"}) {
      const json::value* value = block.if_contains(field);
      if (value == nullptr || !value->is_int64() || value->get_int64() <= 0 || value->get_int64() > 65535)
        continue;
      const bool first = ref.config_key == "dumb_api_service" || ref.config_key == "dumb_frontend";
      claims.push_back(
          {ref.process_name, ref.path, field, value->get_int64(), first, ref.config_key != "plex"});
    }
  }
  return claims;
}

std::vector<PortMove> assign_ports(const std::vector<PortClaim>& claims,
                                   const std::set<std::int64_t>& reserved,
                                   const std::function<bool(const PortClaim&, std::int64_t)>& in_use) {
  // First pass: in document order the first owner keeps a number that two want.
  std::map<std::int64_t, std::size_t> owner;
  for (const bool first : {true, false}) {
    for (std::size_t i = 0; i < claims.size(); ++i) {
      if (claims[i].first == first) owner.emplace(claims[i].port, i);
    }
  }
  std::vector<PortMove> moves;
  for (const bool first : {true, false}) {
    for (std::size_t i = 0; i < claims.size(); ++i) {
      const PortClaim& claim = claims[i];
      if (claim.first != first) continue;
      const auto taken = [&](std::int64_t port) {
        const auto found = owner.find(port);
        return (found != owner.end() && found->second != i) || reserved.contains(port) || in_use(claim, port);
      };
      if (!taken(claim.port)) continue;
      PortMove move{claim, 0};
      for (std::int64_t port = claim.port + 1; claim.movable && port <= 65535; ++port) {
        if (taken(port)) continue;
        move.to = port;
        owner.emplace(port, i);
        break;
      }
      moves.push_back(std::move(move));
    }
  }
  return moves;
}

}  // namespace dumb::supervisor
