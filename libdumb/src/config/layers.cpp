#include "config/layers.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "config/merge.hpp"

namespace dumb::config {
namespace {

JsonPath below(JsonPath path, std::string_view step) {
  path.emplace_back(step);
  return path;
}

/// What a wait is for: its url or path.
std::string subject(const json::value& wait) {
  if (const auto* string = wait.if_string()) return std::string(text::trim(*string));
  if (const auto* object = wait.if_object()) {
    const std::string url = jsonx::string_at(*object, "url");
    return url.empty() ? jsonx::string_at(*object, "path") : url;
  }
  return {};
}

void unite_waits(json::object& block, std::string_view field, const json::value& generated) {
  std::vector<json::value> all = wait_elements(block.if_contains(field));
  for (json::value& wait : wait_elements(&generated)) {
    const auto known = [&](const json::value& other) { return same_wait(other, wait); };
    if (std::none_of(all.begin(), all.end(), known)) all.push_back(std::move(wait));
  }
  if (all.size() == 1 && field == "wait_for_dir") {
    block[field] = std::move(all.front());
  } else {
    block[field] = json::array(all.begin(), all.end());
  }
}

/// SVC-11: what the user set, in the file or by a variable, wins over what is generated.
void unite_env(json::object& block, const JsonPath& path, const json::object& generated,
               const json::object& user, const Overrides& overrides) {
  json::value& env = block["env"];
  if (!env.is_object()) env = json::object();
  for (const auto& [name, value] : generated) {
    const JsonPath entry = below(below(path, "env"), name);
    const bool users = jsonx::find(user, entry) != nullptr || override_touching(overrides, entry) != nullptr;
    if (!users || !env.get_object().contains(name)) env.get_object().insert_or_assign(name, value);
  }
}

void overlay(json::object& document, const JsonPath& path, const json::object& members,
             const json::object& user, const Overrides& overrides) {
  const json::value* found = jsonx::find(document, path);
  if (found == nullptr || !found->is_object()) return;  // the block is gone
  auto& block = const_cast<json::value*>(found)->get_object();
  for (const auto& [key, value] : members) {
    if (is_wait_field(key)) {
      unite_waits(block, key, value);
    } else if (key == "env" && value.is_object()) {
      unite_env(block, path, value.get_object(), user, overrides);
    } else {
      block.insert_or_assign(key, value);
    }
  }
}

bool is_generated_whole(const Layers& layers, const JsonPath& path) {
  for (const auto& [block, members] : layers.generated) {
    if (path.size() <= block.size() || !is_below(path, block)) continue;
    const std::string& member = path[block.size()];
    if (member != "env" && !is_wait_field(member) && members.contains(member)) return true;
  }
  return false;
}

}  // namespace

bool is_below(const JsonPath& path, const JsonPath& prefix) {
  return prefix.size() <= path.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

void apply_edits(json::object& document, const Edits& edits) {
  for (const Edit& edit : edits) {
    if (edit.value) {
      jsonx::set(document, edit.path, *edit.value);
    } else {
      jsonx::erase(document, edit.path);
    }
  }
}

Edits without_saved(Edits edits, const Edits& saved) {
  for (const Edit& done : saved) {
    std::erase_if(edits, [&](const Edit& edit) { return is_below(edit.path, done.path); });
    for (Edit& edit : edits) {
      // A larger unsaved object keeps its other members.
      if (!is_below(done.path, edit.path) || !edit.value || !edit.value->is_object()) continue;
      apply_edits(
          edit.value->get_object(),
          {{JsonPath(done.path.begin() + static_cast<std::ptrdiff_t>(edit.path.size()), done.path.end()),
            done.value, std::nullopt}});
    }
  }
  return edits;
}

Edits with_edits(Edits edits, const Edits& more) {
  for (const Edit& edit : more) {
    // What lies below a replaced or removed member is gone with it.
    std::erase_if(edits, [&](const Edit& old) { return is_below(old.path, edit.path); });
    edits.push_back(edit);
  }
  return edits;
}

json::object base_of(const json::object& user, const Model& model) {
  json::object out = merge_document(user, model);
  fix_nulls(out, &model.schema);
  return out;
}

json::object effective_of(const Layers& layers, const Model& model) {
  json::object user = layers.user;
  apply_edits(user, layers.edits);
  json::object out = base_of(user, model);
  apply_overrides(out, *layers.overrides);
  for (const Edit& edit : layers.edits) {
    if (edit.value && override_touching(*layers.overrides, edit.path) != nullptr) {
      jsonx::set(out, edit.path, *edit.value);
    }
  }
  for (const auto& [path, members] : layers.generated) overlay(out, path, members, user, *layers.overrides);
  for (const Edit& edit : layers.edits) {
    if (edit.value && is_generated_whole(layers, edit.path)) jsonx::set(out, edit.path, *edit.value);
  }
  normalise_levels(out, &model.schema);
  return out;
}

bool is_wait_field(std::string_view name) noexcept {
  return name == "wait_for_dir" || name == "wait_for_mounts" || name == "wait_for_url";
}

std::vector<json::value> wait_elements(const json::value* waits) {
  std::vector<json::value> out;
  if (waits == nullptr) return out;
  if (const auto* array = waits->if_array()) {
    for (const json::value& wait : *array) out.push_back(wait);
  } else if (waits->is_object() || (waits->is_string() && !text::blank(waits->get_string()))) {
    out.push_back(*waits);
  }
  return out;
}

bool same_wait(const json::value& a, const json::value& b) {
  const std::string what = subject(a);
  return what.empty() ? jsonx::same(a, b) : what == subject(b);
}

const json::object* generated_of(const Layers& layers, const JsonPath& path) {
  if (path.empty()) return nullptr;
  const auto found = layers.generated.find(JsonPath(path.begin(), path.end() - 1));
  return found == layers.generated.end() ? nullptr : &found->second;
}

}  // namespace dumb::config
