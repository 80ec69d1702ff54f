#pragma once

#include <boost/json.hpp>
#include <dumb/config/model.hpp>
#include <string_view>

namespace dumb::test {

/// A small catalogue: the API's own block, a frontend, and one service of each kind that the configuration
/// treats in its own way.
config::Model small_model();
/// JSON written in a test.
json::object object(std::string_view text);

}  // namespace dumb::test
