#pragma once

#include <boost/asio/co_spawn.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "engine_scratch.hpp"

/// What tests of whole stacks with needs share.
namespace dumb::test {

inline void needs(json::object& file, const std::string& key, const std::string& name,
                  std::string_view condition = {}) {
  json::object need;
  need["process_name"] = name;
  if (!condition.empty()) need["condition"] = condition;
  json::value& list = file[key].as_object()["depends_on"];
  if (!list.is_array()) list = json::array{};
  list.get_array().push_back(std::move(need));
}

inline std::shared_ptr<bool> begin_boot(Scratch& s) {
  auto over = std::make_shared<bool>(false);
  boost::asio::co_spawn(s.context, s.engine->boot(), [over](std::exception_ptr) { *over = true; });
  return over;
}

inline const engine::StackStep& step(const engine::StackOperation& operation, std::string_view name) {
  for (const engine::StackStep& one : operation.steps) {
    if (one.process_name == name) return one;
  }
  throw std::runtime_error("no step of " + std::string(name));
}

}  // namespace dumb::test
