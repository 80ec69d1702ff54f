#include "engine/log_files.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::engine {
namespace {

namespace fs = std::filesystem;

std::string text_at(const config::Snapshot& config, const JsonPath& path, std::string_view otherwise) {
  const json::value* value = jsonx::find(config.effective(), path);
  if (value == nullptr || !value->is_string() || value->get_string().empty()) return std::string(otherwise);
  return std::string(value->get_string());
}

/// Path text of a configuration: trimmed, one shell word when it is quoted (CFG-91).
std::string path_text(std::string_view text) {
  const std::string trimmed(text::trim(text));
  if (trimmed.find_first_of("\\'\"") == std::string::npos) return trimmed;
  const auto words = text::shell_words(trimmed);
  return words && words->size() == 1 ? words->front() : trimmed;
}

LogSource main_log(const config::Snapshot& config, const Root& root) {
  LogSource source;
  source.main_log = true;
  const fs::path directory = root.map(text_at(config, {"dumb", "log_dir"}, "/log"));
  source.patterns.push_back({directory, text_at(config, {"dumb", "log_name"}, "DUMB") + "-"});
  source.allowed.push_back(directory);
  return source;
}

bool names_main_log(std::string_view folded) {
  return folded == "dumb" || folded == "dmb" || folded == "dumbapi" || folded == "dmbapi" ||
         folded == "dumbapiservice" || folded == "dmbapiservice";
}

}  // namespace

Result<LogSource> find_log(std::string_view name, const config::Snapshot& config, const Root& root) {
  LogSource source;
  source.allowed = {root.map(text_at(config, {"dumb", "log_dir"}, "/log")),
                    root.map(text_at(config, {"data_root"}, "/data")), root.map("/config")};
  const std::string folded = text::fold(text::replace_all(std::string(name), "_", " "));
  if (folded.empty()) return Error(Errc::invalid_argument, "process_name must not be blank");
  if (folded == "plexdbrepair" || folded == "dbrepair") {
    const std::string file = text_at(config, {"plex", "dbrepair", "log_file"}, "");
    if (!file.empty()) source.file = root.map(path_text(file));
    source.own_file = true;
    return source;
  }
  const config::BlockRef* ref = config.resolve(name);
  const bool is_api = ref != nullptr && ref->config_key == "dumb_api_service";
  if (is_api || (ref == nullptr && names_main_log(folded))) return main_log(config, root);
  if (ref == nullptr && folded == "traefikaccess") {
    source.file =
        root.map(path_text(text_at(config, {"traefik", "access_log_file"}, "/log/traefik_access.log")));
    source.own_file = true;
    return source;
  }
  if (ref == nullptr) {
    for (const config::BlockRef& other : config.blocks()) {
      if (text::iequals(other.process_name, text::trim(name))) ref = &other;
    }
  }
  if (ref == nullptr) {
    return Error(Errc::not_found, "there is no process named '" + std::string(text::trim(name)) + "'");
  }
  const json::object& block = config.block(*ref);
  const std::string directory = path_text(jsonx::string_at(block, "config_dir"));
  if (directory.size() > 1) source.allowed.push_back(root.map(directory));
  const std::string file = path_text(jsonx::string_at(block, "log_file"));
  if (!file.empty()) {
    source.file = root.map(file);
    return source;
  }
  const std::string settings = path_text(jsonx::string_at(block, "config_file"));
  if (!settings.empty()) source.patterns.push_back({root.map(fs::path(settings).parent_path()) / "logs", ""});
  if (!directory.empty()) source.patterns.push_back({root.map(directory) / "logs", ""});
  return source;
}

std::optional<fs::path> choose_log_file(const LogSource& source) {
  std::error_code error;
  fs::path chosen = source.file;
  for (const LogSource::Pattern& pattern : source.patterns) {
    if (!chosen.empty()) break;
    fs::file_time_type newest{};
    for (const fs::directory_entry& entry : fs::directory_iterator(pattern.directory, error)) {
      const std::string name = entry.path().filename().native();
      if (!name.starts_with(pattern.prefix) || !name.ends_with(".log") || !entry.is_regular_file(error))
        continue;
      // Rotated main logs carry an index behind the date; the active one does not.
      if (source.main_log && name.find('_', pattern.prefix.size()) != std::string::npos) continue;
      const fs::file_time_type time = entry.last_write_time(error);
      if (chosen.empty() || time > newest) {
        chosen = entry.path();
        newest = time;
      }
    }
  }
  if (chosen.empty() || !fs::is_regular_file(chosen, error)) return std::nullopt;
  if (source.own_file) return chosen;
  const fs::path real = fs::canonical(chosen, error);
  if (error) return std::nullopt;
  const bool inside =
      std::any_of(source.allowed.begin(), source.allowed.end(), [&](const fs::path& directory) {
        std::error_code ignored;
        const fs::path top = fs::weakly_canonical(directory, ignored);
        return !ignored && lies_below(real, top);
      });
  return inside ? std::optional(real) : std::nullopt;
}

}  // namespace dumb::engine
