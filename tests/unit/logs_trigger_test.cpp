#include "logs/redact_trigger.hpp"

#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("a trigger word is found wherever it stands and however it is spelled", "[logs][LIF-108]") {
  const logs::Trigger trigger({"token", "/devices/", "AbCdE_12"});
  for (const std::string word : {"token", "TOKEN", "tOkEn", "/devices/", "abcde_12"}) {
    for (std::size_t before = 0; before < 40; ++before) {
      for (std::size_t after = 0; after < 16; ++after) {
        const std::string line = std::string(before, 't') + word + std::string(after, '/');
        if (!trigger.hit(line)) FAIL(line);
        if (trigger.hit(line.substr(0, before + word.size() - 1))) FAIL("cut " << line);
      }
    }
  }
  for (const char* line : {"", "t", "to", "toke", "tok en", "tokn", "atoke", "/device/", "ABCDE-12"}) {
    CHECK_FALSE(trigger.hit(line));
  }
}
