#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/paths.hpp>
#include <dumb/symlinks/rules.hpp>
#include <utility>

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_rules = 1024;
constexpr std::size_t most_presets = 64;

struct Preset {
  std::string_view name;
  std::vector<RewriteRule> rules;
};

const std::array<Preset, 1>& presets() {
  static const std::array<Preset, 1> table{{
      {"decypharr_beta_consolidated",
       {{"/mnt/debrid/decypharr/realdebrid/__all__", "/mnt/debrid/decypharr/__all__"}}},
  }};
  return table;
}

std::string_view without_trailing_slashes(std::string_view text) noexcept {
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  return text;
}

Error refused(std::string_view what, std::string_view value, std::string_view why) {
  return {Errc::invalid_argument, std::string(what) + " \"" + printable(value) + "\" " + std::string(why)};
}

}  // namespace

const std::vector<RewriteRule>* find_preset(std::string_view name) {
  for (const Preset& preset : presets()) {
    if (preset.name == name) return &preset.rules;
  }
  return nullptr;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

Result<std::vector<RewriteRule>> effective_rules(const RepairRequest& request) {
  std::vector<RewriteRule> rules;
  if (request.presets) {
    if (request.presets->size() > most_presets) return Error(Errc::invalid_argument, "more than 64 presets");
    for (const std::string& given : *request.presets) {
      const std::string_view name = text::trim(given);
      if (name.empty()) continue;
      const auto* found = find_preset(name);
      if (found == nullptr) return refused("preset", name, "is not known");
      rules.insert(rules.end(), found->begin(), found->end());
    }
  }
  if (request.rewrite_rules) {
    if (request.rewrite_rules->size() > most_rules) {
      return Error(Errc::invalid_argument, "more than 1024 rewrite rules");
    }
    for (const RewriteRule& given : *request.rewrite_rules) {
      RewriteRule rule{std::string(text::trim(given.from_prefix)), std::string(text::trim(given.to_prefix))};
      if (rule.from_prefix.empty()) return refused("from_prefix", given.from_prefix, "is blank");
      if (rule.to_prefix.empty()) return refused("to_prefix", given.to_prefix, "is blank");
      if (without_trailing_slashes(rule.from_prefix).empty()) {
        return refused("from_prefix", given.from_prefix, "would match every absolute target");
      }
      if ((rule.from_prefix + rule.to_prefix).find('\0') != std::string::npos) {
        return refused("rule", given.from_prefix, "holds a NUL");
      }
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

Rewriter::Rewriter(const std::vector<RewriteRule>& rules) {
  for (const RewriteRule& rule : rules) {
    Prepared prepared;
    prepared.from = without_trailing_slashes(rule.from_prefix);
    prepared.to = without_trailing_slashes(rule.to_prefix);
    prepared.to_root = prepared.to.empty();
    prepared.to_inside_from =
        prepared.to.size() > prepared.from.size() && is_within(prepared.to, prepared.from);
    rules_.push_back(std::move(prepared));
  }
}

std::optional<std::size_t> Rewriter::rewrite(std::string_view target, std::string& result) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Prepared& rule = rules_[i];
    if (!is_within(target, rule.from)) continue;
    if (rule.to_inside_from && is_within(target, rule.to)) return std::nullopt;
    const std::string_view rest = target.substr(rule.from.size());
    if (rule.to_root && rest.empty()) {
      result.assign(1, '/');
    } else {
      result.assign(rule.to).append(rest);
    }
    return result == target ? std::nullopt : std::optional<std::size_t>(i);
  }
  return std::nullopt;
}

namespace {

/// `to` as reached from `from`, both absolute and normalised: as many ".." as needed, then the rest.
std::string relative_path(std::string_view from, std::string_view to) {
  std::string_view common = to;
  while (!is_within(from, common)) common = parent_path(common);
  std::string out;
  for (std::string_view at = from; at != common; at = parent_path(at)) out += out.empty() ? ".." : "/..";
  const std::string_view rest = below(to, common);
  if (!rest.empty()) {
    if (!out.empty()) out += '/';
    out += rest;
  }
  return out;
}

}  // namespace

std::optional<Retarget> retarget(std::string_view target, std::string_view old_directory,
                                 std::string_view new_directory) {
  if (target.empty() || target.front() == '/') return std::nullopt;
  Retarget out;
  out.resolved = lexical_path(join_path(old_directory, target));
  if (out.resolved == lexical_path(join_path(new_directory, target))) return std::nullopt;
  std::string_view rest = target;
  std::string_view base = old_directory;
  for (;;) {  // leading "." and ".." components; what follows them stays as it is spelled
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part == "..") {
      base = parent_path(base);
    } else if (!part.empty() && part != ".") {
      break;
    }
    rest.remove_prefix(end == rest.size() ? end : end + 1);
    if (rest.empty()) break;
  }
  out.recomputed = relative_path(new_directory, base);
  if (!rest.empty()) {
    if (!out.recomputed.empty()) out.recomputed += '/';
    out.recomputed += rest;
  }
  if (out.recomputed.empty()) out.recomputed = ".";
  return out;
}

}  // namespace dumb::symlinks
