#include "settings.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/secrets.hpp>
#include <dumb/config/snapshot.hpp>

#include "exit_code.hpp"

namespace dumb::cli {
namespace {

Error usage_error(std::string message) {
  return {Trouble::usage, std::move(message)};
}

const json::value* child(const json::value& value, const std::string& key) noexcept {
  if (const auto* object = value.if_object()) return object->if_contains(key);
  if (const auto* array = value.if_array()) {
    const auto index = text::to_int(key);
    if (index && *index >= 0 && static_cast<std::size_t>(*index) < array->size()) {
      return &(*array)[static_cast<std::size_t>(*index)];
    }
  }
  return nullptr;
}

// How many of `parts` from `at` on, joined by dots, make the longest key of `value`; one when none does.
std::size_t key_length(const json::value* value, const std::vector<std::string>& parts, std::size_t at) {
  for (std::size_t count = parts.size() - at; count > 1 && value != nullptr; --count) {
    const std::vector<std::string> some(parts.begin() + static_cast<std::ptrdiff_t>(at),
                                        parts.begin() + static_cast<std::ptrdiff_t>(at + count));
    if (child(*value, text::join(some, ".")) != nullptr) return count;
  }
  return 1;
}

// Sets the place `path` leads to from its element `at` on; false when something on the way has no members.
bool set_below(json::value& root, const JsonPath& path, std::size_t at, json::value value) {
  if (at == path.size()) {
    root = std::move(value);
    return true;
  }
  if (root.is_null()) root.emplace_object();
  if (auto* object = root.if_object()) return set_below((*object)[path[at]], path, at + 1, std::move(value));
  auto* array = root.if_array();
  const auto index = text::to_int(path[at]);
  if (array == nullptr || !index || *index < 0 || static_cast<std::size_t>(*index) > array->size())
    return false;
  if (static_cast<std::size_t>(*index) == array->size()) array->emplace_back(nullptr);
  return set_below((*array)[static_cast<std::size_t>(*index)], path, at + 1, std::move(value));
}

bool begins_with(const JsonPath& path, const JsonPath& start) {
  return path.size() > start.size() && std::equal(start.begin(), start.end(), path.begin());
}

// The innermost block `path` leads into.
std::optional<config::BlockRef> block_around(const json::object& document, const JsonPath& path) {
  std::optional<config::BlockRef> found;
  for (config::BlockRef& block : config::collect_blocks(document)) {
    if (begins_with(path, block.path) && (!found || block.path.size() > found->path.size()))
      found = std::move(block);
  }
  return found;
}

// How far objects reach along `path`; a list is sent as a whole.
std::size_t depth_of_objects(const json::value& document, const JsonPath& path) {
  const json::value* at = &document;
  for (std::size_t depth = 0; depth < path.size(); ++depth) {
    if (at != nullptr && at->is_array()) return depth;
    if (at != nullptr) at = child(*at, path[depth]);
  }
  return path.size();
}

void mask(json::value& value, JsonPath& path) {
  if (config::is_secret(path, value)) {
    const bool empty = value.is_string() && value.get_string().empty();
    if (!empty && !value.is_null()) value = "***";
    return;
  }
  if (auto* object = value.if_object()) {
    for (auto& [key, member] : *object) {
      path.emplace_back(key);
      mask(member, path);
      path.pop_back();
    }
  } else if (auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      path.push_back(std::to_string(i));
      mask((*array)[i], path);
      path.pop_back();
    }
  }
}

}  // namespace

Result<JsonPath> parse_setting(std::string_view name, const json::object& document) {
  if (name.empty()) return usage_error("the name of the setting is empty");
  if (name.front() == '/') {
    auto path = jsonx::parse_pointer(name);
    if (!path) return usage_error(path.error().message());
    return path;
  }
  const std::vector<std::string> parts = text::split(name, '.');
  const json::value root(document);
  const json::value* at = &root;
  JsonPath path;
  for (std::size_t i = 0; i < parts.size();) {
    const std::size_t count = key_length(at, parts, i);
    const std::vector<std::string> some(parts.begin() + static_cast<std::ptrdiff_t>(i),
                                        parts.begin() + static_cast<std::ptrdiff_t>(i + count));
    path.push_back(text::join(some, "."));
    if (path.back().empty()) return usage_error(fmt::format("'{}' is not the name of a setting", name));
    if (at != nullptr) at = child(*at, path.back());
    i += count;
  }
  return path;
}

json::value typed_value(const json::value* current, std::string_view text) {
  auto parsed = jsonx::parse(text);
  if (parsed && parsed->is_string()) return *parsed;
  if (current != nullptr && current->is_string()) return json::value(json::string(text));
  if (current != nullptr && current->is_bool()) {
    if (const auto flag = text::to_bool(text)) return json::value(*flag);
  }
  if (parsed) return *parsed;
  return json::value(json::string(text));
}

Result<SettingUpdate> setting_update(const json::object& document, const JsonPath& path, json::value value,
                                     bool persist) {
  const json::value root(document);
  SettingUpdate update;
  update.persist = persist;
  std::size_t first = 0;                             // where `updates` begins
  std::size_t whole = depth_of_objects(root, path);  // what lies deeper is sent as it is now
  if (const auto block = block_around(document, path)) {
    update.process_name = block->process_name;
    first = block->path.size();
    whole = first + 1;
  } else if (!persist) {
    return usage_error(
        fmt::format("{} belongs to no service, so it cannot be changed without saving", setting_name(path)));
  }
  const JsonPath kept(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(whole));
  const json::value* current = jsonx::find(document, kept);
  json::value member = current == nullptr ? json::value(nullptr) : *current;
  if (!set_below(member, path, whole, std::move(value))) {
    return usage_error(fmt::format("{} leads through a value that has no members", setting_name(path)));
  }
  jsonx::set(update.updates, JsonPath(kept.begin() + static_cast<std::ptrdiff_t>(first), kept.end()),
             std::move(member));
  return update;
}

json::value masked(const json::value& value, const JsonPath& path) {
  if (!value.is_object() && !value.is_array()) return value;
  json::value copy(value);
  JsonPath place = path;
  mask(copy, place);
  return copy;
}

std::string setting_name(const JsonPath& path) {
  for (const std::string& key : path) {
    if (key.find('.') != std::string::npos) return jsonx::pointer(path);
  }
  return text::join(path, ".");
}

}  // namespace dumb::cli
