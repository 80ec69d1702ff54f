#include "config/migrate.hpp"

#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::config {
namespace {

struct Rename {
  std::string from;
  std::string to;
};

/// `use_<old key>` is the field through which another service opts in to the renamed one.
std::vector<Rename> field_renames(const Model& model) {
  std::vector<Rename> out;
  for (const auto& [alias, key] : model.key_aliases) out.push_back({"use_" + alias, "use_" + key});
  return out;
}

/// Renames members in place, order kept; adds a problem for each pair of which both are there.
json::object renamed(const json::object& object, const std::vector<Rename>& renames, const JsonPath& where,
                     std::vector<Problem>& problems) {
  json::object out;
  out.reserve(object.size());
  for (const auto& [key, value] : object) {
    std::string name(key);
    for (const Rename& rename : renames) {
      if (rename.from != name) continue;
      if (object.contains(rename.to)) {
        problems.push_back({jsonx::pointer(where), "has both \"" + rename.from + "\" and \"" + rename.to +
                                                       "\", which are two names of one thing"});
      } else {
        name = rename.to;
      }
    }
    out.emplace(std::move(name), value);
  }
  return out;
}

bool truthy(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_number()) return value.to_number<double>() != 0;
  if (const auto* string = value.if_string())
    return text::to_bool(text::trim(*string)).value_or(!text::blank(*string));
  return value.is_object() || value.is_array();
}

bool is_blank(const json::value* value) {
  return value == nullptr || value->is_null() || (value->is_string() && text::blank(value->get_string()));
}

void replace_or_append(json::object& object, std::string_view old_key, std::string_view key,
                       json::value value) {
  json::object out;
  for (auto& [name, member] : object) {
    if (name == old_key) {
      if (!object.contains(key)) out.emplace(key, value);
    } else {
      out.emplace(name, name == key ? value : member);
    }
  }
  out.emplace(key, value);  // does nothing when it is there
  object = std::move(out);
}

/// First two rows of CFG-40.
void translate_embedded_rclone(json::object& block) {
  const json::value* old = block.if_contains(old_mount_field);
  if (old == nullptr) return;
  if (is_blank(block.if_contains("mount_type"))) {
    replace_or_append(block, old_mount_field, "mount_type", truthy(*old) ? "rclone" : "external_rclone");
  } else {
    block.stable_erase(old_mount_field);
  }
}

void migrate_decypharr(json::object& block) {
  translate_embedded_rclone(block);
  if (!is_blank(block.if_contains("mount_type"))) return;
  const bool beta = jsonx::string_at(block, "branch") == "beta";
  block["mount_type"] = beta ? "dfs" : "rclone";
}

enum class Fill { no, yes };

Result<json::object> migrate_document(const json::object& document, const Model& model, Fill fill) {
  std::vector<Problem> problems;
  std::vector<Rename> keys;
  for (const auto& [alias, key] : model.key_aliases) keys.push_back({alias, key});
  const auto fields = field_renames(model);
  json::object out = renamed(document, keys, {}, problems);
  for (auto& [key, value] : out) {
    auto* section = value.if_object();
    if (section == nullptr) continue;
    const JsonPath where{std::string(key)};
    if (!fields.empty()) *section = renamed(*section, fields, where, problems);
    json::value* instances = section->if_contains("instances");
    if (instances == nullptr || !instances->is_object() || fields.empty()) continue;
    for (auto& [name, instance] : instances->get_object()) {
      auto* block = instance.if_object();
      if (block != nullptr)
        *block = renamed(*block, fields, {where[0], "instances", std::string(name)}, problems);
    }
  }
  if (!problems.empty()) return Error(Errc::invalid_config, std::move(problems));
  if (json::value* decypharr = out.if_contains("decypharr"); decypharr != nullptr && decypharr->is_object()) {
    if (fill == Fill::yes) {
      migrate_decypharr(decypharr->get_object());
    } else {
      translate_embedded_rclone(decypharr->get_object());
    }
  }
  return out;
}

}  // namespace

Result<json::object> migrate(const json::object& document, const Model& model) {
  return migrate_document(document, model, Fill::yes);
}

Result<json::object> migrate_partial(const json::object& updates, const Model& model) {
  return migrate_document(updates, model, Fill::no);
}

json::object migrate_updates(const json::object& updates, const JsonPath& path, const Model& model) {
  std::vector<Problem> ignored;  // with both names given, the one of this version counts
  json::object out = renamed(updates, field_renames(model), path, ignored);
  for (const Rename& rename : field_renames(model)) {
    if (out.contains(rename.from)) out.stable_erase(rename.from);
  }
  if (path == JsonPath{"decypharr"}) translate_embedded_rclone(out);
  return out;
}

JsonPath path_in_file(const json::object& document, const JsonPath& path, const Model& model) {
  JsonPath out = path;
  const auto fields = field_renames(model);
  const auto spelled = [](const json::object& object, std::string& step, const std::string& alias,
                          const std::string& key) {
    if (step == key && !object.contains(key) && object.contains(alias)) step = alias;
  };
  const json::object* at = &document;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i == 0) {
      for (const auto& [alias, key] : model.key_aliases) spelled(*at, out[i], alias, key);
    } else {
      for (const Rename& field : fields) spelled(*at, out[i], field.from, field.to);
    }
    const json::value* next = at->if_contains(out[i]);
    if (next == nullptr || !next->is_object()) break;
    at = &next->get_object();
  }
  return out;
}

}  // namespace dumb::config
