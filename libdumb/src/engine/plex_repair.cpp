#include "engine/plex_repair.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/resolve.hpp>

namespace dumb::engine {
namespace {

using std::chrono::milliseconds;

constexpr double longest = 100.0 * 366 * 24 * 60;  // minutes; keeps a huge number from overflowing

const json::object empty_object;

const json::object& object_at(const json::object& document, const JsonPath& path) {
  const json::value* value = jsonx::find(document, path);
  return value != nullptr && value->is_object() ? value->get_object() : empty_object;
}

double number_at(const json::object& object, std::string_view key, double otherwise) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : otherwise;
}

milliseconds minutes_of(double minutes, double least, milliseconds minute) {
  return milliseconds(
      std::llround(std::clamp(minutes, least, longest) * static_cast<double>(minute.count())));
}

Result<std::vector<std::string>> words(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return out;
  if (value->is_string()) {
    auto split = text::shell_words(std::string_view(value->get_string()));
    if (!split)
      return Error(Errc::invalid_config, split.error().message(), "/plex/dbrepair/" + std::string(key));
    return *split;
  }
  if (value->is_array()) {
    for (const json::value& word : value->get_array()) out.push_back(jsonx::scalar_text(word));
  }
  return out;
}

/// The command as configured, placeholders and all.
Result<std::vector<std::string>> configured_command(const json::object& repair) {
  auto command = words(repair, "command");
  if (!command) return command;
  if (command->empty()) {
    const auto script = words(repair, "script_args");
    if (!script) return script;
    const std::filesystem::path directory = jsonx::string_at(repair, "install_dir");
    command->push_back((directory / jsonx::string_at(repair, "executable", "DBRepair.sh")).native());
    for (const char* option : {"sqlite", "databases"}) {
      command->push_back("--" + std::string(option));
      command->push_back(jsonx::string_at(repair, std::string(option) + "_path"));
    }
    for (const std::string& word : *script) {
      // Plex is stopped and started here, not by the script.
      if (!text::iequals(word, "start") && !text::iequals(word, "stop")) command->push_back(word);
    }
  }
  const auto required = words(repair, "required_args");
  if (!required) return required;
  for (const std::string& word : *required) {
    if (std::find(command->begin(), command->end(), word) == command->end()) command->push_back(word);
  }
  return command;
}

}  // namespace

RepairSettings repair_settings(const json::object& document, milliseconds minute) {
  const json::object& repair = object_at(document, {"plex", "dbrepair"});
  RepairSettings settings;
  settings.enabled = jsonx::bool_at(repair, "enabled", false);
  settings.interval = minutes_of(number_at(repair, "interval_minutes", 10080), 1, minute);
  settings.idle_check = minutes_of(number_at(repair, "idle_check_minutes", 5), 1, minute);
  settings.multiplier = std::clamp(number_at(repair, "backoff_multiplier", 2.0), 1.0, 1000.0);
  settings.max_backoff = minutes_of(number_at(repair, "max_backoff_minutes", 60), 1, minute);
  settings.max_wait = minutes_of(number_at(repair, "max_wait_minutes", 0), 0, minute);
  return settings;
}

void RepairSchedule::begin(SteadyTime now) {
  base_ = now;
  due_ = now + settings_.interval;
  busy_since_.reset();
}

void RepairSchedule::set(const RepairSettings& settings, SteadyTime now) {
  const bool changed = settings.interval != settings_.interval;
  settings_ = settings;
  if (!settings.enabled) {
    due_.reset();
    busy_since_.reset();
  } else if (!due_) {
    begin(now);
  } else if (changed && !busy_since_) {
    due_ = base_ + settings.interval;
  }
}

RepairSchedule::Verdict RepairSchedule::decide(PlexUse use, SteadyTime now) {
  if (use != PlexUse::busy) {
    begin(now);
    return use == PlexUse::idle ? Verdict::run : Verdict::skipped;
  }
  if (!busy_since_) {
    busy_since_ = now;
    pause_ = settings_.idle_check;
  }
  const bool limited = settings_.max_wait.count() > 0;
  if (limited && now - *busy_since_ >= settings_.max_wait) {
    begin(now);
    return Verdict::gave_up;
  }
  due_ = now + pause_;
  if (limited) due_ = std::min(*due_, *busy_since_ + settings_.max_wait);
  const double grown = static_cast<double>(pause_.count()) * settings_.multiplier;
  const double most = static_cast<double>(std::max(settings_.max_backoff, settings_.idle_check).count());
  pause_ = milliseconds(std::llround(std::min(grown, most)));
  return Verdict::postponed;
}

void RepairSchedule::ran(SteadyTime now) {
  if (due_) begin(now);
}

std::optional<std::int64_t> plex_items(std::string_view body) {
  const auto answer = jsonx::parse(body);
  if (!answer || !answer->is_object()) return std::nullopt;
  const json::value* container = answer->get_object().if_contains("MediaContainer");
  if (container == nullptr || !container->is_object()) return std::nullopt;
  const json::value* size = container->get_object().if_contains("size");
  if (size == nullptr) return std::nullopt;
  const auto number = text::to_int(jsonx::scalar_text(*size));
  if (!number || *number < 0) return std::nullopt;
  return number;
}

std::optional<std::vector<std::string>> plex_schedules(std::string_view body) {
  const auto count = plex_items(body);
  if (!count) return std::nullopt;
  std::vector<std::string> targets;
  const json::value answer = *jsonx::parse(body);
  const json::value* recorders = jsonx::find(answer, {"MediaContainer", "Dvr"});
  if (recorders != nullptr && recorders->is_array()) {
    for (const json::value& recorder : recorders->get_array()) {
      std::string key = recorder.is_object() ? jsonx::string_at(recorder.get_object(), "key") : std::string();
      if (text::blank(key) || key.find_first_of(" \r\n\t?#") != std::string::npos) return std::nullopt;
      if (!key.starts_with('/')) key = "/livetv/dvrs/" + key;
      targets.push_back(key + "/schedule");
    }
  }
  if (*count > 0 && targets.empty()) return std::nullopt;
  return targets;
}

std::string plex_token(std::string_view preferences) {
  constexpr std::string_view attribute = "PlexOnlineToken=";
  for (std::size_t at = preferences.find(attribute); at != std::string_view::npos;
       at = preferences.find(attribute, at + 1)) {
    const std::size_t open = at + attribute.size();
    if (at == 0 || open >= preferences.size() || !text::blank(preferences.substr(at - 1, 1))) continue;
    const char quote = preferences[open];
    if (quote != '"' && quote != '\'') continue;
    const std::size_t close = preferences.find(quote, open + 1);
    if (close == std::string_view::npos) return {};
    return std::string(text::trim(preferences.substr(open + 1, close - open - 1)));
  }
  return {};
}

Result<RepairLaunch> repair_launch(const config::Snapshot& config, const Root& root,
                                   const config::Environment& inherited) {
  json::object document = config.effective();
  const json::object plex = object_at(document, {"plex"});
  json::object repair = object_at(document, {"plex", "dbrepair"});
  const auto command = configured_command(repair);
  if (!command) return command.error();
  repair["command"] = json::array(command->begin(), command->end());
  std::string directory = jsonx::string_at(repair, "work_dir");
  if (text::blank(directory)) directory = jsonx::string_at(plex, "config_dir");
  repair["config_dir"] = directory;
  repair["plex_config_dir"] = jsonx::string_at(plex, "config_dir");
  std::vector<std::string> paths = supervisor::own_paths(repair);
  std::erase_if(paths, [](const std::string& path) { return lies_below(path, "/usr"); });

  // Resolved as a block of its own, with its paths as configuration spells them.
  supervisor::ResolveRequest request;
  request.block.process_name = "Plex DBRepair";
  request.block.config_key = "plex";
  request.block.path = {"plex", "dbrepair"};
  jsonx::set(document, request.block.path, repair);
  request.config = std::make_shared<const config::Snapshot>(document, config.base(), config.generation());
  request.inherited = inherited;
  auto resolved = supervisor::resolve_launch(request);
  if (!resolved) return resolved.error();

  RepairLaunch launch;
  for (const std::string& word : resolved->argv)
    launch.argv.push_back(supervisor::map_argument(word, paths, root));
  const json::object& own = object_at(resolved->block, {"env"});
  for (const std::string& entry : resolved->env) {
    const bool is_own = own.contains(std::string_view(entry).substr(0, entry.find('=')));
    launch.env.push_back(is_own ? supervisor::map_argument(entry, paths, root) : entry);
  }
  launch.directory = directory.empty() ? root.prefix() : root.map(directory);
  const std::string log_file = jsonx::string_at(repair, "log_file");
  if (!text::blank(log_file)) launch.log_file = root.map(log_file);
  return launch;
}

}  // namespace dumb::engine
