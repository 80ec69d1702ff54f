#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

Result<bool> on_path(std::string_view kind, const json::value& operand, Scope& scope) {
  const auto path = scope.path(operand);
  if (!path) return path.error();
  if (kind == "exists") return scope.facts().exists(*path);
  if (kind == "missing") return !scope.facts().exists(*path);
  if (kind == "executable") return scope.facts().executable(*path);
  return scope.facts().pid_file_stale(*path);
}

/// The value of a `field`: a member, a variable or a computed value.
Result<json::value> field_value(const std::string& name, Scope& scope) {
  return scope.expand(json::value(json::string("{" + name + "}")));
}

Result<bool> on_field(const json::object& condition, Scope& scope) {
  const auto value = field_value(text_of(condition.at("field")), scope);
  if (!value) return value.error();
  if (const json::value* is = condition.if_contains("is")) {
    if (is->is_string() && is->get_string() == "set") return !catalog::is_blank(*value);
    if (is->is_string() && is->get_string() == "blank") return catalog::is_blank(*value);
    const auto wanted = scope.expand(*is);
    if (!wanted) return wanted.error();
    return jsonx::same(*value, *wanted);
  }
  if (const json::value* is_not = condition.if_contains("is_not")) {
    const auto unwanted = scope.expand(*is_not);
    if (!unwanted) return unwanted.error();
    return !jsonx::same(*value, *unwanted);
  }
  const json::value* in = condition.if_contains("in");
  if (in == nullptr || !in->is_array()) {
    return failure(Failure::bad_value, "condition field needs is, is_not or in");
  }
  for (const json::value& element : in->get_array()) {
    const auto wanted = scope.expand(element);
    if (!wanted) return wanted.error();
    if (jsonx::same(*value, *wanted)) return true;
  }
  return false;
}

Result<bool> on_service(std::string_view kind, const std::string& key, Scope& scope) {
  for (const config::BlockRef* ref : scope.context().config->of_key(key)) {
    if (kind == "service_enabled" ? ref->enabled : scope.facts().service_running(ref->process_name))
      return true;
  }
  return false;
}

/// A blank variable counts as missing.
bool env_missing(const std::string& name, Scope& scope) {
  const json::value* own = catalog::member(scope.own(), "env." + name);
  if (own != nullptr && !catalog::is_blank(*own)) return false;
  const auto& environment = scope.context().environment;
  const auto found = environment.find(name);
  return found == environment.end() || text::blank(found->second);
}

/// What the file of `version.read` says, when the version is kept in one.
Result<std::string> recorded_version(Scope& scope) {
  const json::value* read = scope.service().version.if_contains("read");
  const json::object* source = read == nullptr ? nullptr : read->if_object();
  if (source == nullptr || jsonx::string_at(*source, "source") != "file") {
    return failure(Failure::not_installed,
                   "this build reads an installed version only where it is kept in a file");
  }
  const auto path = scope.path(source->at("path"));
  if (!path) return path.error();
  const auto text = scope.facts().read(*path);
  if (!text) return std::string();
  if (const std::string pointer = jsonx::string_at(*source, "json"); !pointer.empty()) {
    const auto document = jsonx::parse(*text);
    const auto where = jsonx::parse_pointer(pointer);
    const json::value* found = document && where ? jsonx::find(*document, *where) : nullptr;
    return found == nullptr ? std::string() : text_of(*found);
  }
  return std::string(text::trim(*text));
}

std::vector<std::int64_t> numbers(std::string_view version) {
  std::vector<std::int64_t> parts;
  for (const std::string& part : text::split(version, '.')) parts.push_back(text::to_int(part).value_or(0));
  return parts;
}

/// python3 is a link to a program named after its version: python3.11.
Result<bool> python_at_least(const std::string& wanted, Scope& scope) {
  for (int minor = 99; minor >= 0; --minor) {
    const std::string name = fmt::format("3.{}", minor);
    if (scope.facts().tool("python" + name)) return numbers(name) >= numbers(wanted);
  }
  return false;
}

Result<bool> pg_not_ready(bool wanted, Scope& scope) {
  const auto port = field_value("port", scope);
  if (!port) return port.error();
  const int number = static_cast<int>(text::to_int(text_of(*port)).value_or(0));
  bool ready = scope.facts().answers("127.0.0.1", number);
  const json::value own_directory(json::string("{run_directory}"));
  const json::value fixed(json::string("/var/run/postgresql"));
  for (const json::value* directory : {&own_directory, &fixed}) {
    const auto path = scope.path(*directory);
    if (path) ready = ready || scope.facts().socket_owned(*path, number);
  }
  return ready != wanted;
}

/// The first attribute of that name within a tag, entities not decoded.
bool xml_attribute_blank(std::string_view text, const std::string& attribute) {
  const std::string wanted = attribute + "=";
  for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + 1)) {
    const char before = at == 0 ? '<' : text[at - 1];
    const std::size_t open = at + wanted.size();
    if ((before != ' ' && before != '\t' && before != '\n') || open >= text.size()) continue;
    const std::size_t close = text.find(text[open], open + 1);
    if (close == std::string_view::npos) return true;
    return text::blank(text.substr(open + 1, close - open - 1));
  }
  return true;
}

Result<bool> combined(std::string_view kind, const json::value& operand, Scope& scope) {
  if (!operand.is_array()) return failure(Failure::bad_value, fmt::format("condition {} needs a list", kind));
  for (const json::value& part : operand.get_array()) {
    const auto result = holds(part, scope);
    if (!result) return result;
    if (*result == (kind == "any")) return *result;
  }
  return kind == "all";
}

Result<bool> single(std::string_view kind, const json::value& operand, Scope& scope) {
  if (kind == "not") {
    const auto inner = holds(operand, scope);
    if (!inner) return inner;
    return !*inner;
  }
  if (kind == "all" || kind == "any") return combined(kind, operand, scope);
  if (kind == "exists" || kind == "missing" || kind == "executable" || kind == "pid_file_stale") {
    return on_path(kind, operand, scope);
  }
  if (kind == "pg_not_ready") return pg_not_ready(!operand.is_bool() || operand.get_bool(), scope);
  if (kind == "xml_attr_blank" && operand.is_array() && operand.get_array().size() == 2) {
    const auto path = scope.path(operand.get_array()[0]);
    if (!path) return path.error();
    const auto text = scope.facts().read(*path);
    return !text || xml_attribute_blank(*text, text_of(operand.get_array()[1]));
  }
  const auto text = scope.text(operand);
  if (!text) return text.error();
  if (kind == "service_enabled" || kind == "service_running") return on_service(kind, *text, scope);
  if (kind == "tool") return scope.facts().tool(*text).has_value();
  if (kind == "env_missing") return env_missing(*text, scope);
  if (kind == "python_at_least") return python_at_least(*text, scope);
  if (kind == "version_is") {
    const auto version = recorded_version(scope);
    if (!version) return version.error();
    const auto bare = [](std::string_view v) { return v.starts_with('v') ? v.substr(1) : v; };
    return bare(*version) == bare(*text);
  }
  return failure(Failure::bad_value, fmt::format("there is no condition {}", kind));
}

}  // namespace

Result<bool> holds(const json::value& condition, Scope& scope) {
  const json::object* object = condition.if_object();
  if (object == nullptr || object->empty())
    return failure(Failure::bad_value, "a condition must be an object");
  if (object->contains("field")) return on_field(*object, scope);
  for (const auto& [kind, operand] : *object) {
    const auto result = single(kind, operand, scope);
    if (!result || !*result) return result;
  }
  return true;
}

}  // namespace dumb::setup
