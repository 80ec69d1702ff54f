#include "setup/host_links.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <chrono>
#include <dumb/base/json.hpp>
#include <dumb/base/root.hpp>

namespace dumb::setup::host {
namespace {

namespace fs = std::filesystem;

/// Without "..", ".", empty components and a final slash.
bool plain(const fs::path& path) {
  if (path.empty() || !path.has_filename() || path.lexically_normal() != path) return false;
  for (const fs::path& part : path) {
    if (part == ".." || part == ".") return false;
  }
  return true;
}

}  // namespace

std::vector<DataLink> data_links(const catalog::Catalog& catalog, const fs::path& data_root,
                                 std::vector<std::string>& problems) {
  std::vector<DataLink> links;
  for (const catalog::Service& service : catalog.services()) {
    const json::value* table = service.raw.if_contains("data_root_links");
    if (table == nullptr || !table->is_array()) continue;
    for (const json::value& element : table->get_array()) {
      const json::object entry = element.is_object() ? element.get_object() : json::object();
      const fs::path path = jsonx::string_at(entry, "path");
      const fs::path under = jsonx::string_at(entry, "under_data_root");
      if (!plain(path) || !path.is_absolute() || !plain(under) || under.is_absolute()) {
        problems.push_back(fmt::format(
            "{}: data_root_links needs an absolute path and a name beneath data_root", service.key));
      } else if (lies_below(data_root, path) || lies_below(path, data_root)) {
        problems.push_back(
            fmt::format("{}: {} cannot be linked into {}", service.key, path.native(), data_root.native()));
      } else {
        links.push_back({path, data_root / under});
      }
    }
  }
  return links;
}

LinkDecision decide(Found source, Found target) noexcept {
  switch (source) {
    case Found::mount:
      return {LinkStep::skip, "is a mount of its own"};
    case Found::link_other:
      return {LinkStep::skip, "is a link to somewhere else"};
    case Found::other:
      return {LinkStep::leave, "is neither a directory nor a link"};
    case Found::link_right:
      return {target == Found::absent ? LinkStep::make_target : LinkStep::nothing, {}};
    case Found::absent:
    case Found::empty:
    case Found::filled:
      break;
  }
  if (target == Found::other) return {LinkStep::leave, "would lead to something that is no directory"};
  if (source == Found::absent) return {LinkStep::link, {}};
  // The copy of an empty directory keeps its mode and owner.
  if (source == Found::empty) return {target == Found::absent ? LinkStep::move : LinkStep::link, {}};
  if (target == Found::absent || target == Found::empty) return {LinkStep::move, {}};
  if (target == Found::filled) return {LinkStep::retire, {}};
  // The copy is put in place by renaming it, which neither a mount nor a link can stand.
  return {LinkStep::leave, "holds data, and its place in data_root is an empty mount or a link"};
}

std::string aside_name(std::string_view name, WallTime now) {
  const auto days = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - days));
  return fmt::format("{}.pre-dumb-{:04}{:02}{:02}T{:02}{:02}{:02}Z", name, static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace dumb::setup::host
