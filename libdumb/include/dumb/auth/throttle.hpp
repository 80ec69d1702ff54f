#pragma once

#include <chrono>
#include <cstddef>
#include <dumb/base/clock.hpp>
#include <map>
#include <string>
#include <string_view>

namespace dumb::auth {

/// Counts failed logins per user name and per client address (API-83): ten within five minutes, and further
/// attempts are refused for the rest of the window. Loopback addresses are not counted, because a proxy
/// brings everybody in as one. Pure; holds at most `capacity` names and addresses, the oldest give way.
class LoginThrottle {
 public:
  explicit LoginThrottle(std::size_t capacity = 4096) : capacity_(capacity) {}

  /// How long this login has to wait; zero when it may try.
  std::chrono::seconds wait_for(std::string_view username, std::string_view peer, SteadyTime now) const;
  void failed(std::string_view username, std::string_view peer, SteadyTime now);
  /// Forgets both counters.
  void succeeded(std::string_view username, std::string_view peer);

 private:
  struct Window {
    SteadyTime begun;
    int failures = 0;
  };
  std::chrono::seconds wait_for(const std::string& key, SteadyTime now) const;
  void count(const std::string& key, SteadyTime now);
  void make_room(SteadyTime now);

  std::size_t capacity_;
  std::map<std::string, Window, std::less<>> windows_;  // "u:" + user name or "a:" + address
};

/// Whether an address in text form is loopback, IPv4-mapped included.
bool is_loopback(std::string_view address) noexcept;

}  // namespace dumb::auth
