#include "golden.hpp"

#include <cstdlib>
#include <string>

#include "support/support.hpp"

namespace dumb::test {

json::value golden(std::string_view name, const json::value& actual) {
  const std::string path = std::string(DUMB_SOURCE_DIR) + "/tests/data/http/" + std::string(name) + ".json";
  if (std::getenv("DUMB_UPDATE_GOLDEN") != nullptr) write_text(path, jsonx::print(actual));
  return parsed(read_text(path));
}

json::value parsed(std::string_view text) {
  auto value = jsonx::parse(text);
  INFO("text: " << text);
  REQUIRE(value);
  return std::move(*value);
}

}  // namespace dumb::test
