#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <set>

#include "setup/obscure.hpp"
#include "setup/run_posix.hpp"

/// Steps that compute values: set, secret, pick-port, require, obscure, capture, launch.
namespace dumb::setup {
namespace {

/// Variables that are recomputed whatever the user's block holds (SVC-12).
bool always_recomputed(std::string_view key, std::string_view variable) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 16> table{{
      {"cli_debrid", "CLI_DEBRID_PORT"},
      {"cli_debrid", "CLI_DEBRID_BATTERY_PORT"},
      {"cli_battery", "CLI_DEBRID_BATTERY_PORT"},
      {"seerr", "PORT"},
      {"huntarr", "HUNTARR_PORT"},
      {"phalanx_db", "PORT"},
      {"dumb_frontend", "HOST"},
      {"dumb_frontend", "PORT"},
      {"dumb_frontend", "DUMB_API_URL"},
      {"riven_frontend", "HOST"},
      {"riven_frontend", "PORT"},
      {"nzbdav", "PORT"},
      {"nzbdav", "ASPNETCORE_URLS"},
      {"nzbdav", "BACKEND_URL"},
      {"zilean", "Zilean__Database__ConnectionString"},
      {"zilean", "ASPNETCORE_URLS"},
  }};
  return std::find(table.begin(), table.end(), std::pair(key, variable)) != table.end();
}

/// Whether the user's own `env` entry stands above what a step would set (SVC-11, SVC-145).
bool user_env_wins(const Run& run, std::string_view name) {
  if (!name.starts_with("env.")) return false;
  const std::string_view variable = name.substr(4);
  const json::value* env = run.scope.own().if_contains("env");
  const json::object* own = env == nullptr ? nullptr : env->if_object();
  if (own == nullptr || own->empty()) return false;
  const json::value* base = jsonx::find(run.context.config->base(), run.context.block.path);
  const json::value* given =
      base == nullptr || !base->is_object() ? nullptr : base->get_object().if_contains("env");
  const json::object* user = given == nullptr ? nullptr : given->if_object();
  if (user == nullptr) return false;
  if (run.service.key == "zurg") return !user->empty();
  if (!user->contains(variable) || always_recomputed(run.service.key, variable)) {
    // An ASPNETCORE_URLS of the user's own making is his.
    if (run.service.key != "zilean" || variable != "ASPNETCORE_URLS" || !user->contains(variable))
      return false;
    return !text_of(user->at(variable)).starts_with("http://+:");
  }
  return true;
}

Result<std::string> required_text(Run& run, const json::object& step, std::string_view member) {
  const json::value* found = step.if_contains(member);
  if (found == nullptr) return failure(Failure::bad_value, fmt::format("the step needs {}", member));
  return run.scope.text(*found);
}

bool persists(const json::object& step) {
  return jsonx::bool_at(step, "persist", false);
}

/// One sentence for a condition that does not hold.
std::string describe(Run& run, const json::value& condition) {
  const json::object* object = condition.if_object();
  if (object == nullptr || object->empty()) return "a requirement is not met";
  if (const json::value* all = object->if_contains("all"); all != nullptr && all->is_array()) {
    for (const json::value& part : all->get_array()) {
      const auto met = holds(part, run.scope);
      if (met && !*met) return describe(run, part);
    }
  }
  const auto& [kind, operand] = *object->begin();
  if (kind == "field" && object->contains("is")) {
    const std::string name = text_of(operand);
    const std::string wanted = text_of(object->at("is"));
    return wanted == "set" ? name + " must be set" : fmt::format("{} must be {}", name, wanted);
  }
  if (kind == "exists" || kind == "executable") {
    const auto path = run.scope.path(operand);
    const std::string shown = path ? path->native() : text_of(operand);
    return shown + (kind == "exists" ? " does not exist" : " is not an executable program");
  }
  if (kind == "service_running") return text_of(operand) + " is not running";
  return "this does not hold: " + jsonx::print_compact(condition);
}

std::uint64_t trailing_number(const std::string& name) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] < '0' || name[i] > '9') continue;
    number = 0;
    for (; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i) {
      number = number * 10 + static_cast<std::uint64_t>(name[i] - '0');
    }
  }
  return number;
}

Result<json::value> find_by_pattern(Run& run, const json::object& step) {
  const auto pattern = run.scope.path(step.at("glob"));
  if (!pattern) return pattern.error();
  auto paths = glob(*pattern);
  if (jsonx::string_at(step, "pick") == "highest-number") {
    std::stable_sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
      return trailing_number(a.filename().native()) < trailing_number(b.filename().native());
    });
  }
  if (!paths.empty()) return json::value(json::string(run.context.root.unmap(paths.back()).native()));
  const json::value* otherwise = step.if_contains("otherwise");
  return otherwise == nullptr ? Result<json::value>(json::value(nullptr)) : run.scope.expand(*otherwise);
}

}  // namespace

Effect assign_member(Run& run, std::string_view name, json::value value, bool persist) {
  const json::value* current = catalog::member(run.scope.own(), name);
  const bool same = current != nullptr && jsonx::same(*current, value);
  run.scope.assign(name, value);
  if (name.starts_with("var.")) return Effect::none;
  if (persist && same) return Effect::none;
  jsonx::set(persist ? run.outcome.persisted : run.outcome.generated, text::split(name, '.'),
             std::move(value));
  return same ? Effect::none : Effect::changed;
}

StepResult step_set(Run& run, const json::object& step) {
  const json::value* fields = step.if_contains("fields");
  if (fields == nullptr || !fields->is_object()) return failure(Failure::bad_value, "the step needs fields");
  Effect effect = Effect::none;
  for (const auto& [name, expression] : fields->get_object()) {
    if (!persists(step) && user_env_wins(run, name)) continue;
    auto value = run.scope.expand(expression);
    if (!value) return value.error();
    if (assign_member(run, name, std::move(*value), persists(step)) == Effect::changed)
      effect = Effect::changed;
  }
  return effect;
}

StepResult step_secret(Run& run, const json::object& step) {
  const auto name = required_text(run, step, "field");
  if (!name) return name.error();
  const json::value* current = catalog::member(run.scope.own(), *name);
  if (current != nullptr && !catalog::is_blank(*current)) return Effect::none;
  const json::value* count = step.if_contains("bytes");
  const auto bytes = count == nullptr ? std::optional<std::int64_t>(32) : text::to_int(text_of(*count));
  if (!bytes || *bytes < 1 || *bytes > 4096)
    return failure(Failure::bad_value, "bytes must be between 1 and 4096");
  const std::string random = run.facts.random_bytes(static_cast<std::size_t>(*bytes));
  const std::string secret = jsonx::string_at(step, "encoding", "hex") == "hex"
                                 ? text::hex_encode(random)
                                 : text::base64url_encode(random);
  return assign_member(run, *name, json::value(json::string(secret)), persists(step));
}

StepResult step_pick_port(Run& run, const json::object& step) {
  const auto name = required_text(run, step, "field");
  if (!name) return name.error();
  const json::value* current = catalog::member(run.scope.own(), *name);
  if (current != nullptr && !catalog::is_blank(*current) && text_of(*current) != "0") return Effect::none;
  const auto low = required_text(run, step, "low");
  const auto high = required_text(run, step, "high");
  if (!low || !high) return low ? high.error() : low.error();
  const auto first = text::to_int(*low);
  const auto last = text::to_int(*high);
  if (!first || !last || *first < 1 || *last > 65535)
    return failure(Failure::bad_value, "low and high must be ports");
  std::set<std::int64_t> claimed;
  for (const config::BlockRef& ref : run.context.config->blocks()) {
    for (const char* member : {"port", "frontend_port", "backend_port", "webdav_port"}) {
      const json::value* port = run.context.config->block(ref).if_contains(member);
      if (ref.enabled && port != nullptr) claimed.insert(text::to_int(text_of(*port)).value_or(0));
    }
  }
  for (std::int64_t port = *first; port <= *last; ++port) {
    if (claimed.contains(port) || !run.facts.port_free(static_cast<int>(port))) continue;
    return assign_member(run, *name, json::value(port), persists(step));
  }
  return failure(Failure::conflict, fmt::format("no port between {} and {} is free", *first, *last));
}

StepResult step_require(Run& run, const json::object& step) {
  const json::value* check = step.if_contains("check");
  if (check == nullptr) return failure(Failure::bad_value, "the step needs check");
  const auto met = holds(*check, run.scope);
  if (!met) return met.error();
  if (*met) return Effect::none;
  const auto code = codec::enum_value<Failure>(jsonx::string_at(step, "code", "missing_field"));
  return failure(code.value_or(Failure::bad_value), describe(run, *check));
}

StepResult step_obscure(Run& run, const json::object& step) {
  const auto value = required_text(run, step, "value");
  if (!value) return value.error();
  ObscureIv iv{};
  const std::string random = run.facts.random_bytes(iv.size());
  std::copy(random.begin(), random.end(), iv.begin());
  const auto hidden = obscure(*value, iv);
  if (!hidden) return hidden.error();
  return assign_member(run, jsonx::string_at(step, "into", "var.obscured"),
                       json::value(json::string(*hidden)), false);
}

StepResult step_capture(Run& run, const json::object& step) {
  const std::string into = jsonx::string_at(step, "into");
  if (!into.starts_with("var.")) return failure(Failure::bad_value, "into must be a variable");
  json::value value;
  if (step.contains("glob")) {
    auto found = find_by_pattern(run, step);
    if (!found) return found.error();
    value = std::move(*found);
  } else if (const json::value* candidates = step.if_contains("first_existing");
             candidates != nullptr && candidates->is_array()) {
    for (const json::value& candidate : candidates->get_array()) {
      const auto path = run.scope.path(candidate);
      if (!path || !run.facts.exists(*path)) continue;
      const auto spelled = run.scope.text(candidate);
      if (!spelled) return spelled.error();
      value = json::string(*spelled);
      break;
    }
  } else {
    return failure(Failure::bad_value, "the step needs first_existing or glob");
  }
  return assign_member(run, into, std::move(value), false);
}

StepResult step_launch(Run& run, const json::object& step) {
  Outcome::Companion companion;
  const auto name = required_text(run, step, "process_name");
  if (!name) return name.error();
  companion.process_name = *name;
  const json::value* argv = step.if_contains("argv");
  const auto words = run.scope.expand(argv == nullptr ? json::value(json::array()) : *argv);
  if (!words) return words.error();
  if (!words->is_array() || words->get_array().empty())
    return failure(Failure::bad_value, "the step needs argv");
  for (const json::value& word : words->get_array()) companion.argv.push_back(text_of(word));
  auto environment = run.context.environment;
  if (const json::value* given = step.if_contains("env")) {
    const auto env = run.scope.expand(*given);
    if (!env) return env.error();
    if (!env->is_object()) return failure(Failure::bad_value, "env must be an object");
    for (const auto& [variable, value] : env->get_object())
      environment[std::string(variable)] = text_of(value);
  }
  for (const auto& [variable, value] : environment) companion.env.push_back(variable + "=" + value);
  run.outcome.companions.push_back(std::move(companion));
  return Effect::none;
}

}  // namespace dumb::setup
