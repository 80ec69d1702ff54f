#include <algorithm>
#include <dumb/auth/throttle.hpp>

namespace dumb::auth {
namespace {

constexpr int allowed_failures = 10;
constexpr std::chrono::minutes window(5);

std::string user_key(std::string_view username) {
  return "u:" + std::string(username.substr(0, 256));
}
std::string peer_key(std::string_view peer) {
  return "a:" + std::string(peer);
}

}  // namespace

bool is_loopback(std::string_view address) noexcept {
  constexpr std::string_view mapped = "::ffff:";
  if (address.starts_with(mapped)) address.remove_prefix(mapped.size());
  return address == "::1" || address.starts_with("127.");
}

std::chrono::seconds LoginThrottle::wait_for(const std::string& key, SteadyTime now) const {
  const auto found = windows_.find(key);
  if (found == windows_.end() || found->second.failures < allowed_failures) return {};
  const auto left = found->second.begun + window - now;
  return std::max(std::chrono::seconds(0), std::chrono::ceil<std::chrono::seconds>(left));
}

std::chrono::seconds LoginThrottle::wait_for(std::string_view username, std::string_view peer,
                                             SteadyTime now) const {
  const auto by_user = wait_for(user_key(username), now);
  return is_loopback(peer) ? by_user : std::max(by_user, wait_for(peer_key(peer), now));
}

void LoginThrottle::count(const std::string& key, SteadyTime now) {
  auto found = windows_.find(key);
  if (found == windows_.end()) {
    make_room(now);
    found = windows_.emplace(key, Window{now}).first;
  }
  if (now - found->second.begun >= window) found->second = {now};
  ++found->second.failures;
}

void LoginThrottle::make_room(SteadyTime now) {
  if (windows_.size() < capacity_) return;
  std::erase_if(windows_, [&](const auto& entry) { return now - entry.second.begun >= window; });
  if (windows_.size() < capacity_) return;
  windows_.erase(std::min_element(windows_.begin(), windows_.end(), [](const auto& a, const auto& b) {
    return a.second.begun < b.second.begun;
  }));
}

void LoginThrottle::failed(std::string_view username, std::string_view peer, SteadyTime now) {
  count(user_key(username), now);
  if (!is_loopback(peer)) count(peer_key(peer), now);
}

void LoginThrottle::succeeded(std::string_view username, std::string_view peer) {
  windows_.erase(user_key(username));
  windows_.erase(peer_key(peer));
}

}  // namespace dumb::auth
