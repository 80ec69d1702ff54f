#include "catalog/service_file.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::catalog {

// What the codec reads; dependencies and steps need names or shapes of their own.
BOOST_DESCRIBE_STRUCT(Service, (),
                      (key, config_path, display_name, kind, summary, process_name, template_instance,
                       command_from, run_as, aliases, key_aliases, also_listed_as, optional_keys,
                       also_accepted_keys, debrid_providers, in_default_config, multi_instance, shutdown,
                       health, links, logging, updates, install, version, defaults, schema))

namespace {

template <class T>
void read_member(const json::object& object, std::string_view name, T& out, codec::Faults& faults) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return;
  json::array loc;
  for (const std::string_view step : {std::string_view("body"), std::string_view("dependencies"), name}) {
    loc.emplace_back(step);
  }
  codec::decode(*value, loc, faults, out);
}

void read_dependencies(const json::object& raw, Dependencies& out, codec::Faults& faults) {
  const json::value* value = raw.if_contains("dependencies");
  if (value == nullptr || !value->is_object()) return;
  const json::object& object = value->get_object();
  read_member(object, "requires", out.requires_, faults);
  read_member(object, "start_after", out.start_after, faults);
  read_member(object, "hard_links", out.hard_links, faults);
  read_member(object, "soft_links", out.soft_links, faults);
  read_member(object, "optional_requires", out.optional_requires, faults);
  read_member(object, "start_after_field", out.start_after_field, faults);
  read_member(object, "start_after_narrowed", out.start_after_narrowed, faults);
  read_member(object, "scoped", out.scoped, faults);
}

json::array steps_of(const json::object& raw, std::string_view list) {
  const json::value* found = jsonx::find(raw, {"steps", std::string(list)});
  return found != nullptr && found->is_array() ? found->get_array() : json::array();
}

void check_one_of(std::vector<Problem>& problems, std::string where, std::string_view value,
                  const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  problems.push_back(
      {std::move(where), fmt::format("must be one of {}, is \"{}\"", text::join(allowed, ", "), value)});
}

void check_shape(const json::object& raw, std::vector<Problem>& problems) {
  constexpr std::array<std::string_view, 8> needed = {
      "key", "config_path", "display_name", "kind", "process_name", "command_from", "run_as", "defaults"};
  for (const auto name : needed) {
    const json::value* value = raw.if_contains(name);
    if (value == nullptr || (value->is_string() && text::blank(value->get_string()))) {
      problems.push_back({"", fmt::format("must have a member \"{}\"", name)});
    }
  }
  constexpr std::array<std::string_view, 3> objects = {"dependencies", "steps", "install"};
  for (const auto name : objects) {
    const json::value* value = raw.if_contains(name);
    if (value != nullptr && !value->is_object())
      problems.push_back({fmt::format("/{}", name), "must be an object"});
  }
}

void check_values(const Service& service, const std::vector<std::string>& tiers,
                  std::vector<Problem>& problems) {
  check_one_of(problems, "/kind", service.kind, {"dumb", "core", "dependent", "optional"});
  check_one_of(problems, "/command_from", service.command_from, {"config", "setup", "none"});
  check_one_of(problems, "/run_as", service.run_as, {"service", "root", "daemon"});
  check_one_of(problems, "/shutdown/tier", service.shutdown.tier, tiers);
  if (service.multi_instance && text::blank(service.template_instance)) {
    problems.push_back({"/template_instance", "must name the template entry of a service with instances"});
  }
  if (jsonx::string_at(service.defaults, "process_name").empty()) {
    problems.push_back({"/defaults/process_name", "must be a name"});
  }
}

Error refused(std::string_view file, const std::vector<Problem>& problems) {
  const Error listed(Errc::invalid_config, problems);
  return Error(Errc::invalid_config, listed.message(), std::string(file));
}

}  // namespace

Result<Service> read_service(std::string_view file, std::string_view text,
                             const std::vector<std::string>& tiers) {
  auto parsed = jsonx::parse(text);
  if (!parsed) return Error(Errc::bad_json, parsed.error().message(), std::string(file));
  if (!parsed->is_object()) return Error(Errc::invalid_config, "must be an object", std::string(file));
  const json::object& raw = parsed->get_object();

  std::vector<Problem> problems;
  check_shape(raw, problems);
  Service service;
  codec::Faults faults;
  json::array loc;
  loc.emplace_back("body");
  codec::decode(*parsed, loc, faults, service);
  read_dependencies(raw, service.dependencies, faults);
  for (auto& problem : codec::to_problems(faults)) problems.push_back(std::move(problem));
  if (problems.empty()) check_values(service, tiers, problems);
  check_programs(raw, problems);
  if (!problems.empty()) return refused(file, problems);

  service.configure = steps_of(raw, "configure");
  service.post_start = steps_of(raw, "post_start");
  service.raw = std::move(parsed->get_object());
  return service;
}

}  // namespace dumb::catalog
