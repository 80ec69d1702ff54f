#include "graph/tables.hpp"

#include <algorithm>
#include <dumb/base/text.hpp>

namespace dumb::graph {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (!contains(list, text)) list.push_back(text);
}

}  // namespace

Tables::Tables(const catalog::Catalog& catalog) : core_keys(catalog.core_keys()) {
  for (const catalog::Service& service : catalog.services()) {
    KeyRow& row = rows[service.key];
    row.display_name = service.display_name;
    row.core = service.kind == "core";
    row.links = service.dependencies;
    if (!row.links.start_after_field.empty()) add_once(watched_fields, row.links.start_after_field);
    tokens.emplace(text::lower(service.key), service.key);
  }
  for (const catalog::Service& service : catalog.services()) {
    tokens.emplace(text::lower(service.display_name), service.key);
    for (const auto* names : {&service.aliases, &service.key_aliases}) {
      for (const std::string& name : *names) tokens.emplace(text::lower(name), service.key);
    }
    const catalog::Dependencies& links = service.dependencies;
    for (const auto* list : {&links.requires_, &links.hard_links, &links.start_after, &links.soft_links}) {
      for (const std::string& key : *list) {
        if (const auto found = rows.find(key); found != rows.end())
          add_once(found->second.mentioned_by, service.key);
      }
    }
  }
}

std::string Tables::token(std::string_view text) const {
  std::string folded = text::lower(text::trim(text));
  const auto found = tokens.find(folded);
  return found == tokens.end() ? folded : found->second;
}

const KeyRow* Tables::find(std::string_view key) const {
  const auto found = rows.find(key);
  return found == rows.end() ? nullptr : &found->second;
}

bool Tables::scoped(std::string_view key) const {
  const KeyRow* row = find(key);
  return row != nullptr && row->links.scoped;
}

std::string Tables::display_name(std::string_view key) const {
  const KeyRow* row = find(key);
  return row == nullptr ? std::string(key) : row->display_name;
}

bool Tables::tabled(std::string_view key) const {
  const KeyRow* row = find(key);
  return row != nullptr && (row->core || !row->links.requires_.empty() || !row->links.hard_links.empty());
}

bool optional_need(const KeyRow& row, std::string_view need) {
  return contains(row.links.optional_requires, need);
}

}  // namespace dumb::graph
