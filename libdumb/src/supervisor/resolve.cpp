#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/expression.hpp>
#include <dumb/supervisor/resolve.hpp>
#include <map>

namespace dumb::supervisor {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

const json::object empty_object;

const json::object& object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : empty_object;
}

const json::object& section(const config::Snapshot& config, std::string_view key) {
  const json::object* block = config.block(key, {});
  return block != nullptr ? *block : empty_object;
}

std::optional<json::value> scalar(const json::value* value) {
  if (value == nullptr || value->is_object() || value->is_array()) return std::nullopt;
  return *value;
}

/// Names of LIF-50: the block's own scalars, other sections by dotted name, and the spellings of existing
/// files.
std::optional<json::value> look_up(std::string_view name, const ResolveRequest& request,
                                   const json::object& block) {
  if (auto own = scalar(catalog::member(block, name))) return own;
  static const std::map<std::string, std::pair<std::string, std::string>, std::less<>> elsewhere{
      {"postgres_host", {"postgres", "host"}},
      {"postgres_port", {"postgres", "port"}},
      {"postgres_user", {"postgres", "user"}},
      {"postgres_password", {"postgres", "password"}},
      {"postgres_config_dir", {"postgres", "config_dir"}},
      {"postgres_config_file", {"postgres", "config_file"}},
      {"plex_config_dir", {"plex", "config_dir"}},
      {"plex_db_path", {"plex", "dbrepair.db_path"}},
      {"dbrepair_install_dir", {"plex", "dbrepair.install_dir"}},
      {"dbrepair_executable", {"plex", "dbrepair.executable"}},
      {"dbrepair_sqlite_path", {"plex", "dbrepair.sqlite_path"}},
      {"dbrepair_databases_path", {"plex", "dbrepair.databases_path"}},
  };
  if (const auto found = elsewhere.find(name); found != elsewhere.end()) {
    return scalar(catalog::member(section(*request.config, found->second.first), found->second.second));
  }
  if (name.find('.') != std::string_view::npos)
    return scalar(catalog::member(request.config->effective(), name));
  return std::nullopt;
}

/// ${NAME} from the environment as it stands; unset is empty.
std::string expand_variables(std::string_view text, const Variables& variables) {
  std::string out;
  for (;;) {
    const std::size_t at = text.find("${");
    const std::size_t end = at == std::string_view::npos ? at : text.find('}', at);
    if (end == std::string_view::npos) return out += text;
    out += text.substr(0, at);
    const auto found = variables.find(text.substr(at + 2, end - at - 2));
    if (found != variables.end()) out += found->second;
    text.remove_prefix(end + 1);
  }
}

bool is_path_list(std::string_view name) {
  return name == "PATH" || name.ends_with("PYTHONPATH") || name.ends_with("LIBRARY_PATH");
}

Result<std::vector<std::string>> words_of(const json::object& block, std::string_view name) {
  const json::value* command = block.if_contains("command");
  std::vector<std::string> words;
  if (command != nullptr && command->is_string()) {
    auto split = text::shell_words(std::string_view(command->get_string()));
    if (!split)
      return Error(Errc::invalid_config, "the command " + split.error().message(), std::string(name));
    words = std::move(*split);
  } else if (command != nullptr && command->is_array()) {
    for (const json::value& word : command->get_array()) words.push_back(jsonx::scalar_text(word));
  } else if (command != nullptr && !command->is_null()) {
    return Error(Errc::invalid_config, "the command must be a string or a list of strings",
                 std::string(name));
  }
  if (words.empty() || text::blank(words.front())) {
    return Error(Errc::invalid_config, "has no command to launch", std::string(name));
  }
  return words;
}

void drop_arguments(std::vector<std::string>& argv, const json::value& names) {
  if (!names.is_array()) return;
  for (const json::value& name : names.get_array()) {
    const std::string option = jsonx::scalar_text(name);
    for (std::size_t i = 1; i < argv.size();) {
      if (argv[i] == option) {
        argv.erase(argv.begin() + static_cast<std::ptrdiff_t>(i),
                   argv.begin() + static_cast<std::ptrdiff_t>(std::min(i + 2, argv.size())));
      } else if (argv[i].starts_with(option + "=")) {
        argv.erase(argv.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }
}

class Resolver {
 public:
  explicit Resolver(const ResolveRequest& request)
      : request_(request),
        block_(request.config->block(request.block)),
        rules_(request.service != nullptr ? object_at(request.service->raw, "launch") : empty_object),
        lookup_([this](std::string_view name) { return look_up(name, request_, block_); }) {}

  Result<Resolved> run() {
    auto words = words_of(block_, request_.block.process_name);
    if (!words) return words.error();
    argv_ = std::move(*words);
    for (std::string& word : argv_) {
      auto text = catalog::expand_text(word, lookup_);
      if (!text) return text.error();
      word = std::move(*text);
    }
    if (auto done = apply_argument_rules(); !done) return done.error();
    if (auto done = build_environment(); !done) return done.error();
    return finish();
  }

 private:
  Result<void> apply_argument_rules() {
    if (const json::value* options = rules_.if_contains("port_arguments"); options != nullptr) {
      const std::string port = jsonx::scalar_text(look_up("port", request_, block_).value_or(nullptr));
      json::array command;
      for (const std::string& word : argv_) command.emplace_back(word);
      std::vector<std::string> names;
      for (const json::value& option : options->as_array()) names.push_back(jsonx::scalar_text(option));
      if (!port.empty()) {
        auto changed = catalog::with_port_argument(command, names, port);
        if (!changed) return changed.error();
        argv_.clear();
        for (const json::value& word : *changed) argv_.push_back(jsonx::scalar_text(word));
      }
    }
    for (const auto& [option, argument] : object_at(rules_, "argument_after")) {
      for (std::size_t i = 0; i + 1 < argv_.size(); ++i) {
        if (argv_[i] != std::string_view(option)) continue;
        auto text = catalog::expand_text(jsonx::scalar_text(argument), lookup_);
        if (!text) return text.error();
        argv_[i + 1] = std::move(*text);
      }
    }
    if (const json::value* names = rules_.if_contains("drop_arguments")) drop_arguments(argv_, *names);
    return {};
  }

  Result<void> set_variable(const std::string& name, std::string_view raw) {
    auto text = catalog::expand_text(raw, lookup_);
    if (!text) return text.error();
    own_[name] = variables_[name] = expand_variables(*text, variables_);
    return {};
  }

  Result<void> build_environment() {
    for (const auto& [name, value] : request_.inherited) variables_[name] = value;
    for (const std::string& name : request_.hidden) variables_.erase(name);
    if (!request_.home.empty()) variables_["HOME"] = request_.home;
    for (const auto& [name, value] : object_at(block_, "env")) {
      if (auto done = set_variable(std::string(name), jsonx::scalar_text(value)); !done) return done;
    }
    for (const auto& [name, value] : object_at(rules_, "env")) {
      if (auto done = set_variable(std::string(name), jsonx::scalar_text(value)); !done) return done;
    }
    for (const auto& [name, rule] : object_at(rules_, "env_if_prefix")) {
      const auto found = own_.find(std::string_view(name));
      const auto* pair = rule.if_array();
      if (found == own_.end() || pair == nullptr || pair->size() != 2) continue;
      if (!found->second.starts_with(jsonx::scalar_text((*pair)[0]))) continue;
      if (auto done = set_variable(std::string(name), jsonx::scalar_text((*pair)[1])); !done) return done;
    }
    follow_postgres();
    return {};
  }

  void follow_postgres() {
    const json::object& postgres = section(*request_.config, "postgres");
    if (postgres.empty()) return;
    const auto each = [this](std::string_view rule, const auto& change) {
      const json::value* names = rules_.if_contains(rule);
      if (names == nullptr || !names->is_array()) return;
      for (const json::value& name : names->get_array()) {
        const auto found = own_.find(jsonx::scalar_text(name));
        if (found != own_.end()) found->second = variables_[found->first] = change(found->second);
      }
    };
    each("postgres_url_env",
         [&](const std::string& value) { return follow_postgres_in_url(value, postgres); });
    const std::string database = jsonx::string_at(rules_, "connection_string_database");
    each("connection_string_env", [&](const std::string& value) {
      return follow_postgres_in_connection_string(value, database, postgres);
    });
  }

  Result<Resolved> finish() {
    const std::vector<std::string> paths = own_paths(block_);
    Resolved resolved;
    for (const std::string& word : argv_) resolved.argv.push_back(map_argument(word, paths, request_.root));
    for (auto& [name, value] : own_) {
      if (is_path_list(name)) {
        std::vector<std::string> parts = text::split(value, ':');
        for (std::string& part : parts) part = map_argument(part, paths, request_.root);
        variables_[name] = text::join(parts, ":");
      } else {
        variables_[name] = map_argument(value, paths, request_.root);
      }
    }
    resolved.block = block_;
    json::object env;
    for (const auto& [name, value] : own_) env[name] = variables_[name];
    resolved.block["env"] = std::move(env);
    for (const auto& [name, value] : variables_) resolved.env.push_back(name + "=" + value);
    const auto expand = [this](std::string_view text) { return catalog::expand_text(text, lookup_); };
    auto readiness = readiness_of(block_, request_.root, expand);
    if (!readiness)
      return Error(Errc::invalid_config, readiness.error().message(), request_.block.process_name);
    resolved.readiness = std::move(*readiness);
    const std::string directory = jsonx::string_at(block_, "config_dir");
    resolved.directory = directory.empty() ? request_.root.prefix() : request_.root.map(directory);
    return resolved;
  }

  const ResolveRequest& request_;
  const json::object& block_;
  const json::object& rules_;
  catalog::Lookup lookup_;
  std::vector<std::string> argv_;
  Variables variables_;
  Variables own_;  // what the block or its rules set
};

}  // namespace

Result<Resolved> resolve_launch(const ResolveRequest& request) {
  return Resolver(request).run();
}

std::vector<std::string> own_paths(const json::object& block) {
  std::vector<std::string> paths;
  const auto is_path_name = [](std::string_view name) {
    return name.ends_with("_dir") || name.ends_with("_file") || name.ends_with("_path") ||
           name.ends_with("_directory") || name.ends_with("_dirs") || name.ends_with("_roots") ||
           name.ends_with("_mounts");
  };
  const auto add = [&](const json::value& value) {
    if (!value.is_string()) return;
    const std::string path(value.get_string());
    if (path.size() > 1 && path.front() == '/') paths.push_back(path);
  };
  for (const auto& [name, value] : block) {
    if (!is_path_name(name)) continue;
    add(value);
    if (const auto* list = value.if_array()) {
      for (const json::value& element : *list) add(element);
    }
  }
  return paths;
}

std::string map_argument(std::string_view text, const std::vector<std::string>& own_paths, const Root& root) {
  if (root.is_identity()) return std::string(text);
  const auto is_own = [&](std::string_view path) {
    return path.starts_with('/') &&
           std::any_of(own_paths.begin(), own_paths.end(), [&](const std::string& own) {
             return lies_below(std::filesystem::path(path), std::filesystem::path(own));
           });
  };
  if (is_own(text)) return root.map(std::filesystem::path(text)).native();
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos && is_own(text.substr(equals + 1))) {
    return std::string(text.substr(0, equals + 1)) +
           root.map(std::filesystem::path(text.substr(equals + 1))).native();
  }
  return std::string(text);
}

}  // namespace dumb::supervisor
