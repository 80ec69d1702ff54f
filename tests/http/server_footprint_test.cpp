#include "footprint_posix.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;

namespace {

/// Memory mapped from files that is resident, kibibytes.
long file_memory() {
  const std::string status = test::read_text("/proc/self/status");
  const auto at = status.find("RssFile:");
  REQUIRE(at != std::string::npos);
  return std::stol(status.substr(at + 8));
}

}  // namespace

TEST_CASE("what only the start needed is given back, and the program goes on", "[server]") {
  const long before = file_memory();
  server::give_back_memory_of_start();
  CHECK(file_memory() < before);
  CHECK(before > 0);
}
