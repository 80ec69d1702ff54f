#include "config/updates.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "config/merge.hpp"
#include "config/validate.hpp"

namespace dumb::config {
namespace {

/// How objects are taken: members that are missing in the submitted one are removed, or stay.
enum class Missing { removed, kept };

class Differ {
 public:
  Differ(const UpdateContext& context, Manager::Persist persist, Missing missing)
      : context_(context), persist_(persist), missing_(missing), user_now_(context.layers.user) {
    apply_edits(user_now_, context.layers.edits);
  }

  void visit(const JsonPath& path, const json::value& submitted) {
    const json::value* effective = jsonx::find(context_.effective, path);
    if (is_wait(path)) {
      visit_waits(path, submitted, effective);
    } else if (is_promoted(path)) {
      const bool merged = missing_ == Missing::kept && !in_open_map_ && submitted.is_object() &&
                          effective != nullptr && effective->is_object();
      emit(path,
           merged ? json::value(merge_objects(submitted.get_object(), effective->get_object())) : submitted);
    } else if (submitted.is_object() && effective != nullptr && effective->is_object()) {
      visit_object(path, submitted.get_object(), effective->get_object());
    } else if (effective == nullptr || !jsonx::same(*effective, submitted)) {
      emit(path, submitted);
    }
  }

  Edits take() { return std::move(out_); }

 private:
  /// An unsaved edit of this very member becomes a saved one.
  bool is_promoted(const JsonPath& path) const {
    if (persist_ == Manager::Persist::no) return false;
    return std::any_of(context_.layers.edits.begin(), context_.layers.edits.end(),
                       [&](const Edit& edit) { return edit.path == path; });
  }

  bool is_wait(const JsonPath& path) const {
    return !path.empty() && is_wait_field(path.back()) && generated_of(context_.layers, path) != nullptr;
  }

  void visit_object(const JsonPath& path, const json::object& submitted, const json::object& effective) {
    const bool outer = in_open_map_;
    in_open_map_ = outer || schema::is_open_map(schema::at(context_.model.schema, path), path.back());
    for (const auto& [key, value] : submitted) visit(below(path, key), value);
    const bool whole = in_open_map_ || missing_ == Missing::removed;
    in_open_map_ = outer;
    if (!whole) return;
    for (const auto& [key, value] : effective) {
      if (!submitted.contains(key)) remove(below(path, key));
    }
    for (const Edit& edit : context_.layers.edits) {
      const bool member = edit.path.size() == path.size() + 1 && is_below(edit.path, path);
      const bool seen =
          member && (submitted.contains(edit.path.back()) || effective.contains(edit.path.back()));
      if (member && !seen) remove(edit.path);  // an unsaved removal
    }
  }

  /// What is only there because it was generated is not the user's; the rest of the list is.
  void visit_waits(const JsonPath& path, const json::value& submitted, const json::value* effective) {
    const json::object* generated = generated_of(context_.layers, path);
    const auto injected = wait_elements(generated->if_contains(path.back()));
    const auto own = wait_elements(own_waits(path));
    const bool is_list = submitted.is_array() || submitted.is_object() || submitted.is_string();
    if (!is_list || injected.empty()) {
      if (is_promoted(path) || effective == nullptr || !jsonx::same(*effective, submitted))
        emit(path, submitted);
      return;
    }
    const auto contains = [](const std::vector<json::value>& list, const json::value& wait) {
      return std::any_of(list.begin(), list.end(), [&](const auto& one) { return jsonx::same(one, wait); });
    };
    json::array wanted;
    for (json::value& wait : wait_elements(&submitted)) {
      if (contains(own, wait) || !contains(injected, wait)) wanted.push_back(std::move(wait));
    }
    const bool changed = !jsonx::same(json::value(wanted), json::array(own.begin(), own.end()));
    if (!changed && !is_promoted(path)) return;
    if (path.back() == "wait_for_dir" && wanted.size() < 2) {
      emit(path, wanted.empty() ? json::value("") : wanted.front());
    } else {
      emit(path, std::move(wanted));
    }
  }

  const json::value* own_waits(const JsonPath& path) {
    if (const json::value* own = jsonx::find(user_now_, path)) return own;
    template_ = template_of(context_.model, JsonPath(path.begin(), path.end() - 1));
    return template_.if_contains(path.back());
  }

  void remove(const JsonPath& path) {
    const auto& edits = context_.layers.edits;
    const bool edited =
        std::any_of(edits.begin(), edits.end(), [&](const Edit& e) { return is_below(e.path, path); });
    const bool stored = jsonx::find(user_now_, path) != nullptr;
    const bool saved = jsonx::find(context_.layers.user, path) != nullptr;
    if (persist_ == Manager::Persist::yes ? saved || edited : stored)
      out_.push_back({path, std::nullopt, {}});
  }

  void emit(const JsonPath& path, json::value value) { out_.push_back({path, std::move(value), {}}); }

  static JsonPath below(JsonPath path, std::string_view step) {
    path.emplace_back(step);
    return path;
  }

  const UpdateContext& context_;
  Manager::Persist persist_;
  Missing missing_;
  bool in_open_map_ = false;
  json::object user_now_;
  json::object template_;
  Edits out_;
};

bool same_block(const JsonPath& fault, const Edits& edits) {
  return std::any_of(edits.begin(), edits.end(), [&](const Edit& edit) {
    return is_below(edit.path, fault) || is_below(fault, edit.path);
  });
}

}  // namespace

Edits block_edits(const UpdateContext& context, const JsonPath& path, const json::object& updates,
                  Manager::Persist persist) {
  Differ differ(context, persist, Missing::removed);
  for (const auto& [key, value] : updates) {
    JsonPath member = path;
    member.emplace_back(key);
    differ.visit(member, value);
  }
  return differ.take();
}

Edits global_edits(const UpdateContext& context, const json::object& updates) {
  Differ differ(context, Manager::Persist::yes, Missing::kept);
  for (const auto& [key, value] : updates) differ.visit({std::string(key)}, value);
  return differ.take();
}

void normalise_updates(json::object& updates, const JsonPath& path, const Model& model) {
  const json::object* node = path.empty() ? &model.schema : &block_schema(model, path);
  fix_nulls(updates, node);
  normalise_levels(updates, node);
}

Layers with_update(const Layers& layers, const Edits& edits, const Edits& session_edits,
                   Manager::Persist persist) {
  Layers next = layers;
  if (persist == Manager::Persist::yes) {
    apply_edits(next.user, edits);
    next.edits = without_saved(std::move(next.edits), edits);
    for (const Edit& edit : edits) {
      // The supervisor computes it anew from what the user wants now.
      const auto found = edit.path.empty()
                             ? next.generated.end()
                             : next.generated.find(JsonPath(edit.path.begin(), edit.path.end() - 1));
      if (found == next.generated.end() || edit.path.back() == "env" || is_wait_field(edit.path.back()))
        continue;
      if (found->second.contains(edit.path.back())) found->second.stable_erase(edit.path.back());
    }
  }
  next.edits = with_edits(std::move(next.edits), session_edits);
  return next;
}

Edits edits_over_variables(const Edits& edits, const Overrides& overrides) {
  Edits out;
  for (const Edit& edit : edits) {
    if (edit.value && override_touching(overrides, edit.path) != nullptr) out.push_back(edit);
  }
  return out;
}

schema::Faults check_update(const Layers& layers, const json::object& effective, const json::object& before,
                            const Edits& edits, const Model& model) {
  schema::Faults faults = check_schema(base_of(layers.user, model), model);
  const schema::Faults more = check_document(effective, model);
  faults.insert(faults.end(), more.begin(), more.end());
  const schema::Faults old = check_sources(before);
  for (schema::Fault& fault : check_sources(effective)) {
    const bool known =
        std::any_of(old.begin(), old.end(), [&](const auto& one) { return one.path == fault.path; });
    if (!known || same_block(fault.path, edits)) faults.push_back(std::move(fault));
  }
  schema::sort_by_path(faults);
  return faults;
}

}  // namespace dumb::config
