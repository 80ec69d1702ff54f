#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/restart_policy.hpp>

namespace dumb::supervisor {
namespace {

constexpr double longest_seconds = 365.0 * 86'400;

/// Reads what is there and leaves the rest; a document that was validated holds nothing else (CFG-14).
class Fields {
 public:
  explicit Fields(const json::object& from) : from_(from) {}

  void read(std::string_view key, bool& into) const {
    const json::value* value = from_.if_contains(key);
    if (value != nullptr && value->is_bool()) into = value->get_bool();
  }
  void read(std::string_view key, int& into, int least) const {
    const json::value* value = from_.if_contains(key);
    if (value == nullptr || !value->is_number()) return;
    into = static_cast<int>(std::clamp(value->to_number<double>(), double(least), 1e9));
  }
  void read(std::string_view key, double& into, double least, double most) const {
    const json::value* value = from_.if_contains(key);
    if (value != nullptr && value->is_number()) into = std::clamp(value->to_number<double>(), least, most);
  }
  void read(std::string_view key, Duration& into) const {
    const json::value* value = from_.if_contains(key);
    if (value != nullptr && value->is_number()) into = seconds(*value);
  }
  void read(std::string_view key, std::vector<Duration>& into) const {
    const json::value* value = from_.if_contains(key);
    if (value == nullptr || !value->is_array()) return;
    into.clear();
    for (const json::value& element : value->get_array()) {
      if (element.is_number()) into.push_back(seconds(element));
    }
  }

 private:
  static Duration seconds(const json::value& value) {
    const double number = std::clamp(value.to_number<double>(), 0.0, longest_seconds);
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(number));
  }
  const json::object& from_;
};

void overlay(const json::object& from, RestartSettings& settings) {
  const Fields fields(from);
  fields.read("restart_on_unhealthy", settings.restart_on_unhealthy);
  fields.read("healthcheck_interval", settings.check_interval);
  fields.read("unhealthy_threshold", settings.unhealthy_threshold, 1);
  fields.read("max_restarts", settings.max_restarts, 0);
  fields.read("window_seconds", settings.window);
  fields.read("backoff_seconds", settings.backoff);
  fields.read("grace_period_seconds", settings.grace);
  fields.read("backoff_multiplier", settings.backoff_multiplier, 1, 100);
  fields.read("backoff_max_seconds", settings.backoff_max);
  fields.read("backoff_jitter", settings.backoff_jitter, 0, 1);
  fields.read("healthy_reset_seconds", settings.healthy_reset);
}

/// A plain string is an entry that sets nothing.
bool is_named(const json::value& entry, std::string_view wanted) {
  if (const auto* name = entry.if_string()) return text::iequals(text::trim(*name), wanted);
  const auto* object = entry.if_object();
  const json::value* name = object != nullptr ? object->if_contains("process_name") : nullptr;
  const auto* own = name != nullptr ? name->if_string() : nullptr;
  return text::iequals(own != nullptr ? text::trim(*own) : std::string_view(), wanted);
}

}  // namespace

RestartSettings restart_settings(const json::object& document, std::string_view process_name) {
  RestartSettings settings;
  const json::value* found = jsonx::find(document, {"dumb", "auto_restart"});
  if (found == nullptr || !found->is_object()) return settings;
  const json::object& global = found->get_object();
  overlay(global, settings);
  const json::value* services = global.if_contains("services");
  if (services == nullptr || !services->is_array()) return settings;
  const std::string_view wanted = text::trim(process_name);
  for (const json::value& entry : services->get_array()) {
    if (!is_named(entry, wanted)) continue;
    settings.enabled = jsonx::bool_at(global, "enabled", false);
    if (const auto* own = entry.if_object()) {
      settings.enabled = settings.enabled && jsonx::bool_at(*own, "enabled", true);
      overlay(*own, settings);
    }
    return settings;
  }
  return settings;
}

}  // namespace dumb::supervisor
