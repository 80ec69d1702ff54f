#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/snapshot.hpp>

namespace dumb::config {
namespace {

std::string name_of(const json::object& block) {
  return std::string(text::trim(jsonx::string_at(block, "process_name")));
}

void add_block(const json::value& value, JsonPath path, std::string key, std::string instance,
               std::vector<BlockRef>& out) {
  const auto* block = value.if_object();
  if (block == nullptr) return;
  std::string name = name_of(*block);
  if (name.empty()) return;
  out.push_back({std::move(name), std::move(key), std::move(instance), std::move(path),
                 jsonx::bool_at(*block, "enabled", false)});
}

const json::object* member_object(const json::object& parent, std::string_view key) noexcept {
  const json::value* value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

}  // namespace

std::string dotted(const JsonPath& path) {
  return text::join(path, ".");
}

std::vector<BlockRef> collect_blocks(const json::object& document) {
  std::vector<BlockRef> out;
  for (const auto& [key_view, value] : document) {
    const std::string key(key_view);
    const auto* section = value.if_object();
    if (section == nullptr) continue;
    if (!name_of(*section).empty()) {
      add_block(value, {key}, key, {}, out);
    } else if (key == "dumb") {
      for (const auto& [child, block] : *section) {
        add_block(block, {key, std::string(child)}, "dumb_" + std::string(child), {}, out);
      }
    } else if (const auto* instances = member_object(*section, "instances")) {
      for (const auto& [instance, block] : *instances) {
        add_block(block, {key, "instances", std::string(instance)}, key, std::string(instance), out);
      }
    }
  }
  return out;
}

Snapshot::Snapshot(json::object effective, json::object base, std::uint64_t generation)
    : effective_(std::move(effective)), base_(std::move(base)), generation_(generation) {
  for (BlockRef& ref : collect_blocks(effective_)) {
    const bool first = by_name_.emplace(ref.process_name, blocks_.size()).second;
    (first ? blocks_ : duplicates_).push_back(std::move(ref));
  }
}

const BlockRef* Snapshot::find(std::string_view process_name) const noexcept {
  const auto found = by_name_.find(process_name);
  return found == by_name_.end() ? nullptr : &blocks_[found->second];
}

const BlockRef* Snapshot::resolve(std::string_view process_name) const {
  process_name = text::trim(process_name);
  if (process_name.empty()) return nullptr;
  if (const BlockRef* exact = find(process_name)) return exact;
  const std::string folded = text::fold(process_name);
  const BlockRef* only = nullptr;
  for (const BlockRef& ref : blocks_) {
    if (text::fold(ref.process_name) != folded) continue;
    if (only != nullptr) return nullptr;
    only = &ref;
  }
  return only;
}

const json::object& Snapshot::block(const BlockRef& ref) const {
  static const json::object nothing;
  const json::value* found = jsonx::find(effective_, ref.path);
  // A reference of an older snapshot may name a block that is gone.
  return found != nullptr && found->is_object() ? found->get_object() : nothing;
}

const json::object* Snapshot::block(std::string_view config_key, std::string_view instance) const noexcept {
  if (config_key == "dumb_api_service" || config_key == "dumb_frontend") {
    const json::object* dumb = member_object(effective_, "dumb");
    return dumb == nullptr || !instance.empty() ? nullptr : member_object(*dumb, config_key.substr(5));
  }
  const json::object* section = member_object(effective_, config_key);
  if (section == nullptr || instance.empty()) return section;
  const json::object* instances = member_object(*section, "instances");
  return instances == nullptr ? nullptr : member_object(*instances, instance);
}

std::vector<const BlockRef*> Snapshot::of_key(std::string_view config_key) const {
  std::vector<const BlockRef*> out;
  for (const BlockRef& ref : blocks_) {
    if (ref.config_key == config_key) out.push_back(&ref);
  }
  return out;
}

}  // namespace dumb::config
