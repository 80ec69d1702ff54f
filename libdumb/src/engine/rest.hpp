#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// What is enabled and yet does not run, because it was stopped or has done its work. Written down for the
/// next run of this program, which must not start it (LIF-125). Pure.
namespace dumb::engine {

struct RestingService {
  std::string process_name;
  bool completed = false;   ///< a one-shot that ended with code 0; else it was stopped
  double completed_at = 0;  ///< seconds since 1970
  std::string config_hash;  ///< of what it completed

  friend bool operator==(const RestingService&, const RestingService&) = default;
};
BOOST_DESCRIBE_STRUCT(RestingService, (), (process_name, completed, completed_at, config_hash))

/// By process name.
using Resting = std::map<std::string, RestingService, std::less<>>;

/// `life`: of the processes here; what another one left does not count.
std::string print_resting(const Resting& resting, std::string_view life);
/// Nothing for a file of another life. Fails with Errc::bad_json or invalid_argument for a torn one.
Result<Resting> parse_resting(std::string_view text, std::string_view life);

}  // namespace dumb::engine
