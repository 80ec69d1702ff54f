#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace dumb::test {

/// Says that this machine lacks what a test needs, which then proves nothing. A failure where the variable
/// DUMB_TEST_REQUIRE names it (a list like "cgroup,freezer,fuse"), so that a machine that is known to have it
/// cannot pass without the test.
inline void lacks(std::string_view what, const std::string& why) {
  const char* given = std::getenv("DUMB_TEST_REQUIRE");
  const std::string required = "," + std::string(given != nullptr ? given : "") + ",";
  if (required.find("," + std::string(what) + ",") != std::string::npos) {
    FAIL("this machine must have " << what << ": " << why);
  }
  WARN("not exercised here for want of " << what << ": " << why);
}

}  // namespace dumb::test
