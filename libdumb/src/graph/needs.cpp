#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/root.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>
#include <dumb/graph/needs.hpp>
#include <functional>

namespace dumb::graph {
namespace {

using config::BlockRef;

std::string member(const json::object& block, std::string_view name) {
  const json::value* value = block.if_contains(name);
  return value == nullptr ? std::string() : jsonx::scalar_text(*value);
}

std::string trimmed_slashes(std::string text) {
  while (text.starts_with('/')) text.erase(0, 1);
  while (text.ends_with('/')) text.pop_back();
  return text;
}

/// Port of a URL whose host is this machine; 0 for any other.
std::int64_t local_port(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return 0;
  std::string_view authority = url.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (const std::size_t user = authority.rfind('@'); user != std::string_view::npos)
    authority.remove_prefix(user + 1);
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    host = authority.substr(1, close == std::string_view::npos ? close : close - 1);
    if (close != std::string_view::npos && authority.substr(close + 1).starts_with(':'))
      port = authority.substr(close + 2);
  } else if (const std::size_t colon = authority.rfind(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  const std::string name = text::lower(host);
  const bool local = name == "localhost" || name == "localhost." || name.starts_with("127.") ||
                     name == "0.0.0.0" || name == "::1" || name == "::";
  if (!local) return 0;
  if (port.empty()) return url.starts_with("https") ? 443 : 80;
  return text::to_int(port).value_or(0);
}

void strings_of(const json::value& value, std::vector<std::string>& out) {
  if (value.is_string()) {
    out.emplace_back(text::trim(std::string_view(value.get_string())));
  } else if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) strings_of(element, out);
  } else if (const auto* object = value.if_object()) {
    for (const char* name : {"path", "dir", "directory", "value", "url", "process_name"}) {
      if (const json::value* inner = object->if_contains(name)) strings_of(*inner, out);
    }
  }
}

std::vector<std::string> strings_at(const json::object& block, std::string_view name) {
  std::vector<std::string> out;
  if (const json::value* value = block.if_contains(name)) strings_of(*value, out);
  return out;
}

class Collector {
 public:
  Collector(const config::Snapshot& config, const catalog::Catalog& catalog, const std::set<std::string>& of)
      : config_(config), catalog_(catalog), model_(catalog.model()) {
    for (const BlockRef& ref : config.blocks()) {
      if (of.contains(ref.process_name)) refs_.push_back(&ref);
    }
  }

  Needs run() {
    for (const BlockRef* ref : refs_) needs_[ref->process_name];
    for (const BlockRef* ref : refs_) observed(*ref);
    for (const BlockRef* ref : refs_) tabled(*ref);
    return std::move(needs_);
  }

 private:
  const json::object& block(const BlockRef& ref) const { return config_.block(ref); }

  bool reaches(const std::string& from, const std::string& to) const {
    std::set<std::string> seen{from};
    std::vector<std::string> open{from};
    while (!open.empty()) {
      const std::string at = std::move(open.back());
      open.pop_back();
      if (at == to) return true;
      const auto found = needs_.find(at);
      if (found == needs_.end()) continue;
      for (const std::string& next : found->second) {
        if (seen.insert(next).second) open.push_back(next);
      }
    }
    return false;
  }

  void add(const BlockRef& source, const BlockRef& target) {
    if (source.process_name == target.process_name) return;
    if (reaches(target.process_name, source.process_name)) return;
    needs_[source.process_name].insert(target.process_name);
  }

  std::vector<const BlockRef*> of_key(std::string_view key) const {
    std::vector<const BlockRef*> found;
    for (const BlockRef* ref : refs_) {
      if (ref->config_key == key) found.push_back(ref);
    }
    return found;
  }

  std::string mount_of(const BlockRef& ref) const {
    const json::object& own = block(ref);
    const std::string directory = member(own, "mount_dir");
    const std::string name = trimmed_slashes(member(own, "mount_name"));
    if (!directory.empty() && !name.empty()) return (std::filesystem::path(directory) / name).native();
    const std::string path = member(own, "mount_path");
    if (path.empty() || path == "/") return {};
    if (ref.config_key == "decypharr") {
      const std::string type = text::lower(member(own, "mount_type"));
      if (type != "dfs" && type != "rclone") return {};
    }
    return path;
  }

  void need_path(const BlockRef& source, const std::string& path) {
    if (path.empty()) return;
    bool found = false;
    for (const bool below : {false, true}) {
      if (found) return;
      for (const BlockRef* target : refs_) {
        const std::string mount = mount_of(*target);
        if (mount.empty()) continue;
        if (below ? lies_below(mount, path) : lies_below(path, mount)) {
          add(source, *target);
          found = true;
        }
      }
    }
  }

  bool publishes(const BlockRef& ref, std::int64_t port) const {
    for (const char* name :
         {"port", "frontend_port", "backend_port", "web_port", "ui_port", "http_port", "https_port"}) {
      const json::value* value = block(ref).if_contains(name);
      if (value != nullptr && text::to_int(jsonx::scalar_text(*value)) == port) return true;
    }
    return false;
  }

  /// What the block itself says: waits, flags and depends_on.
  void observed(const BlockRef& source) {
    const json::object& own = block(source);
    for (const std::string& name : strings_at(own, "depends_on")) {
      for (const BlockRef* target : refs_) {
        if (target->process_name == name) add(source, *target);
      }
    }
    for (const char* field : {"wait_for_mounts", "wait_for_dir"}) {
      for (const std::string& path : strings_at(own, field)) need_path(source, path);
    }
    for (const std::string& url : strings_at(own, "wait_for_url")) {
      const std::int64_t port = local_port(url);
      for (const BlockRef* target : refs_) {
        if (port != 0 && publishes(*target, port)) add(source, *target);
      }
    }
    if (source.config_key == "rclone") providers(source, own);
  }

  void providers(const BlockRef& source, const json::object& own) {
    const auto cores = config::core_services(own, model_);
    if (jsonx::bool_at(own, "zurg_enabled", false)) {
      for (const BlockRef* target : of_key("zurg")) {
        const auto theirs = config::core_services(block(*target), model_);
        const bool shared = std::any_of(cores.begin(), cores.end(), [&](const std::string& core) {
          return std::find(theirs.begin(), theirs.end(), core) != theirs.end();
        });
        const bool same_file = member(block(*target), "config_file") == member(own, "zurg_config_file");
        if (shared || same_file) add(source, *target);
      }
    }
    if (jsonx::bool_at(own, "decypharr_enabled", false)) {
      for (const BlockRef* target : of_key("decypharr")) add(source, *target);
    }
    const bool nzbdav = text::lower(member(own, "key_type")) == "nzbdav" ||
                        std::find(cores.begin(), cores.end(), "nzbdav") != cores.end();
    if (nzbdav) {
      for (const BlockRef* target : of_key("nzbdav")) add(source, *target);
    }
  }

  /// What the catalogue says.
  void tabled(const BlockRef& source) {
    const catalog::Service* service = catalog_.find(source.config_key);
    if (service == nullptr) return;
    for (const auto* list : {&service->dependencies.hard_links, &service->dependencies.requires_}) {
      for (const std::string& key : *list) {
        for (const BlockRef* target : of_key(key)) {
          const bool scoped = key == "rclone" || key == "zurg";
          if (scoped && !config::has_core_service(block(*target), source.config_key, model_)) continue;
          add(source, *target);
        }
      }
    }
    if (source.config_key == "rclone") return;  // its start_after depends on flags, see providers()
    for (const std::string& key : service->dependencies.start_after) {
      for (const BlockRef* target : of_key(key)) {
        if (source.config_key == "huntarr" && !jsonx::bool_at(block(*target), "use_huntarr", false)) continue;
        add(source, *target);
      }
    }
  }

  const config::Snapshot& config_;
  const catalog::Catalog& catalog_;
  config::Model model_;
  std::vector<const BlockRef*> refs_;
  Needs needs_;
};

}  // namespace

Needs needs_of(const config::Snapshot& config, const catalog::Catalog& catalog,
               const std::set<std::string>& of) {
  return Collector(config, catalog, of).run();
}

std::vector<std::vector<std::string>> stop_groups(const std::map<std::string, std::size_t>& tier_of,
                                                  const Needs& needs) {
  std::map<std::string, std::size_t> left = tier_of;
  std::vector<std::vector<std::string>> groups;
  while (!left.empty()) {
    const auto needed = [&](const std::string& name) {
      return std::any_of(left.begin(), left.end(), [&](const auto& other) {
        const auto found = needs.find(other.first);
        return found != needs.end() && other.first != name && found->second.contains(name);
      });
    };
    std::size_t lowest = std::size_t(-1);
    for (const auto& [name, tier] : left) {
      if (!needed(name)) lowest = std::min(lowest, tier);
    }
    std::vector<std::string> group;
    for (const auto& [name, tier] : left) {
      if (tier == lowest && !needed(name)) group.push_back(name);
    }
    if (group.empty()) {  // only a cycle is left: its members stop together
      for (const auto& [name, tier] : left) group.push_back(name);
    }
    for (const std::string& name : group) left.erase(name);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace dumb::graph
