// Checks of the members of a service that the setup engine interprets (SVC-2): what they name must exist.
#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/catalog/expression.hpp>

#include "catalog/known.hpp"
#include "catalog/service_file.hpp"

namespace dumb::catalog {
namespace {

struct Checker {
  std::vector<Problem>& problems;

  void problem(const JsonPath& path, std::string message) {
    problems.push_back({jsonx::pointer(path), std::move(message)});
  }
  void name(const json::object& object, std::string_view member, bool (*is_known)(std::string_view) noexcept,
            std::string_view what, const JsonPath& path);
  void step_list(const json::value& list, const JsonPath& path);
  void step(const json::object& step, const JsonPath& path);
  void condition(const json::value& condition, const JsonPath& path);
  void filters(std::string_view text, const JsonPath& path, int depth = 0);
  void texts(const json::value& value, const JsonPath& path);
  void source(const json::value& source, const JsonPath& path);
};

JsonPath below(JsonPath path, std::string step) {
  path.push_back(std::move(step));
  return path;
}

void Checker::name(const json::object& object, std::string_view member,
                   bool (*is_known)(std::string_view) noexcept, std::string_view what, const JsonPath& path) {
  const json::value* value = object.if_contains(member);
  if (value == nullptr) return;
  const auto* text = value->if_string();
  if (text != nullptr && is_known(*text)) return;
  problem(below(path, std::string(member)),
          text == nullptr ? fmt::format("must name a {}", what)
                          : fmt::format("is no {}: \"{}\"", what, std::string_view(*text)));
}

void Checker::condition(const json::value& condition, const JsonPath& path) {
  const auto* object = condition.if_object();
  if (object == nullptr || object->empty()) return problem(path, "must be a condition");
  for (const auto& [key, value] : *object) {
    const JsonPath inner = below(path, std::string(key));
    if (!known::condition(key)) {
      problem(inner, "is no known condition");
    } else if (key == "not") {
      this->condition(value, inner);
    } else if (key == "all" || key == "any") {
      const auto* list = value.if_array();
      if (list == nullptr) {
        problem(inner, "must be a list of conditions");
        continue;
      }
      for (std::size_t i = 0; i < list->size(); ++i)
        this->condition((*list)[i], below(inner, std::to_string(i)));
    }
  }
}

void Checker::step(const json::object& step, const JsonPath& path) {
  if (!step.contains("do")) problem(path, "must have a member \"do\"");
  name(step, "do", known::step, "step type", path);
  const std::string kind = jsonx::string_at(step, "do");
  name(step, "template", known::template_model, "template", path);
  if (kind == "edit") name(step, "model", known::edit_model, "model of edit", path);
  if (kind == "sql") name(step, "model", known::sql_model, "model of sql", path);
  if (kind == "http") name(step, "model", known::http_model, "model of http", path);
  if (kind == "run") name(step, "model", known::run_model, "model of run", path);
  for (const auto& [key, value] : step) {
    const JsonPath inner = below(path, std::string(key));
    if (key == "when" || key == "check") condition(value, inner);
    if (key != "update") continue;
    const auto* updates = value.if_array();
    for (std::size_t i = 0; updates != nullptr && i < updates->size(); ++i) {
      const auto* entry = (*updates)[i].if_object();
      const auto* when = entry != nullptr ? entry->if_contains("when") : nullptr;
      if (when != nullptr) condition(*when, below(below(inner, std::to_string(i)), "when"));
    }
  }
}

void Checker::step_list(const json::value& list, const JsonPath& path) {
  const auto* steps = list.if_array();
  if (steps == nullptr) return problem(path, "must be a list of steps");
  for (std::size_t i = 0; i < steps->size(); ++i) {
    const JsonPath inner = below(path, std::to_string(i));
    if (const auto* object = (*steps)[i].if_object()) {
      step(*object, inner);
    } else {
      problem(inner, "must be a step");
    }
  }
}

void Checker::filters(std::string_view text, const JsonPath& path, int depth) {
  constexpr int deepest = 16;  // as far as expand() follows defaults
  if (depth > deepest) return problem(path, "nests its defaults too deeply");
  for (const auto& placeholder : placeholders(text)) {
    for (const auto& filter : placeholder.filters) {
      const auto colon = filter.find(':');
      const std::string name = filter.substr(0, colon);
      if (!is_builtin_filter(name) && !known::value_model(name)) {
        problem(path, fmt::format("has an unknown filter \"{}\"", name));
      }
      if (colon != std::string::npos) filters(std::string_view(filter).substr(colon + 1), path, depth + 1);
    }
  }
}

/// Every text but those that are patterns or text of other people's files.
void Checker::texts(const json::value& value, const JsonPath& path) {
  if (const auto* text = value.if_string()) return filters(*text, path);
  if (const auto* object = value.if_object()) {
    for (const auto& [key, inner] : *object) {
      if (key == "regex" || key == "find" || key == "replace") continue;
      texts(inner, below(path, std::string(key)));
    }
  } else if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) texts((*array)[i], below(path, std::to_string(i)));
  }
}

void Checker::source(const json::value& source, const JsonPath& path) {
  const auto* object = source.if_object();
  if (object == nullptr) return problem(path, "must be an object");
  if (!object->contains("source")) problem(path, "must have a member \"source\"");
  name(*object, "source", known::version_source, "version source", path);
  const json::value* otherwise = object->if_contains("otherwise");
  if (otherwise != nullptr && otherwise->is_object()) this->source(*otherwise, below(path, "otherwise"));
}

}  // namespace

void check_programs(const json::object& service, std::vector<Problem>& problems) {
  Checker checker{problems};
  for (const JsonPath& path :
       {JsonPath{"steps", "configure"}, JsonPath{"steps", "post_start"}, JsonPath{"install", "patches"},
        JsonPath{"install", "build"}, JsonPath{"install", "branch_build"}, JsonPath{"install", "after"}}) {
    if (const auto* list = jsonx::find(service, path)) checker.step_list(*list, path);
  }
  // `fallback` is a step list with method `system`.
  const JsonPath fallback = {"install", "fallback"};
  if (const auto* list = jsonx::find(service, fallback); list != nullptr && list->is_array()) {
    checker.step_list(*list, fallback);
  }
  for (const JsonPath& path : {JsonPath{"version", "read"}, JsonPath{"version", "latest"}}) {
    if (const auto* source = jsonx::find(service, path)) checker.source(*source, path);
  }
  for (const char* part : {"install", "version", "steps"}) {
    if (const auto* value = service.if_contains(part)) checker.texts(*value, {part});
  }
}

}  // namespace dumb::catalog
