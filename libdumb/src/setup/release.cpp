#include "setup/release.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <regex>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

Error lacks(std::string_view member) {
  return failure(Failure::release_not_found, fmt::format("the release server's answer lacks {}", member));
}

Result<Asset> parse_asset(const json::value& value) {
  if (!value.is_object()) return lacks("assets");
  const json::object& object = value.get_object();
  Asset asset;
  const auto id = text::to_int(jsonx::text_at(object, "id"));
  if (!id) return lacks("assets.id");
  asset.id = *id;
  asset.name = jsonx::string_at(object, "name");
  if (asset.name.empty()) return lacks("assets.name");
  asset.size = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, text::to_int(jsonx::text_at(object, "size")).value_or(0)));
  asset.state = jsonx::string_at(object, "state");
  const std::string digest = text::lower(jsonx::string_at(object, "digest"));
  if (digest.starts_with("sha256:") && digest.size() == 71) asset.digest = digest;
  return asset;
}

const std::string& date_of(const Release& release) {
  return release.published_at.empty() ? release.created_at : release.published_at;
}

bool older(const Release& a, const Release& b) {
  if (date_of(a) != date_of(b)) return date_of(a) < date_of(b);
  return compare_versions(a.tag, b.tag).value_or(0) < 0;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string without_v(std::string_view tag) {
  return std::string(tag.starts_with('v') || tag.starts_with('V') ? tag.substr(1) : tag);
}

Result<std::regex> compiled(std::string_view pattern) {
  auto flags = std::regex::ECMAScript;
  if (pattern.starts_with("(?i)")) {
    flags |= std::regex::icase;
    pattern.remove_prefix(4);
  }
  try {
    return std::regex(pattern.begin(), pattern.end(), flags);
  } catch (const std::regex_error&) {
    return failure(Failure::bad_value, fmt::format("the pattern {} is not one", pattern));
  }
}

}  // namespace

Result<Release> parse_release(const json::value& value) {
  if (!value.is_object()) return lacks("a release");
  const json::object& object = value.get_object();
  Release release;
  release.tag = jsonx::string_at(object, "tag_name");
  if (release.tag.empty()) return lacks("tag_name");
  release.draft = jsonx::bool_at(object, "draft", false);
  release.prerelease = jsonx::bool_at(object, "prerelease", false);
  release.created_at = jsonx::string_at(object, "created_at");
  release.published_at = jsonx::string_at(object, "published_at");
  release.zipball_url = jsonx::string_at(object, "zipball_url");
  const json::value* assets = object.if_contains("assets");
  if (assets == nullptr || !assets->is_array()) return lacks("assets");
  for (const json::value& element : assets->get_array()) {
    auto asset = parse_asset(element);
    if (!asset) return asset.error();
    release.assets.push_back(std::move(*asset));
  }
  return release;
}

Result<std::vector<Release>> parse_releases(const json::value& value) {
  if (!value.is_array()) return lacks("a list of releases");
  std::vector<Release> releases;
  for (const json::value& element : value.get_array()) {
    auto release = parse_release(element);
    if (!release) return release.error();
    releases.push_back(std::move(*release));
  }
  return releases;
}

const Release* choose(const std::vector<Release>& releases, Selector selector) {
  const auto fits = [selector](const Release& release) {
    if (selector == Selector::nightly) return release.tag.find("nightly") != std::string::npos;
    return !release.draft && release.prerelease == (selector == Selector::prerelease);
  };
  const Release* best = nullptr;
  for (const Release& release : releases) {
    if (fits(release) && (best == nullptr || older(*best, release))) best = &release;
  }
  return best;
}

std::vector<std::string> tag_spellings(std::string_view tag) {
  std::vector<std::string> out{std::string(tag)};
  out.push_back(tag.starts_with('v') ? std::string(tag.substr(1)) : "v" + std::string(tag));
  return out;
}

Result<Asset> choose_asset(const Release& release, std::string_view pattern) {
  const std::string filled =
      text::replace_all(std::string(pattern), "{version}", escaped(without_v(release.tag)));
  const auto expression = compiled(filled);
  if (!expression) return expression.error();
  const Asset* best = nullptr;
  std::vector<std::string> names;
  for (const Asset& asset : release.assets) {
    names.push_back(asset.name);
    if (asset.state != "uploaded" || !std::regex_search(asset.name, *expression)) continue;
    if (best == nullptr ||
        std::pair(asset.name.size(), asset.name) < std::pair(best->name.size(), best->name))
      best = &asset;
  }
  if (best != nullptr) return *best;
  return failure(Failure::no_matching_asset,
                 fmt::format("release {} has no file for this machine among: {}", release.tag,
                             names.empty() ? "(none)" : text::join(names, ", ")));
}

const Asset* choose_checksums(const Release& release, const Asset& asset, std::string_view pattern) {
  if (!pattern.empty()) {
    if (const auto expression = compiled(pattern)) {
      for (const Asset& other : release.assets) {
        if (other.state == "uploaded" && std::regex_search(other.name, *expression)) return &other;
      }
    }
  }
  for (const Asset& other : release.assets) {
    if (other.state == "uploaded" && other.name == asset.name + ".sha256") return &other;
  }
  return nullptr;
}

std::string checksum_of(std::string_view text, std::string_view name) {
  const auto is_digest = [](std::string_view word) {
    return word.size() == 64 && word.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  };
  const std::string_view whole = text::trim(text);
  if (is_digest(whole)) return text::lower(whole);
  for (const std::string& line : text::split(text, '\n')) {
    const std::string_view trimmed = text::trim(line);
    const std::size_t end = trimmed.find_first_of(" \t");
    if (end == std::string_view::npos || !is_digest(trimmed.substr(0, end))) continue;
    std::string_view file = text::trim(trimmed.substr(end));
    if (file.starts_with('*')) file.remove_prefix(1);
    if (file.starts_with("./")) file.remove_prefix(2);
    if (file == name) return text::lower(trimmed.substr(0, end));
  }
  return {};
}

}  // namespace dumb::setup
