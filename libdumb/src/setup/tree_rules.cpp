#include "setup/tree_rules.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

std::string_view stage_name(Pending::Stage stage) {
  switch (stage) {
    case Pending::Stage::building:
      return "building";
    case Pending::Stage::ready:
      return "ready";
    case Pending::Stage::activated:
      return "activated";
  }
  return "building";
}

Pending::Stage stage_of(std::string_view name) {
  if (name == "ready") return Pending::Stage::ready;
  return name == "activated" ? Pending::Stage::activated : Pending::Stage::building;
}

std::vector<std::string> texts(const json::object& object, std::string_view member) {
  std::vector<std::string> out;
  const json::value* list = object.if_contains(member);
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& element : list->get_array()) out.push_back(jsonx::scalar_text(element));
  return out;
}

}  // namespace

json::object encode_state(const TreeState& state) {
  json::object out;
  out["current"] = state.current;
  out["previous"] = state.previous;
  out["pending"] = nullptr;
  if (state.pending) {
    json::object pending;
    pending["id"] = state.pending->id;
    pending["stage"] = stage_name(state.pending->stage);
    pending["started_at"] = state.pending->started_at;
    out["pending"] = std::move(pending);
  }
  if (state.adoption) {
    json::object adoption;
    adoption["id"] = state.adoption->id;
    adoption["entries"] = json::array(state.adoption->entries.begin(), state.adoption->entries.end());
    adoption["nested"] = json::array(state.adoption->nested.begin(), state.adoption->nested.end());
    out["adoption"] = std::move(adoption);
  }
  out["version"] = state.version;
  out["previous_version"] = state.previous_version;
  out["sha256"] = state.sha256;
  out["refused"] = state.refused;
  return out;
}

Result<TreeState> decode_state(std::string_view text) {
  const auto value = jsonx::parse(text);
  if (!value) return failure(Failure::bad_file, "state.json: " + value.error().message());
  if (!value->is_object()) return failure(Failure::bad_file, "state.json must hold an object");
  const json::object& object = value->get_object();
  TreeState state;
  state.current = jsonx::string_at(object, "current");
  state.previous = jsonx::string_at(object, "previous");
  state.version = jsonx::string_at(object, "version");
  state.previous_version = jsonx::string_at(object, "previous_version");
  state.sha256 = jsonx::string_at(object, "sha256");
  state.refused = jsonx::string_at(object, "refused");
  if (const json::value* pending = object.if_contains("pending");
      pending != nullptr && pending->is_object()) {
    const json::object& members = pending->get_object();
    state.pending = Pending{jsonx::string_at(members, "id"), stage_of(jsonx::string_at(members, "stage")),
                            text::to_int(jsonx::text_at(members, "started_at")).value_or(0)};
  }
  if (const json::value* adoption = object.if_contains("adoption");
      adoption != nullptr && adoption->is_object()) {
    const json::object& members = adoption->get_object();
    state.adoption.emplace();
    state.adoption->id = jsonx::string_at(members, "id");
    state.adoption->entries = texts(members, "entries");
    state.adoption->nested = texts(members, "nested");
  }
  return state;
}

std::string tree_id(std::string_view version, std::string_view sha256) {
  std::string out;
  for (const char c : version) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || c == '+' || c == '@';
    out += plain ? c : '_';
  }
  if (out.empty() || out.front() == '.') out.insert(0, 1, '_');
  out.resize(std::min<std::size_t>(out.size(), 120));
  return out + "-" + std::string(sha256.substr(0, 8));
}

Recovery recover(TreeState state, const Found& found) {
  Recovery out;
  // The link is what services run from: it decides, whatever was written before or after it.
  if (state.pending && state.pending->id == found.current) {
    if (state.pending->stage == Pending::Stage::ready) state.pending->stage = Pending::Stage::activated;
  } else if (state.pending && state.pending->stage == Pending::Stage::activated) {
    state.pending->stage = Pending::Stage::ready;
    state.current = found.current;
    if (state.previous == found.current) state.version = state.previous_version;
  }
  if (state.pending && state.pending->stage != Pending::Stage::activated &&
      !found.complete.contains(state.pending->id)) {
    if (found.trees.contains(state.pending->id)) out.remove.push_back(state.pending->id);
    state.pending.reset();
  } else if (state.pending && state.pending->stage == Pending::Stage::building) {
    state.pending->stage = Pending::Stage::ready;
  }
  if (!found.current.empty()) state.current = found.current;
  for (const std::string& tree : found.trees) {
    const bool wanted = tree == state.current || tree == state.previous || found.complete.contains(tree) ||
                        (state.adoption && state.adoption->id == tree);
    if (!wanted && std::find(out.remove.begin(), out.remove.end(), tree) == out.remove.end())
      out.remove.push_back(tree);
  }
  out.on_trial = state.pending && state.pending->stage == Pending::Stage::activated;
  out.state = std::move(state);
  return out;
}

std::vector<std::string> unneeded(const TreeState& state, const std::set<std::string>& trees, int kept) {
  std::vector<std::string> out;
  for (const std::string& tree : trees) {
    const bool previous = kept > 1 && tree == state.previous;
    const bool pending = state.pending && tree == state.pending->id;
    if (tree != state.current && !previous && !pending) out.push_back(tree);
  }
  return out;
}

std::vector<std::string> kept_paths(const std::string& root, const std::vector<std::string>& paths) {
  std::set<std::string> names;
  for (const std::string& path : paths) {
    if (text::blank(path)) continue;
    fs::path whole =
        (fs::path(path).is_absolute() ? fs::path(path) : fs::path(root) / path).lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path();
    const std::string relative = whole.lexically_relative(root).native();
    if (relative.empty() || relative == "." || relative.starts_with("..")) continue;
    names.insert(relative);
  }
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const bool inside = std::any_of(out.begin(), out.end(), [&](const std::string& other) {
      return name.size() > other.size() && name.starts_with(other) && name[other.size()] == '/';
    });
    if (!inside) out.push_back(name);
  }
  return out;
}

std::string home_of_kept(const std::string& kept, const std::set<std::string>& archived_tops) {
  const std::size_t slash = kept.find('/');
  if (slash == std::string::npos || !archived_tops.contains(kept.substr(0, slash))) return kept;
  return ".dumb/keep/" + kept;
}

std::string relative_target(std::string_view from, std::string_view to) {
  return fs::path(to).lexically_relative(fs::path(from).parent_path().empty() ? fs::path(".")
                                                                              : fs::path(from).parent_path());
}

}  // namespace dumb::setup
