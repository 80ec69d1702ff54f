#include "config/load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "config/merge.hpp"
#include "config/migrate.hpp"

namespace dumb::config {
namespace {

/// The user's layer: names of this version, nulls fixed.
Result<json::object> user_layer(const json::object& document, const Model& model) {
  auto user = migrate(document, model);
  if (user) fix_nulls(*user, &model.schema);
  return user;
}

void add_notices(const json::object& base, const json::object& effective, const Model& model,
                 Loaded& loaded) {
  if (const auto unknown = unknown_paths(base, model); !unknown.empty()) {
    loaded.notices.emplace_back(
        Level::info, fmt::format("configuration members not known here, kept: {}", fmt::join(unknown, ", ")));
  }
  for (const schema::Fault& fault : check_sources(effective)) {
    loaded.notices.emplace_back(Level::error, jsonx::pointer(fault.path) + ": " + fault.message);
  }
  for (const std::string& service : unknown_core_services(effective, model)) {
    loaded.notices.emplace_back(Level::debug, "core service not in the catalogue: " + service);
  }
}

/// Base against the schema, then what is in force against everything.
schema::Faults check_layers(const json::object& base, json::object& effective, const Model& model) {
  normalise_levels(effective, &model.schema);
  schema::Faults faults;
  if (effective != base) faults = check_schema(base, model);  // else the same faults are found twice
  const schema::Faults more = check_document(effective, model);
  faults.insert(faults.end(), more.begin(), more.end());
  schema::sort_by_path(faults);
  return faults;
}

void warn_of_conflicts(const json::object& on_disk, const Edits& edits, std::vector<std::string>& warnings) {
  for (const Edit& edit : edits) {
    const json::value* now = jsonx::find(on_disk, edit.path);
    const bool as_known = now == nullptr ? !edit.before : edit.before && jsonx::same(*now, *edit.before);
    const bool as_wanted = now == nullptr ? !edit.value : edit.value && jsonx::same(*now, *edit.value);
    if (!as_known && !as_wanted) {
      warnings.push_back(jsonx::pointer(edit.path) +
                         ": was changed in the file meanwhile; the value set through the API replaces it");
    }
  }
}

void edit_file(json::object& document, const Edits& edits, const Model& model) {
  const bool had_decypharr = document.contains("decypharr");
  for (const Edit& edit : edits) {
    const JsonPath path = path_in_file(document, edit.path, model);
    if (edit.value) {
      jsonx::set(document, path, *edit.value);
    } else {
      jsonx::erase(document, path);
    }
    // The old field would otherwise speak again once the new one is blank.
    if (edit.path == JsonPath{"decypharr", "mount_type"}) {
      jsonx::erase(document, {"decypharr", std::string(old_mount_field)});
    }
  }
  // A block without the field is read as one of an old version; this one had its default until now.
  const JsonPath mount_type{"decypharr", "mount_type"};
  const json::value* otherwise = jsonx::find(model.defaults, mount_type);
  if (!had_decypharr && document.contains("decypharr") && otherwise != nullptr &&
      jsonx::find(document, mount_type) == nullptr) {
    jsonx::set(document, mount_type, *otherwise);
  }
}

}  // namespace

Result<json::object> parse_document(std::string_view text, jsonx::Spelling* spelling) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Error(Errc::bad_json, "line 1, column 1: the file is empty");
  }
  auto value = spelling == nullptr ? jsonx::parse(text) : jsonx::parse(text, *spelling);
  if (!value) return value.error();
  if (!value->is_object()) return Error(Errc::invalid_config, {Problem{"", "must be an object"}});
  return std::move(value->get_object());
}

std::vector<Problem> explained(const schema::Faults& faults, const Overrides& overrides) {
  schema::Faults named = faults;
  for (schema::Fault& fault : named) {
    for (const Override& one : overrides) {
      if (is_below(fault.path, one.path)) fault.message += " (set by the variable " + one.variable + ")";
    }
  }
  return schema::to_problems(named);
}

Result<Loaded> load_text(std::string_view text, const Model& model, const OverrideSources& sources) {
  const auto document = parse_document(text);
  if (!document) return document.error();
  auto user = user_layer(*document, model);
  if (!user) return user.error();
  json::object base = base_of(*user, model);
  FoundOverrides found = find_overrides(base, model, sources);
  json::object effective = base;
  apply_overrides(effective, found.overrides);
  if (const auto faults = check_layers(base, effective, model); !faults.empty()) {
    return Error(Errc::invalid_config, explained(faults, found.overrides));
  }
  Loaded loaded;
  for (std::string& warning : found.warnings) loaded.notices.emplace_back(Level::warning, std::move(warning));
  add_notices(base, effective, model, loaded);
  loaded.user = std::move(*user);
  loaded.base = std::move(base);
  loaded.effective = std::move(effective);
  loaded.overrides = std::make_shared<const Overrides>(std::move(found.overrides));
  loaded.secret_variables = std::move(found.secret_variables);
  return loaded;
}

Result<std::string> edited_text(std::string_view text, const Edits& edits, const Model& model,
                                const Overrides& overrides, std::vector<std::string>& warnings) {
  jsonx::Spelling spelling;
  auto document = parse_document(text, &spelling);
  if (!document) return document.error();
  auto before = user_layer(*document, model);
  if (!before) return before.error();
  warn_of_conflicts(*before, edits, warnings);
  edit_file(*document, edits, model);
  auto user = user_layer(*document, model);
  if (!user) return user.error();
  const json::object base = base_of(*user, model);
  json::object effective = base;
  apply_overrides(effective, overrides);
  if (const auto faults = check_layers(base, effective, model); !faults.empty()) {
    return Error(Errc::invalid_config, explained(faults, overrides));
  }
  std::string out = jsonx::print(json::value(*document), spelling);
  if (!text.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace dumb::config
