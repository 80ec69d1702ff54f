#include "graph/facts.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

namespace dumb::graph {
namespace {

/// The strings of a value in any form of DEP-3, trimmed, none empty.
std::vector<std::string> strings_of(const json::value* value) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view list) {
    while (!list.empty()) {
      const std::size_t end = std::min(list.find(','), list.size());
      const std::string_view part = text::trim(list.substr(0, end));
      if (!part.empty()) out.emplace_back(part);
      list.remove_prefix(std::min(end + 1, list.size()));
    }
  };
  if (value == nullptr) return out;
  if (const auto* string = value->if_string()) {
    add(*string);
  } else if (const auto* array = value->if_array()) {
    for (const json::value& element : *array) {
      if (element.is_string()) add(element.get_string());
    }
  }
  return out;
}

void add_port(const json::value* value, std::vector<std::uint16_t>& out) {
  if (value == nullptr) return;
  std::int64_t port = 0;
  if (value->is_int64()) {
    port = value->get_int64();
  } else if (value->is_uint64()) {
    port = value->get_uint64() > 65535 ? 0 : static_cast<std::int64_t>(value->get_uint64());
  } else if (const auto* string = value->if_string()) {
    const std::string_view digits(*string);
    const bool decimal = !digits.empty() && std::all_of(digits.begin(), digits.end(),
                                                        [](char c) { return c >= '0' && c <= '9'; });
    if (decimal) port = text::to_int(digits).value_or(0);
  }
  if (port < 1 || port > 65535) return;
  const auto number = static_cast<std::uint16_t>(port);
  if (std::find(out.begin(), out.end(), number) == out.end()) out.push_back(number);
}

void add_references(const json::object& entry, const Tables& tables, std::vector<Reference>& out) {
  for (const std::string_view field : {"core_service", "core_services", "service", "process_name"}) {
    for (std::string& text : strings_of(entry.if_contains(field))) {
      std::string token = tables.token(text);
      out.push_back({std::move(text), std::move(token), field == "process_name"});
    }
  }
}

class Reader {
 public:
  Reader(const json::object& block, const Tables& tables, Facts& facts)
      : block_(block), tables_(tables), facts_(facts) {}

  void run() {
    refs();
    flags();
    for (const std::string_view field : port_fields()) add_port(block_.if_contains(field), facts_.ports);
    if (const json::value* ports = block_.if_contains("ports"); ports != nullptr && ports->is_array()) {
      for (const json::value& port : ports->get_array()) add_port(&port, facts_.ports);
    }
    needs_and_mount();
    each(block_.if_contains("wait_for_url"), [this](const json::value& value) { url(value); });
    each(block_.if_contains("wait_for_mounts"), [this](const json::value& value) {
      if (value.is_string()) path(Signal::wait_for_mounts, std::string_view(value.get_string()), {});
    });
    each(block_.if_contains("wait_for_dir"), [this](const json::value& value) { directory(value); });
    each(block_.if_contains("depends_on"), [this](const json::value& value) { dependency(value); });
  }

 private:
  template <class F>
  static void each(const json::value* value, F act) {
    if (value == nullptr) return;
    if (const auto* array = value->if_array()) {
      for (const json::value& element : *array) act(element);
    } else {
      act(*value);
    }
  }

  std::string_view text_at(std::string_view name) const {
    const json::value* value = block_.if_contains(name);
    return value != nullptr && value->is_string() ? text::trim(value->get_string()) : std::string_view();
  }
  bool flag(std::string_view name) const {
    const json::value* value = block_.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  void refs() {
    for (const std::string_view field : {"core_services", "core_service"}) {
      for (std::string& text : strings_of(block_.if_contains(field))) {
        std::string token = tables_.token(text);
        if (facts_.has_ref(token)) continue;
        facts_.refs.push_back(token);
        facts_.references.push_back({std::move(text), std::move(token), false});
      }
    }
  }

  void flags() {
    for (const std::string& field : tables_.watched_fields) {
      if (flag(field)) facts_.true_fields.push_back(field);
    }
    if (facts_.process.key == "zurg") facts_.config_file = text_at("config_file");
    if (facts_.process.key != "rclone") return;
    facts_.zurg_enabled = flag("zurg_enabled");
    facts_.decypharr_enabled = flag("decypharr_enabled");
    facts_.zurg_config_file = text_at("zurg_config_file");
    facts_.key_type = tables_.token(text_at("key_type"));
  }

  /// DEP-8 and DEP-5.
  void needs_and_mount() {
    if (const KeyRow* row = tables_.find(facts_.process.key)) facts_.requires_ = row->links.requires_;
    bool publishes = true;
    if (facts_.process.key == "decypharr") {
      std::string type = tables_.token(text_at("mount_type"));
      if (type.empty()) type = tables_.token(text_at("branch")) == "beta" ? "dfs" : "rclone";
      publishes = type == "dfs" || type == "rclone";
      if (publishes || type == "none") std::erase(facts_.requires_, "rclone");
    }
    const std::string_view name = text::trim_slashes(text_at("mount_name"));
    const std::string_view directory = text_at("mount_dir");
    if (!directory.empty() && !name.empty())
      facts_.mount = normal_path(std::string(directory) + "/" + std::string(name));
    if (const std::string path = normal_path(text_at("mount_path")); publishes && !path.empty()) {
      // A block with both publishes both; the second one is rare enough to be kept beside.
      (facts_.mount.empty() ? facts_.mount : facts_.second_mount) = path;
    }
  }

  void url(const json::value& value) {
    UrlWait wait;
    std::string_view url;
    if (const auto* string = value.if_string()) {
      url = text::trim(*string);
    } else if (const auto* object = value.if_object()) {
      add_references(*object, tables_, wait.references);
      if (const json::value* member = object->if_contains("url"); member != nullptr && member->is_string())
        url = text::trim(member->get_string());
    }
    if (url.empty() && wait.references.empty()) return;
    if (!url.empty()) {
      Address address = address_of(url);
      wait.url = without_user_info(url);
      wait.valid = address.valid;
      wait.local = address.local;
      wait.host = std::move(address.host);
      wait.port = address.port;
      wait.ui_segment = std::move(address.ui_segment);
    }
    facts_.urls.push_back(std::move(wait));
  }

  void path(Signal signal, std::string_view text, std::vector<Reference> references) {
    PathWait wait{signal, normal_path(text), std::move(references)};
    if (!wait.path.empty() || !wait.references.empty()) facts_.paths.push_back(std::move(wait));
  }

  void directory(const json::value& value) {
    if (const auto* string = value.if_string()) {
      path(Signal::wait_for_dir, *string, {});
      return;
    }
    const auto* object = value.if_object();
    if (object == nullptr) return;
    std::vector<Reference> references;
    add_references(*object, tables_, references);
    bool any = false;
    for (const std::string_view name : {"path", "dir", "directory", "value"}) {
      const json::value* member = object->if_contains(name);
      if (member == nullptr) continue;
      each(member, [&](const json::value& element) {
        if (!element.is_string()) return;
        path(Signal::wait_for_dir, std::string_view(element.get_string()),
             any ? std::vector<Reference>() : references);
        any = true;
      });
    }
    if (!any) path(Signal::wait_for_dir, {}, std::move(references));
  }

  void dependency(const json::value& value) {
    const auto reference = [this](std::string text) {
      std::string token = tables_.token(text);
      return Reference{std::move(text), std::move(token), true};
    };
    if (value.is_string()) {
      for (std::string& text : strings_of(&value))
        facts_.depends_on.push_back({reference(std::move(text)), {}, false});
      return;
    }
    const auto* object = value.if_object();
    if (object == nullptr) return;
    DependsOn entry;
    const json::value* name = object->if_contains("process_name");
    if (name != nullptr && name->is_string())
      entry.reference = reference(std::string(text::trim(name->get_string())));
    entry.invalid = entry.reference.text.empty();
    if (const json::value* condition = object->if_contains("condition");
        condition != nullptr && !condition->is_null()) {
      const auto known = condition->is_string()
                             ? codec::enum_value<Condition>(text::trim(condition->get_string()))
                             : std::nullopt;
      entry.condition = known.value_or(Condition::started);
      entry.invalid = entry.invalid || !known;
    }
    facts_.depends_on.push_back(std::move(entry));
  }

  const json::object& block_;
  const Tables& tables_;
  Facts& facts_;
};

}  // namespace

const std::vector<std::string_view>& port_fields() {
  static const std::vector<std::string_view> fields = {"port",       "frontend_port", "backend_port",
                                                       "web_port",   "ui_port",       "http_port",
                                                       "https_port", "external_port"};
  return fields;
}

bool Facts::has_ref(std::string_view token) const {
  return std::find(refs.begin(), refs.end(), token) != refs.end();
}

bool Facts::same(const Facts& other) const {
  return process == other.process && available == other.available && references == other.references &&
         requires_ == other.requires_ && true_fields == other.true_fields && ports == other.ports &&
         mount == other.mount && second_mount == other.second_mount && config_file == other.config_file &&
         zurg_config_file == other.zurg_config_file && key_type == other.key_type &&
         zurg_enabled == other.zurg_enabled && decypharr_enabled == other.decypharr_enabled &&
         urls == other.urls && paths == other.paths && depends_on == other.depends_on;
}

Facts facts_of(const config::BlockRef& ref, const json::object& block, std::size_t position,
               const Tables& tables) {
  Facts facts;
  facts.process = {ref.process_name, ref.config_key, ref.instance, ref.enabled};
  facts.position = position;
  facts.available = ref.enabled || ref.config_key == "dumb_api_service";
  Reader(block, tables, facts).run();
  return facts;
}

}  // namespace dumb::graph
