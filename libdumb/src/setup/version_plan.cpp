#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/version.hpp"

namespace dumb::setup::version {
namespace {

const json::object& object_at(const json::object& object, std::string_view name) {
  static const json::object empty;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : empty;
}

/// A member of a block; `command.0` also of a command that is written as one text.
std::optional<json::value> member(const json::object& block, std::string_view name) {
  if (const json::value* found = catalog::member(block, name)) return *found;
  if (!name.starts_with("command.")) return std::nullopt;
  const json::value* command = block.if_contains("command");
  const auto index = text::to_int(name.substr(8));
  if (command == nullptr || !command->is_string() || !index || *index < 0) return std::nullopt;
  const auto words = text::shell_words(command->get_string());
  if (!words || static_cast<std::size_t>(*index) >= words->size()) return std::nullopt;
  return json::value(json::string((*words)[static_cast<std::size_t>(*index)]));
}

/// Own member, else the default the file may lack (API-87).
std::optional<json::value> look_up(const Scope& scope, std::string_view name) {
  if (name == "instance") return json::value(json::string(scope.instance));
  if (name == "slug") return json::value(json::string(text::slug(scope.instance)));
  if (auto own = member(*scope.block, name); own && !catalog::is_blank(*own)) return own;
  return member(scope.service->defaults, name);
}

struct Resolver {
  const Scope& scope;
  std::string install_dir;
  bool complete = true;

  /// The text with every placeholder filled; blank or unknown ones make the source unusable.
  std::string text(const std::string& expression) {
    const catalog::Lookup lookup = [this](std::string_view name) -> std::optional<json::value> {
      if (name == "install_dir") return json::value(json::string(install_dir));
      return look_up(scope, name);
    };
    for (const auto& placeholder : catalog::placeholders(expression)) {
      const auto value = catalog::expand_text(
          std::string_view(expression).substr(placeholder.begin, placeholder.end - placeholder.begin),
          lookup);
      if (!value || text::blank(*value) || !catalog::placeholders(*value).empty()) complete = false;
    }
    const auto expanded = catalog::expand_text(expression, lookup);
    if (!expanded) complete = false;
    return expanded ? *expanded : std::string();
  }
};

/// Where the tree of an Arr application may be, best first (API-99, SVC-48).
std::vector<std::string> install_directories(const Scope& scope) {
  const std::string own = jsonx::string_at(*scope.block, "install_dir");
  if (!text::blank(own)) return {own};
  const json::object& install = scope.service->install;
  std::vector<std::string> found;
  const bool own_copy = jsonx::bool_at(*scope.block, "release_version_enabled", false) ||
                        !text::blank(jsonx::string_at(*scope.block, "pinned_version"));
  for (const std::string_view name : {std::string_view("instance_root"), std::string_view("root")}) {
    const std::string root = jsonx::string_at(install, name);
    if (root.empty() || (name == "instance_root" && !own_copy)) continue;
    Resolver resolver{scope, {}};
    std::string directory = resolver.text(root);
    if (resolver.complete) found.push_back(std::move(directory));
  }
  return found;
}

bool names(std::string_view expression, std::string_view wanted) {
  for (const auto& placeholder : catalog::placeholders(expression)) {
    if (placeholder.name == wanted) return true;
  }
  return false;
}

std::vector<std::string> paths_of(const Scope& scope, const std::string& expression) {
  std::vector<std::string> paths;
  const auto directories =
      names(expression, "install_dir") ? install_directories(scope) : std::vector<std::string>{std::string()};
  for (const auto& directory : directories) {
    Resolver resolver{scope, directory};
    std::string path = resolver.text(expression);
    if (resolver.complete && !path.empty()) paths.push_back(std::move(path));
  }
  return paths;
}

std::optional<Source> command_source(const Scope& scope, const json::object& read) {
  Source source;
  source.kind = Kind::command;
  const json::value* argv = read.if_contains("argv");
  if (argv == nullptr || !argv->is_array()) return std::nullopt;
  Resolver resolver{scope, {}};
  for (const auto& word : argv->get_array()) source.argv.push_back(resolver.text(jsonx::scalar_text(word)));
  if (!resolver.complete || source.argv.empty()) return std::nullopt;
  if (const auto* after = read.if_contains("last_line_after"); after != nullptr && after->is_string()) {
    source.last_line_after = std::string(after->get_string());
  }
  source.output_otherwise = jsonx::string_at(read, "otherwise") == "output";
  return source;
}

std::optional<Source> file_source(const Scope& scope, const json::object& read, Kind kind) {
  Source source;
  source.kind = kind;
  source.paths = paths_of(scope, jsonx::string_at(read, "path"));
  source.format = jsonx::string_at(read, "format", "text");
  source.needle = jsonx::string_at(read, "needle");
  source.join = jsonx::string_at(read, "join");
  for (const auto& [name, pattern] : object_at(read, "regex")) {
    source.patterns.emplace_back(std::string(name), jsonx::scalar_text(pattern));
  }
  if (source.paths.empty()) return std::nullopt;
  return source;
}

std::optional<Source> source_of(const Scope& scope, const json::object& read) {
  const std::string kind = jsonx::string_at(read, "source");
  if (kind == "file") return file_source(scope, read, Kind::file);
  if (kind == "assembly") return file_source(scope, read, Kind::assembly);
  if (kind == "command") return command_source(scope, read);
  Source source;
  if (kind == "dpkg") {
    source.kind = Kind::dpkg;
    source.argv = {"dpkg-query", "-W", "-f=${Version}", jsonx::string_at(read, "package")};
    return source;
  }
  if (kind == "env") {
    source.kind = Kind::env;
    source.name = jsonx::string_at(read, "name");
    return source;
  }
  if (kind != "http") return std::nullopt;
  Resolver resolver{scope, {}};
  source.kind = Kind::http;
  source.url = resolver.text(jsonx::string_at(read, "url"));
  if (!resolver.complete) return std::nullopt;
  return source;
}

void add(const Scope& scope, const json::object& read, Plan& plan) {
  constexpr std::size_t most = 4;
  if (plan.size() >= most) return;
  if (auto source = source_of(scope, read)) {
    source->at = jsonx::string_at(read, "at");
    source->regex = jsonx::string_at(read, "regex");
    source->prefix = jsonx::string_at(read, "prefix");
    source->strip_prefix = jsonx::string_at(read, "strip_prefix");
    if (const auto* limit = read.if_contains("timeout_s"); limit != nullptr && limit->is_number()) {
      const double seconds = limit->to_number<double>();
      if (seconds > 0 && seconds < 60)
        source->timeout = std::chrono::milliseconds(static_cast<int>(seconds * 1000));
    }
    plan.push_back(std::move(*source));
  }
  const json::value* otherwise = read.if_contains("otherwise");
  if (otherwise == nullptr) return;
  if (otherwise->is_object()) add(scope, otherwise->get_object(), plan);
  if (otherwise->is_string() && otherwise->get_string() == "build" && !scope.build_version.empty()) {
    Source build;
    build.fixed = scope.build_version;
    plan.push_back(std::move(build));
  }
}

}  // namespace

Plan plan(const Scope& scope) {
  Plan plan;
  if (scope.service != nullptr && scope.block != nullptr)
    add(scope, object_at(scope.service->version, "read"), plan);
  return plan;
}

std::string identity(const Plan& plan) {
  json::array parts;
  for (const auto& source : plan) {
    json::array part;
    part.emplace_back(static_cast<int>(source.kind));
    for (const auto* list : {&source.paths, &source.argv}) {
      json::array texts;
      for (const auto& text : *list) texts.emplace_back(text);
      part.emplace_back(std::move(texts));
    }
    for (const auto& [name, pattern] : source.patterns) {
      part.emplace_back(name);
      part.emplace_back(pattern);
    }
    for (const auto* text :
         {&source.url, &source.name, &source.fixed, &source.format, &source.at, &source.regex, &source.join,
          &source.needle, &source.prefix, &source.strip_prefix}) {
      part.emplace_back(*text);
    }
    part.emplace_back(source.last_line_after.value_or(std::string()));
    parts.emplace_back(std::move(part));
  }
  return jsonx::print_compact(parts);
}

bool is_file(const Source& source) noexcept {
  return source.kind == Kind::file || source.kind == Kind::assembly;
}

}  // namespace dumb::setup::version
