#include "config/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>
#include <dumb/config/snapshot.hpp>
#include <map>
#include <set>

#include "config/merge.hpp"
#include "config/start_rules.hpp"

namespace dumb::config {
namespace {

constexpr std::array<std::string_view, 4> port_fields{"port", "frontend_port", "backend_port", "webdav_port"};

JsonPath below(JsonPath path, std::string_view step) {
  path.emplace_back(step);
  return path;
}

const json::object& block_at(const json::object& document, const JsonPath& path) {
  return jsonx::find(document, path)->get_object();
}

/// Levels at any depth outside open maps.
void check_levels(const json::object& object, const json::object* node, const JsonPath& path,
                  schema::Faults& faults) {
  for (const auto& [key, value] : object) {
    const json::object* sub = schema::member(node, key);
    if (is_level_key(key)) {
      if (value.is_string() && !parse_level(value.get_string())) {
        faults.push_back({below(path, key), "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"});
      }
    } else if (const auto* inner = value.if_object(); inner != nullptr && !schema::is_open_map(sub, key)) {
      check_levels(*inner, sub, below(path, key), faults);
    } else if (const auto* array = value.if_array()) {
      for (std::size_t i = 0; i < array->size(); ++i) {
        if (const auto* item = (*array)[i].if_object()) {
          check_levels(*item, schema::element(sub), below(below(path, key), std::to_string(i)), faults);
        }
      }
    }
  }
}

void check_ids(const json::object& document, schema::Faults& faults) {
  for (const std::string_view key : {"puid", "pgid"}) {
    const json::value* id = document.if_contains(key);
    if (id == nullptr || !id->is_number()) continue;
    const double number = id->to_number<double>();
    if (number <= 0 || number > 4294967294.0) {
      faults.push_back({{std::string(key)},
                        fmt::format("must be between 1 and 4294967294, is {}", jsonx::scalar_text(*id))});
    }
  }
}

void check_ports(const json::object& block, const BlockRef& ref, schema::Faults& faults) {
  const int least = ref.config_key == "zurg" ? 0 : 1;  // zurg's setup chooses a port for 0
  for (const std::string_view field : port_fields) {
    const json::value* port = block.if_contains(field);
    if (port == nullptr || !port->is_number()) continue;
    const double number = port->to_number<double>();
    if (number >= least && number <= 65535) continue;
    faults.push_back({below(ref.path, field),
                      fmt::format("must be between 1 and 65535, is {}", jsonx::scalar_text(*port))});
  }
}

bool is_blank_command(const json::value& command) {
  if (const auto* string = command.if_string()) return text::blank(*string);
  const auto* words = command.if_array();
  return words == nullptr || words->empty() ||
         (words->front().is_string() && text::blank(words->front().get_string()));
}

void check_command(const json::object& block, const BlockRef& ref, const Model& model,
                   schema::Faults& faults) {
  if (!ref.enabled || ref.config_key == "dumb_api_service") return;
  const ServiceFacts* facts = model.find(ref.config_key);
  if (facts != nullptr && facts->command_from_setup) return;
  const json::value* command = block.if_contains("command");
  if (command == nullptr) {
    faults.push_back({ref.path, "has no \"command\" although it is enabled"});
  } else if (is_blank_command(*command)) {
    faults.push_back({below(ref.path, "command"), "must not be empty while the service is enabled"});
  }
}

void check_name(const json::value& value, const JsonPath& path, schema::Faults& faults) {
  const auto* block = value.if_object();
  const json::value* name = block == nullptr ? nullptr : block->if_contains("process_name");
  if (name != nullptr && name->is_string() && text::blank(name->get_string())) {
    faults.push_back({below(path, "process_name"), "must not be empty"});
  }
}

/// Blank names, wherever a block can stand. An unknown section without any name is nobody's block.
void check_blank_names(const json::object& document, schema::Faults& faults) {
  for (const auto& [key, value] : document) {
    const JsonPath path{std::string(key)};
    check_name(value, path, faults);
    const auto* section = value.if_object();
    if (section == nullptr) continue;
    if (key == "dumb") {
      for (const auto& [child, block] : *section) check_name(block, below(path, child), faults);
    } else if (const auto* instances = section->if_contains("instances");
               instances != nullptr && instances->is_object()) {
      for (const auto& [instance, block] : instances->get_object()) {
        check_name(block, below(below(path, "instances"), instance), faults);
      }
    }
  }
}

void check_duplicates(const std::vector<BlockRef>& blocks, schema::Faults& faults) {
  std::map<std::string, const BlockRef*> first;
  for (const BlockRef& ref : blocks) {
    const auto [known, is_new] = first.emplace(text::fold(ref.process_name), &ref);
    if (is_new) continue;
    faults.push_back({below(ref.path, "process_name"),
                      fmt::format("must be unique; \"{}\" is the name of {} already", ref.process_name,
                                  jsonx::pointer(known->second->path))});
  }
}

/// Whether the schema describes the block itself, not just any object.
bool is_described(const Model& model, const JsonPath& path) {
  return &block_schema(model, path) != &custom_block_schema();
}

}  // namespace

schema::Faults check_schema(const json::object& document, const Model& model) {
  schema::Faults faults;
  JsonPath path;
  json::monotonic_resource memory;
  schema::check(json::value(document, &memory), model.schema, path, faults);
  for (const BlockRef& ref : collect_blocks(document)) {
    if (is_described(model, ref.path)) continue;
    path = ref.path;
    schema::check(*jsonx::find(document, ref.path), custom_block_schema(), path, faults);
  }
  schema::sort_by_path(faults);
  return faults;
}

schema::Faults check_rules(const json::object& document, const Model& model) {
  schema::Faults faults;
  check_levels(document, &model.schema, {}, faults);
  check_ids(document, faults);
  check_blank_names(document, faults);
  const auto blocks = collect_blocks(document);
  check_duplicates(blocks, faults);
  std::set<std::string, std::less<>> names;
  for (const BlockRef& ref : blocks) names.insert(ref.process_name);
  for (const BlockRef& ref : blocks) {
    const json::object& block = block_at(document, ref.path);
    check_ports(block, ref, faults);
    check_command(block, ref, model, faults);
    check_depends_on(block, ref, names, faults);
    check_readiness(block, ref, faults);
  }
  schema::sort_by_path(faults);
  return faults;
}

schema::Faults check_document(const json::object& document, const Model& model) {
  schema::Faults faults = check_schema(document, model);
  schema::Faults rules = check_rules(document, model);
  // A range that the schema states as well is reported once.
  const auto known = [&](const schema::Fault& rule) {
    if (jsonx::find(document, rule.path)->is_object()) return false;  // a missing member, each its own fault
    return std::any_of(faults.begin(), faults.end(),
                       [&](const auto& fault) { return fault.path == rule.path; });
  };
  std::erase_if(rules, known);
  faults.insert(faults.end(), rules.begin(), rules.end());
  schema::sort_by_path(faults);
  return faults;
}

schema::Faults check_sources(const json::object& document) {
  schema::Faults faults;
  for (const BlockRef& ref : collect_blocks(document)) {
    if (ref.config_key != "rclone" || !ref.enabled) continue;
    const json::object& block = block_at(document, ref.path);
    if (jsonx::bool_at(block, "zurg_enabled", false) && jsonx::bool_at(block, "decypharr_enabled", false)) {
      faults.push_back({ref.path, "must not have both \"zurg_enabled\" and \"decypharr_enabled\" set"});
    }
  }
  return faults;
}

namespace {

bool is_custom(const json::value& value) {
  const auto* block = value.if_object();
  return block != nullptr && !text::blank(jsonx::string_at(*block, "process_name")) &&
         block->contains("command");
}

bool is_custom_section(const json::value& value) {
  if (is_custom(value)) return true;
  const auto* section = value.if_object();
  const json::value* instances = section == nullptr ? nullptr : section->if_contains("instances");
  if (instances == nullptr || !instances->is_object()) return false;
  const json::object& members = instances->get_object();
  return std::any_of(members.begin(), members.end(),
                     [](const auto& member) { return is_custom(member.value()); });
}

class UnknownFinder {
 public:
  explicit UnknownFinder(const Model& model) : model_(model) {}

  std::vector<std::string> find(const json::object& document) {
    for (const BlockRef& ref : collect_blocks(document)) blocks_.insert(ref.path);
    walk(document, model_.schema);
    return std::move(found_);
  }

 private:
  void walk(const json::object& object, const json::object& node) {
    const bool is_block = blocks_.contains(path_);
    for (const auto& [key, value] : object) {
      const json::object* sub = schema::member(&node, key);
      path_.emplace_back(key);
      if (sub == nullptr) {
        const bool known =
            is_block ? is_known_field(object, key) : path_.size() == 1 && is_custom_section(value);
        if (!known) found_.push_back(jsonx::pointer(path_));
      } else if (const auto* inner = value.if_object();
                 inner != nullptr && !schema::is_open_map(sub, key) && describes_members(*sub)) {
        walk(*inner, *sub);
      }
      path_.pop_back();
    }
  }

  bool is_known_field(const json::object& block, const json::string_view key) const {
    json::object others = block;
    others.erase(key);
    const JsonPath path(path_.begin(), path_.end() - 1);
    return is_allowed_key(model_, path, others, key) ||
           schema::member(&custom_block_schema(), key) != nullptr;
  }

  static bool describes_members(const json::object& node) {
    return node.contains("properties") || node.contains("patternProperties") || node.contains("anyOf") ||
           (node.contains("additionalProperties") && node.at("additionalProperties").is_object());
  }

  const Model& model_;
  std::set<JsonPath> blocks_;
  JsonPath path_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> unknown_paths(const json::object& document, const Model& model) {
  return UnknownFinder(model).find(document);
}

std::vector<std::string> unknown_core_services(const json::object& document, const Model& model) {
  std::vector<std::string> out;
  for (const BlockRef& ref : collect_blocks(document)) {
    for (const std::string& token : core_services(block_at(document, ref.path), model)) {
      if (model.find(token) == nullptr)
        out.push_back(fmt::format("{} in {}", token, jsonx::pointer(ref.path)));
    }
  }
  return out;
}

}  // namespace dumb::config
