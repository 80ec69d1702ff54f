#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

#include "setup/decypharr.hpp"
#include "setup/edits.hpp"
#include "setup/postgres.hpp"
#include "setup/rclone.hpp"
#include "setup/riven.hpp"
#include "setup/run_posix.hpp"
#include "setup/templates.hpp"
#include "setup/traefik.hpp"
#include "setup/xml.hpp"
#include "setup/zurg.hpp"

/// Steps that write whole files or edit them: render, edit.
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

/// Held while a file is read, changed and written, against another service's setup at work on the same file
/// (SVC-32). The lock is on the file's directory: the file itself is replaced by every write.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& file)
      : fd_(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_ && ::flock(fd_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
  }

 private:
  UniqueFd fd_;
};

/// The lines an edit wants, for people; "what is set up here" for edits of another kind.
std::string lines_of(const json::object& step) {
  const json::value* lines = step.if_contains("ensure");
  if (lines == nullptr || !lines->is_array()) return "what is set up here";
  std::vector<std::string> texts;
  for (const json::value& line : lines->get_array()) texts.push_back(jsonx::scalar_text(line));
  return text::join(texts, ", ");
}

/// A file of the machine, like /etc/fuse.conf: only root changes it, only from a stack that has no root
/// prefix or one that holds the file, and its owner stays.
bool is_host_file(const Run& run, const json::value& written, const fs::path& path) {
  return text_of(written).starts_with("/etc/") && path == run.context.host.map(text_of(written));
}

StepResult write(Run& run, const fs::path& path, const std::string& text, const file::WriteOptions& options) {
  if (auto made = file::make_directories(path.parent_path(), 0755, options.uid, options.gid); !made) {
    return Run::failed(made.error());
  }
  const auto written = file::write_if_changed(path, text, options);
  if (!written) return Run::failed(written.error());
  if (!*written) return Effect::none;
  run.changed(path);
  return Effect::changed;
}

Result<std::string> rendered_nzbdav(Run& run) {
  const auto member = [&](std::string_view name, const std::string& otherwise) {
    const std::string given = jsonx::text_at(run.scope.own(), name);
    return run.scope.mapped(text::blank(given) ? otherwise : given);
  };
  const std::string directory = jsonx::text_at(run.scope.own(), "config_dir");
  auto projects = glob(run.scope.mapped(directory) / "backend/*.csproj");
  // The one named NzbWebDAV, else the shortest path (SVC-171).
  std::stable_sort(projects.begin(), projects.end(), [](const fs::path& a, const fs::path& b) {
    const bool named_a = a.stem() == "NzbWebDAV";
    const bool named_b = b.stem() == "NzbWebDAV";
    return named_a != named_b ? named_a : a.native().size() < b.native().size();
  });
  NzbdavProgram program;
  program.output = member("backend_output_dir", directory + "/app");
  program.project = projects.empty() ? "NzbWebDAV" : projects.front().stem().native();
  program.executable = run.facts.executable(fs::path(program.output) / program.project);
  const fs::path frontend = run.scope.mapped(directory) / "frontend";
  if (run.facts.exists(frontend / "dist-node/server.js")) program.frontend = frontend;
  return nzbdav_start(program);
}

Result<std::string> rendered_pgadmin(Run& run) {
  const json::object* postgres = run.scope.block_of("postgres");
  if (postgres == nullptr) return failure(Failure::missing_field, "there is no postgres section");
  std::string tools = "/usr/bin";
  if (const auto psql = run.facts.tool("psql")) tools = psql->parent_path();
  return pgadmin_config(run.scope.own(), *postgres,
                        run.scope.mapped(jsonx::text_at(run.scope.own(), "config_dir")).native(), tools);
}

Result<std::string> rendered(Run& run, const json::object& step) {
  if (const json::value* content = step.if_contains("content")) {
    const auto value = run.scope.expand(*content);
    if (!value) return value.error();
    return value->is_string() ? std::string(value->get_string()) : jsonx::print(*value);
  }
  const std::string model = jsonx::string_at(step, "template");
  if (model == "postgresql-conf") return pg::new_configuration(run.scope.own());
  if (model == "zurg-config") return new_zurg_config(run.scope.own());
  if (model == "traefik-static") return yaml_document(traefik_static(run.scope));
  if (model == "nzbdav-start") return rendered_nzbdav(run);
  if (model == "pgadmin-config") return rendered_pgadmin(run);
  if (model == "riven-server-json") {
    json::object out;
    out["backendUrl"] = riven_backend_url(run.scope);
    out["apiKey"] = riven_api_key(run.scope);
    return jsonx::print(out);
  }
  return failure(Failure::not_installed, fmt::format("this build has no template {}", model));
}

Settings settings_of(const json::object& values) {
  Settings settings;
  for (const auto& [name, value] : values) {
    settings.push_back(
        {std::string(name), catalog::is_blank(value) ? std::nullopt : std::optional(text_of(value))});
  }
  return settings;
}

/// The expanded object member of a step; empty when it has none.
Result<json::object> values_of(Run& run, const json::object& step, std::string_view member) {
  const json::value* given = step.if_contains(member);
  if (given == nullptr) return json::object();
  auto value = run.scope.expand(*given);
  if (!value) return value.error();
  if (!value->is_object()) return failure(Failure::bad_value, fmt::format("{} must be an object", member));
  return std::move(value->get_object());
}

Result<std::string> edited_kv(Run& run, const json::object& step, const std::string& text) {
  const auto values = values_of(run, step, "set");
  if (!values) return values.error();
  Settings settings = settings_of(*values);
  if (run.service.key == "postgres") {
    const auto connection = pg::connection(run.scope.own());
    if (!connection) return connection.error();
    const std::string configured = jsonx::string_at(run.scope.own(), "run_directory");
    const auto directory =
        pg::socket_directory(run.scope.mapped(configured), configured, run.postgres_tools, connection->port);
    if (!directory) return directory.error();
    if (*directory) settings.push_back({"unix_socket_directories", **directory});
  }
  return edit_kv(text, settings);
}

Result<std::string> edited_lines(Run& run, const json::object& step, const std::string& text) {
  const json::value* ensure = step.if_contains("ensure");
  const auto lines = run.scope.expand(ensure == nullptr ? json::value(json::array()) : *ensure);
  if (!lines) return lines.error();
  std::vector<std::string> wanted;
  if (lines->is_array()) {
    for (const json::value& line : lines->get_array()) wanted.push_back(text_of(line));
  }
  return ensure_lines(text, wanted);
}

Result<std::string> edited_ini(Run& run, const json::object& step, const std::string& text) {
  const json::value* section_member = step.if_contains("section");
  if (section_member == nullptr) return failure(Failure::bad_value, "the step needs section");
  const auto section = run.scope.text(*section_member);
  if (!section) return section.error();
  const std::string model = jsonx::string_at(step, "model");
  if (model == "rclone-remote") {
    const auto remote = rclone_remote(run.scope);
    if (!remote) return remote.error();
    for (const std::string& warning : remote->warnings) run.log().warning(run.name() + ": " + warning);
    const auto existing = ini_section(text, *section);
    if (!existing) return existing.error();
    const auto obscured = run.scope.lookup("var.obscured");
    return replace_ini_section(text, *section, remote_entries(*remote, text_of(*obscured), *existing));
  }
  if (!model.empty())
    return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
  const auto values = values_of(run, step, "set");
  if (!values) return values.error();
  auto entries = ini_section(text, *section);
  if (!entries) return entries.error();
  Entries merged = entries->value_or(Entries());
  for (const auto& [name, value] : *values) {
    const auto found =
        std::find_if(merged.begin(), merged.end(), [&, key = name](const auto& e) { return e.first == key; });
    if (found != merged.end()) {
      found->second = text_of(value);
    } else {
      merged.emplace_back(name, text_of(value));
    }
  }
  return replace_ini_section(text, *section, merged);
}

void add_yaml(std::vector<YamlSetting>& settings, const json::object& values, bool comment_out) {
  for (const auto& [name, value] : values) {
    std::optional<std::string> wanted;
    if (!comment_out) wanted = text_of(value);
    settings.push_back({std::string(name), std::move(wanted), value.is_string()});
  }
}

Result<std::string> edited_yaml(Run& run, const json::object& step, const std::string& text) {
  const auto set = values_of(run, step, "set");
  if (!set) return set.error();
  const auto grouped = values_of(run, step, "set_or_comment");
  if (!grouped) return grouped.error();
  std::vector<YamlSetting> settings;
  add_yaml(settings, *set, false);
  const bool incomplete = std::any_of(grouped->begin(), grouped->end(),
                                      [](const auto& member) { return catalog::is_blank(member.value()); });
  add_yaml(settings, *grouped, incomplete);
  const bool zurg = run.service.key == "zurg";
  const std::string cleaned = zurg ? comment_out_yaml(text, "on_library_update", "plex_update.sh") : text;
  return edit_yaml(cleaned, settings, zurg ? "zurg" : "");
}

Result<std::string> edited_json(Run& run, const json::object& step, const std::string& text) {
  const std::string model = jsonx::string_at(step, "model");
  if (model == "decypharr-config") return decypharr_config(run.scope, text);
  if (!model.empty())
    return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
  jsonx::NumberText numbers;
  auto document = jsonx::parse(text, &numbers);
  if (!document) return failure(Failure::bad_file, document.error().message());
  if (!document->is_object()) return bad_file(1, 1, "must be an object");
  const json::value before = *document;
  for (const std::string_view member : {"set", "fill"}) {
    const auto values = values_of(run, step, member);
    if (!values) return values.error();
    for (const auto& [pointer, value] : *values) {
      const auto path = jsonx::parse_pointer(pointer);
      if (!path) return failure(Failure::bad_value, path.error().message());
      const json::value* there = jsonx::find(*document, *path);
      if (member == "fill" && there != nullptr && !catalog::is_blank(*there)) continue;
      jsonx::set(document->get_object(), *path, value);
    }
  }
  return jsonx::same(before, *document) ? text : jsonx::print(*document, &numbers);
}

Result<std::string> edited_xml(Run& run, const json::object& step, const std::string& text) {
  const std::string model = jsonx::string_at(step, "model");
  if (!model.empty()) {
    const auto port = text::to_int(jsonx::text_at(run.scope.own(), "port"));
    if (!port || *port < 1 || *port > 65535)
      return failure(Failure::bad_value, "port must be between 1 and 65535");
    if (model == "jellyfin-network") return xml::jellyfin_network(text, static_cast<int>(*port));
    if (model == "emby-system") return xml::emby_system(text, static_cast<int>(*port));
    return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
  }
  std::vector<xml::Setting> settings;
  for (const std::string_view member : {"set", "fill"}) {
    const auto values = values_of(run, step, member);
    if (!values) return values.error();
    for (const auto& [path, value] : *values) {
      xml::Setting setting{std::string(path), text_of(value)};
      setting.if_blank = member == "fill";
      setting.ignore_case = setting.path.ends_with("/LogLevel");  // SVC-200
      settings.push_back(std::move(setting));
    }
  }
  return xml::edit(text, settings);
}

Result<std::string> edited(Run& run, const json::object& step, const std::string& format,
                           const std::string& text) {
  if (format == "kv") return edited_kv(run, step, text);
  if (format == "lines") return edited_lines(run, step, text);
  if (format == "ini") return edited_ini(run, step, text);
  if (format == "yaml") return edited_yaml(run, step, text);
  if (format == "json") return edited_json(run, step, text);
  if (format == "xml") return edited_xml(run, step, text);
  return failure(Failure::not_installed, fmt::format("this build cannot edit {} files", format));
}

/// The file's text, or what a missing one begins with.
Result<std::string> text_to_edit(Run& run, const json::object& step, const fs::path& path,
                                 const std::string& format) {
  auto text = file::read(path);
  if (text) return text;
  const bool missing = text.error().code() == boost::system::errc::no_such_file_or_directory;
  if (!missing) return Run::failed(text.error());
  if (const json::value* create = step.if_contains("create")) {
    const auto value = run.scope.expand(*create);
    if (!value) return value.error();
    return value->is_string() ? std::string(value->get_string()) : jsonx::print(*value);
  }
  if (jsonx::string_at(step, "model") == "jellyfin-network") return std::string();
  if (format == "json" || format == "yaml" || format == "xml") {
    return failure(Failure::missing_file, path.native() + " does not exist");
  }
  return std::string();
}

}  // namespace

StepResult step_render(Run& run, const json::object& step) {
  const auto path = run.scope.path(step.at("to"));
  if (!path) return path.error();
  if (jsonx::bool_at(step, "if_missing", false) && run.facts.exists(*path)) return Effect::none;
  const auto mode = mode_of(step, 0644);
  if (!mode) return mode.error();
  const auto text = rendered(run, step);
  if (!text) return text.error();
  file::WriteOptions options = run.owned(*mode);
  options.force_mode = step.contains("mode");
  return write(run, *path, *text, options);
}

StepResult step_traefik_ui(Run& run, const json::object& step) {
  const auto path = run.scope.path(step.at("to"));
  if (!path) return path.error();
  std::vector<std::string> warnings;
  const std::string text = yaml_document(traefik_routes(run.scope, warnings));
  for (const std::string& warning : warnings) run.log().warning(run.name() + ": " + warning);
  return write(run, *path, text, run.owned(0644));
}

StepResult step_edit(Run& run, const json::object& step) {
  const json::value& written = step.at("file");
  const auto path = run.scope.path(written);
  if (!path) return path.error();
  const auto mode = mode_of(step, 0644);
  if (!mode) return mode.error();
  const bool host = is_host_file(run, written, *path);
  const std::string format = jsonx::string_at(step, "format");
  const DirectoryLock lock(*path);
  const auto text = text_to_edit(run, step, *path, format);
  if (!text) return text.error();
  const auto result = edited(run, step, format, *text);
  if (!result) {
    const Error error = result.error();
    return Error(error.code(), path->native() + ": " + error.message());
  }
  if (host && *result == *text && run.facts.exists(*path)) return Effect::none;
  if (host && !run.facts.is_root()) {
    run.log().info(
        fmt::format("{}: {} is left as it is, only root may change it", run.name(), path->native()));
    return Effect::none;
  }
  if (host && !run.context.root.is_identity() && !run.context.root.contains(*path)) {
    run.log().warning(fmt::format("{}: {} lacks {}; it lies outside the root {} and is left as it is",
                                  run.name(), path->native(), lines_of(step),
                                  run.context.root.prefix().native()));
    return Effect::none;
  }
  file::WriteOptions options = host ? file::WriteOptions() : run.owned(*mode);
  options.mode = *mode;
  options.force_mode = step.contains("mode");
  return write(run, *path, *result, options);
}

}  // namespace dumb::setup
