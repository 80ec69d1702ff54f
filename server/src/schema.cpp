#include "schema.hpp"

#include <boost/json.hpp>

namespace dumb::server::detail {

json::object typed_schema(std::string_view type) {
  json::object out;
  out["type"] = type;
  return out;
}

json::object choice_schema(json::array choices) {
  json::object out;
  out["anyOf"] = std::move(choices);
  return out;
}

}  // namespace dumb::server::detail
