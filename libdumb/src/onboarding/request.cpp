#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/secrets.hpp>
#include <dumb/onboarding/request.hpp>

namespace dumb::onboarding {
namespace {

using codec::Faults;
using codec::detail::add_fault;
using codec::detail::below;

json::array at(const json::array& loc, std::string_view name) {
  return below(loc, json::value(json::string(name)));
}

const json::value* member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

/// A string, or a list of them.
void read_strings(const json::object& object, std::string_view name, const json::array& loc, Faults& faults,
                  std::vector<std::string>& out) {
  const json::value* value = member(object, name);
  if (value == nullptr) return;
  const json::array place = at(loc, name);
  if (const auto* list = value->if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      std::string text;
      if (!(*list)[i].is_null()) codec::decode((*list)[i], below(place, i), faults, text);
      out.push_back(std::move(text));
    }
  } else {
    std::string text;
    if (codec::decode(*value, place, faults, text)) out.push_back(std::move(text));
  }
}

/// An object whose members are objects.
void read_groups(const json::object& object, std::string_view name, const json::array& loc, Faults& faults,
                 json::object& out) {
  const json::value* value = member(object, name);
  if (value == nullptr) return;
  const json::array place = at(loc, name);
  const auto* groups = value->if_object();
  if (groups == nullptr) {
    add_fault(faults, "dict_type", place, "must be an object", *value);
    return;
  }
  for (const auto& [group, options] : *groups) {
    if (options.is_object()) {
      out.emplace(group, options);
    } else {
      add_fault(faults, "dict_type", at(place, group), "must be an object", options);
    }
  }
}

template <std::size_t N>
void forbid_others(const json::object& object, const std::array<std::string_view, N>& known,
                   const json::array& loc, Faults& faults) {
  for (const auto& [name, value] : object) {
    const std::string_view text(name);
    if (std::find(known.begin(), known.end(), text) != known.end()) continue;
    add_fault(faults, "extra_forbidden", at(loc, name), "is not known here", value);
  }
}

void read_core(const json::value& value, const json::array& loc, Faults& faults,
               std::vector<CoreRequest>& out) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    add_fault(faults, "dict_type", loc, "must be an object", value);
    return;
  }
  CoreRequest core;
  if (const json::value* name = object->if_contains("name")) {
    codec::decode(*name, at(loc, "name"), faults, core.name);
  } else {
    add_fault(faults, "missing", at(loc, "name"), "is required", value);
  }
  if (const json::value* name = object->if_contains("instance_name"))
    codec::decode(*name, at(loc, "instance_name"), faults, core.instance_name);
  read_strings(*object, "debrid_service", loc, faults, core.debrid_service);
  read_strings(*object, "debrid_key", loc, faults, core.debrid_key);
  read_groups(*object, "service_options", loc, faults, core.service_options);
  constexpr std::array<std::string_view, 5> known{"name", "instance_name", "debrid_service", "debrid_key",
                                                  "service_options"};
  forbid_others(*object, known, loc, faults);
  out.push_back(std::move(core));
}

void read_cores(const json::value& body, const json::object& object, const json::array& loc, Faults& faults,
                std::vector<CoreRequest>& out) {
  const json::array place = at(loc, "core_services");
  const json::value* value = object.if_contains("core_services");
  if (value == nullptr) {
    add_fault(faults, "missing", place, "is required", body);
  } else if (value->is_object()) {
    read_core(*value, place, faults, out);
  } else if (const auto* list = value->if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) read_core((*list)[i], below(place, i), faults, out);
  } else {
    add_fault(faults, "list_type", place, "must be an object or an array of objects", *value);
  }
}

void add_secrets(const json::object& groups, std::vector<std::string>& out) {
  for (const auto& [group, options] : groups) {
    if (!options.is_object()) continue;
    for (std::string& secret : config::secret_values(options.get_object(), 1))
      out.push_back(std::move(secret));
  }
}

}  // namespace

Request read_request(const json::value& body, Faults& faults) {
  Request out;
  json::array loc;
  loc.emplace_back("body");
  const auto* object = body.if_object();
  if (object == nullptr) {
    add_fault(faults, "model_attributes_type", loc, "must be an object", body);
    return out;
  }
  read_cores(body, *object, loc, faults, out.core_services);
  if (const json::value* names = member(*object, "optional_services"))
    codec::decode(*names, at(loc, "optional_services"), faults, out.optional_services);
  read_groups(*object, "optional_service_options", loc, faults, out.optional_service_options);
  constexpr std::array<std::string_view, 3> known{"core_services", "optional_services",
                                                  "optional_service_options"};
  forbid_others(*object, known, loc, faults);
  return out;
}

std::vector<std::string> secrets_of(const Request& request) {
  std::vector<std::string> out;
  for (const CoreRequest& core : request.core_services) {
    for (const std::string& key : core.debrid_key) {
      if (!text::blank(key)) out.emplace_back(text::trim(key));
    }
    add_secrets(core.service_options, out);
  }
  add_secrets(request.optional_service_options, out);
  return out;
}

}  // namespace dumb::onboarding
