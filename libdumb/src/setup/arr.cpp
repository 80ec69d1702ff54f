#include "setup/arr.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup::arr {
namespace {

std::string normal(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

json::value* field_of(json::object& entity, std::string_view name) {
  json::value* fields = entity.if_contains("fields");
  if (fields == nullptr || !fields->is_array()) return nullptr;
  for (json::value& each : fields->get_array()) {
    json::object* field = each.if_object();
    if (field != nullptr && text::iequals(jsonx::text_at(*field, "name"), name)) return &(*field)["value"];
  }
  return nullptr;
}

/// Secrets come back as asterisks.
bool is_masked(const json::value& value) {
  if (!value.is_string() || value.get_string().empty()) return false;
  const std::string_view text = value.get_string();
  return text.find_first_not_of('*') == std::string_view::npos;
}

/// The same with the type the service has given it: a port may come as a text.
bool equal(const json::value& present, const json::value& wanted) {
  return jsonx::same(present, wanted) || is_masked(present) ||
         (!present.is_structured() && !wanted.is_structured() &&
          jsonx::scalar_text(present) == jsonx::scalar_text(wanted));
}

}  // namespace

std::string slug(std::string_view key, std::string_view instance) {
  std::string out;
  for (const char c : text::lower(std::string(key) + "-" + std::string(instance))) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (fits) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (out.ends_with('-')) out.pop_back();
  return out;
}

std::optional<std::string> root_base(bool decypharr, bool nzbdav) {
  if (decypharr && nzbdav) return "/mnt/debrid/combined_symlinks";
  if (decypharr) return "/mnt/debrid/decypharr_symlinks";
  if (nzbdav) return "/mnt/debrid/nzbdav-symlinks";
  return std::nullopt;
}

std::optional<json::object> media_management(json::object present) {
  const json::object before = present;
  for (const char* name : {"setPermissions", "setPermissionsLinux"}) {
    if (!present.contains(name)) continue;
    present[name] = true;
    break;
  }
  const std::array<std::pair<const char*, std::int64_t>, 2> modes{{{"chmodFolder", 777}, {"chmodFile", 666}}};
  for (const auto& [name, mode] : modes) {
    const json::value* found = present.if_contains(name);
    if (found == nullptr) continue;
    if (found->is_number()) {
      present[name] = mode;
    } else {
      present[name] = std::to_string(mode);
    }
  }
  if (jsonx::same(json::value(before), json::value(present))) return std::nullopt;
  return present;
}

bool has_root_folder(const json::array& present, std::string_view path) {
  return std::any_of(present.begin(), present.end(), [&](const json::value& folder) {
    return folder.is_object() && normal(jsonx::text_at(folder.get_object(), "path")) == normal(path);
  });
}

Overrides category_fields(const json::object& schema, const std::string& category) {
  Overrides out;
  for (const char* name :
       {"category", "torrentCategory", "movieCategory", "tvCategory", "musicCategory", "nzbCategory"}) {
    if (field(schema, name) != nullptr) out.emplace_back(name, json::value(json::string(category)));
  }
  for (const char* name : {"useCategory", "useTags"}) {
    if (field(schema, name) != nullptr) out.emplace_back(name, json::value(true));
  }
  return out;
}

const json::object* schema_entry(const json::array& schema, std::string_view marker) {
  const std::string wanted = text::lower(marker);
  for (const json::value& each : schema) {
    const json::object* entry = each.if_object();
    if (entry == nullptr) continue;
    for (const char* member : {"implementation", "implementationName"}) {
      if (text::lower(jsonx::text_at(*entry, member)).find(wanted) != std::string::npos) return entry;
    }
  }
  return nullptr;
}

json::object created(const json::object& schema, const Entity& entity) {
  json::object out = schema;
  for (const char* name : {"id", "presets"}) {
    if (out.contains(name)) out.stable_erase(out.find(name));
  }
  out["name"] = entity.name;
  for (const Overrides* members : {&entity.members, &entity.only_new}) {
    for (const auto& [name, value] : *members) out[name] = value;
  }
  for (const auto& [name, value] : entity.fields) {
    if (json::value* present = field_of(out, name)) *present = value;
  }
  return out;
}

std::optional<json::object> updated(const json::object& present, const Entity& entity) {
  json::object out = present;
  bool changed = jsonx::text_at(present, "name") != entity.name;
  out["name"] = entity.name;
  for (const auto& [name, value] : entity.members) {
    const json::value* there = present.if_contains(name);
    if (there != nullptr && equal(*there, value)) continue;
    out[name] = value;
    changed = true;
  }
  for (const auto& [name, value] : entity.fields) {
    json::value* there = field_of(out, name);
    if (there == nullptr || equal(*there, value)) continue;
    *there = value;
    changed = true;
  }
  if (!changed) return std::nullopt;
  // A secret that is masked is sent in full: the asterisks would take its place.
  for (const auto& [name, value] : entity.fields) {
    if (json::value* there = field_of(out, name); there != nullptr && is_masked(*there)) *there = value;
  }
  return out;
}

const json::value* field(const json::object& entity, std::string_view name) {
  const json::value* fields = entity.if_contains("fields");
  if (fields == nullptr || !fields->is_array()) return nullptr;
  static const json::value none;
  for (const json::value& each : fields->get_array()) {
    const json::object* entry = each.if_object();
    if (entry == nullptr || !text::iequals(jsonx::text_at(*entry, "name"), name)) continue;
    const json::value* value = entry->if_contains("value");
    return value == nullptr ? &none : value;
  }
  return nullptr;
}

std::string with_links(std::string_view yaml, const std::vector<std::string>& links) {
  std::string out;
  bool inside = false;
  std::vector<std::string> lines = text::split(yaml, '\n');
  const bool ended = !lines.empty() && lines.back().empty();
  if (ended) lines.pop_back();
  for (const std::string& line : lines) {
    const std::string_view bare = text::trim(line);
    if (inside && (bare.empty() || bare.starts_with('-') || line.starts_with(' ') || bare.starts_with('#')))
      continue;
    inside = line.starts_with("links:");
    out += inside ? "links:\n" : line + "\n";
    if (!inside) continue;
    for (const std::string& link : links) out += "  - " + link + "\n";
  }
  if (!ended && out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace dumb::setup::arr
