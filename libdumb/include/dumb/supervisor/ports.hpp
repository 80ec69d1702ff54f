#pragma once

#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/config/snapshot.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

/// Which service listens where, and who has to move (LIF-14 to LIF-19, ONB-48 to ONB-51).
namespace dumb::supervisor {

struct PortClaim {
  std::string process_name;
  JsonPath block;     ///< path of the block
  std::string field;  ///< "port", "frontend_port", "backend_port"
  std::int64_t port = 0;
  bool first = false;   ///< decided before the others (the API and the frontend)
  bool movable = true;  ///< plex is not (SVC-194)
};

struct PortMove {
  PortClaim claim;
  std::int64_t to = 0;  ///< 0: nothing free up to 65535, or not movable
};

/// The claims of the blocks named in `of`, in document order; what is no port is skipped. Pure.
std::vector<PortClaim> port_claims(const config::Snapshot& config, const std::set<std::string>& of);

/// Moves every claim whose port belongs to an earlier claim, is `reserved`, or is in use, to the next number
/// that is none of these. `in_use` is asked at most once per number and claim. Pure but for the callback.
std::vector<PortMove> assign_ports(const std::vector<PortClaim>& claims,
                                   const std::set<std::int64_t>& reserved,
                                   const std::function<bool(const PortClaim&, std::int64_t)>& in_use);

/// Whether anything listens on the TCP port, or it cannot be bound on all addresses (ONB-49). Blocking,
/// short.
bool port_in_use(std::int64_t port);

}  // namespace dumb::supervisor
