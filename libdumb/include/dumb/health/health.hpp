#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/base/gate.hpp>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace dumb::health {

struct Endpoint {
  std::vector<std::string> hosts;  ///< addresses or names, tried in order; any that answers is enough
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

/// Result of a check; `reason` is one sentence, empty when healthy without remark.
struct Verdict {
  bool healthy = true;
  std::string reason;
  bool operator==(const Verdict&) const = default;
};

/// What LIF-85 row 2 asks to probe, ascending by port, unique. `block` has its placeholders resolved. Pure.
std::vector<Endpoint> endpoints_of(const json::object& block);

/// TCP connects to all endpoints at once, each within `timeout` (1.5 s by LIF-85) and each with a place of
/// `places`, if there is a gate (LIF-87); waiting for a place takes nothing off the timeout. The first
/// failure in port order decides: "no answer on 127.0.0.1:8080". Runs on the executor of the awaiting
/// coroutine; honours cancellation. The gate must outlive the call.
boost::asio::awaitable<Verdict> probe(std::vector<Endpoint> endpoints, std::chrono::milliseconds timeout,
                                      Gate* places = nullptr);

/// Whether any one endpoint accepts a connection now.
boost::asio::awaitable<bool> answers(Endpoint endpoint, std::chrono::milliseconds timeout);

}  // namespace dumb::health
