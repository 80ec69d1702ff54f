// Who publishes what, and who asks for what: look-ups in both directions, kept up with every change.
#include <algorithm>
#include <dumb/base/text.hpp>

#include "graph/model_impl.hpp"

namespace dumb::graph {
namespace {

template <class Map, class Key>
void put(Map& map, const Key& key, Index index) {
  IndexList& list = map[key];
  if (list.empty() || list.back() != index) list.push_back(index);
}

template <class Map, class Key>
void drop(Map& map, const Key& key, Index index) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  std::erase(found->second, index);
  if (found->second.empty()) map.erase(found);
}

template <class Map, class Key>
void append(const Map& map, const Key& key, IndexList& out) {
  if (const auto found = map.find(key); found != map.end())
    out.insert(out.end(), found->second.begin(), found->second.end());
}

/// Every proper ancestor of a normalised path, and the path itself.
template <class F>
void each_ancestor(std::string_view path, F act) {
  for (std::size_t slash = path.find('/', 1); slash != std::string_view::npos;
       slash = path.find('/', slash + 1))
    act(path.substr(0, slash));
  if (!path.empty()) act(path);
}

void append_below(const Paths& paths, std::string_view path, IndexList& out) {
  const std::string begin = std::string(path) + "/";
  for (auto at = paths.lower_bound(begin); at != paths.end() && at->first.starts_with(begin); ++at)
    out.insert(out.end(), at->second.begin(), at->second.end());
}

void unique(IndexList& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// The look-ups of what is asked for.
struct Asked {
  ByText<IndexList>&key, &name, &slug;
  Ports& port;
  Paths& path;
};

template <class F>
void each_reference(const Facts& facts, F act) {
  for (const Reference& reference : facts.references) act(reference);
  for (const UrlWait& wait : facts.urls) {
    for (const Reference& reference : wait.references) act(reference);
  }
  for (const PathWait& wait : facts.paths) {
    for (const Reference& reference : wait.references) act(reference);
  }
  for (const DependsOn& entry : facts.depends_on) act(entry.reference);
}

/// Calls act(look-up, key) for everything a process asks for.
template <class F>
void each_asked(const Facts& facts, const Tables& tables, const Asked& asked, F act) {
  each_reference(facts, [&](const Reference& reference) {
    act(asked.key, reference.token);
    act(asked.name, text::lower(reference.text));
  });
  for (const UrlWait& wait : facts.urls) {
    for (const std::string* text : {&wait.ui_segment, &wait.host}) {
      if (text->empty() || (text == &wait.host && wait.local)) continue;
      act(asked.key, tables.token(*text));
      act(asked.name, text::lower(text::trim(*text)));
    }
    if (!wait.ui_segment.empty()) act(asked.slug, slug_of(wait.ui_segment));
    if (wait.local && wait.port != 0) act(asked.port, wait.port);
  }
  for (const PathWait& wait : facts.paths) {
    if (!wait.path.empty()) act(asked.path, wait.path);
  }
  if (facts.process.key == "rclone") {
    for (const char* key : {"zurg", "decypharr", "nzbdav"}) act(asked.key, std::string(key));
  }
}

}  // namespace

std::string slug_of(std::string_view name) {
  std::string slug = text::lower(text::trim(name));
  std::replace_if(
      slug.begin(), slug.end(), [](char c) { return c == ' ' || c == '/'; }, '_');
  return slug;
}

void Model::Impl::enter(Index index) {
  const Facts& own = facts[index];
  put(by_key, own.process.key, index);
  put(by_lower_name, text::lower(own.process.name), index);
  put(by_slug, slug_of(own.process.name), index);
  for (const std::uint16_t port : own.ports) put(by_port, port, index);
  for (const std::string* mount : {&own.mount, &own.second_mount}) {
    if (!mount->empty()) put(by_mount, *mount, index);
  }
  each_asked(own, *tables, {asks_key, asks_name, asks_slug, asks_port, asks_path},
             [&](auto& map, const auto& key) { put(map, key, index); });
}

void Model::Impl::leave(Index index) {
  const Facts& own = facts[index];
  drop(by_key, own.process.key, index);
  drop(by_lower_name, text::lower(own.process.name), index);
  drop(by_slug, slug_of(own.process.name), index);
  for (const std::uint16_t port : own.ports) drop(by_port, port, index);
  for (const std::string* mount : {&own.mount, &own.second_mount}) {
    if (!mount->empty()) drop(by_mount, *mount, index);
  }
  each_asked(own, *tables, {asks_key, asks_name, asks_slug, asks_port, asks_path},
             [&](auto& map, const auto& key) { drop(map, key, index); });
}

void Model::Impl::askers(const Facts& own, IndexList& found) const {
  append(asks_key, own.process.key, found);
  append(asks_name, text::lower(own.process.name), found);
  append(asks_slug, slug_of(own.process.name), found);
  for (const std::uint16_t port : own.ports) append(asks_port, port, found);
  for (const std::string* mount : {&own.mount, &own.second_mount}) {
    if (mount->empty()) continue;
    each_ancestor(*mount, [&](std::string_view ancestor) { append(asks_path, ancestor, found); });
    append_below(asks_path, *mount, found);
  }
  if (const KeyRow* row = tables->find(own.process.key)) {
    for (const std::string& key : row->mentioned_by) append(by_key, key, found);
  }
}

IndexList Model::Impl::of_key(std::string_view key) const {
  const auto found = by_key.find(key);
  return found == by_key.end() ? IndexList() : found->second;
}

IndexList Model::Impl::named(std::string_view text) const {
  const auto found = by_lower_name.find(text::lower(text::trim(text)));
  if (found == by_lower_name.end()) return {};
  // Names that differ in letter case only: the one as written, else the first in byte order.
  const auto better = [&](Index a, Index b) {
    const bool a_exact = facts[a].process.name == text;
    const bool b_exact = facts[b].process.name == text;
    return a_exact != b_exact ? a_exact : facts[a].process.name < facts[b].process.name;
  };
  return {*std::min_element(found->second.begin(), found->second.end(), better)};
}

IndexList Model::Impl::resolve(const Reference& reference, const Facts& source) const {
  if (reference.name_first) {
    if (IndexList found = named(reference.text); !found.empty()) return found;
  }
  IndexList candidates = of_key(reference.token);
  if (candidates.empty()) return reference.name_first ? candidates : named(reference.text);
  if (tables->scoped(reference.token)) {
    std::erase_if(candidates, [&](Index index) {
      const Facts& other = facts[index];
      return !other.has_ref(source.process.key) &&
             std::none_of(other.refs.begin(), other.refs.end(),
                          [&](const std::string& ref) { return source.has_ref(ref); });
    });
  }
  return candidates;
}

IndexList Model::Impl::with_slug(std::string_view segment) const {
  const auto found = by_slug.find(slug_of(segment));
  return found == by_slug.end() ? IndexList() : found->second;
}

IndexList Model::Impl::with_port(std::uint16_t port) const {
  const auto found = by_port.find(port);
  return found == by_port.end() ? IndexList() : found->second;
}

IndexList Model::Impl::with_mount(std::string_view path) const {
  IndexList found;
  each_ancestor(path, [&](std::string_view ancestor) { append(by_mount, ancestor, found); });
  if (found.empty()) append_below(by_mount, path, found);
  unique(found);
  return found;
}

}  // namespace dumb::graph
