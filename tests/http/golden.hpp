#pragma once

#include <dumb/base/json.hpp>
#include <string_view>

#include "support/catch.hpp"

namespace dumb::test {

/// The document tests/data/http/<name>.json. With DUMB_UPDATE_GOLDEN=1 in the environment, `actual` is
/// written there first: the difference is then reviewed as a change of the repository.
json::value golden(std::string_view name, const json::value& actual);

/// Parses `text`, failing the test when it is not JSON.
json::value parsed(std::string_view text);

}  // namespace dumb::test

/// Compares byte by byte, so that the order of members counts too (API-6).
#define CHECK_GOLDEN(name, actual)                                        \
  do {                                                                    \
    const dumb::json::value golden_actual = (actual);                     \
    CHECK(dumb::jsonx::print(golden_actual) ==                            \
          dumb::jsonx::print(dumb::test::golden((name), golden_actual))); \
  } while (false)
