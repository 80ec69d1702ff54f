#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/secrets.hpp>

namespace dumb::config {
namespace {

constexpr std::array<std::string_view, 9> secret_names{"api_key",        "password",   "webdav_password",
                                                       "setup_password", "plex_claim", "plex_token",
                                                       "github_token",   "token",      "secret"};
constexpr std::array<std::string_view, 6> secret_variables{"PASSWORD", "PASSWD", "TOKEN",
                                                           "SECRET",   "APIKEY", "API_KEY"};

/// The password of the first `user:password@` in `value`, or "".
std::string_view userinfo_password(std::string_view value) {
  const auto ends_part = [](char c) { return c == ' ' || c == '/' || c == '@' || c == '"' || c == '\''; };
  for (std::size_t at = value.find('@'); at != std::string_view::npos; at = value.find('@', at + 1)) {
    std::size_t begin = at;
    while (begin > 0 && !ends_part(value[begin - 1])) --begin;
    const std::string_view info = value.substr(begin, at - begin);
    const std::size_t colon = info.find(':');
    if (colon != std::string_view::npos && colon > 0 && colon + 1 < info.size())
      return info.substr(colon + 1);
  }
  return {};
}

/// The value after `Password=` up to the next ';', or "".
std::string_view keyword_password(std::string_view value) {
  static constexpr std::string_view keyword = "password=";
  const std::string lower = text::lower(value);
  const std::size_t at = lower.find(keyword);
  if (at == std::string::npos) return {};
  const std::string_view rest = value.substr(at + keyword.size());
  return text::trim(rest.substr(0, rest.find(';')));
}

bool in_environment(const JsonPath& path) {
  return path.size() >= 2 && path[path.size() - 2] == "env";
}

bool has_secret_name(const JsonPath& path) {
  const std::string& leaf = path.back();
  if (std::find(secret_names.begin(), secret_names.end(), leaf) != secret_names.end()) return true;
  if (std::find(path.begin(), path.end() - 1, "api_keys") != path.end() - 1) return true;
  if (!in_environment(path)) return false;
  const std::string upper = text::upper(leaf);
  return std::any_of(secret_variables.begin(), secret_variables.end(),
                     [&](std::string_view part) { return upper.find(part) != std::string::npos; });
}

void collect(const json::value& value, JsonPath& path, std::size_t minimum, std::vector<std::string>& out) {
  const auto add = [&](std::string_view secret) {
    // A value that begins with a placeholder is no secret itself; what it stands for is listed where it is
    // set.
    if (secret.size() < minimum || secret.starts_with('{') || secret.starts_with("${")) return;
    if (std::find(out.begin(), out.end(), secret) == out.end()) out.emplace_back(secret);
  };
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      path.emplace_back(key);
      collect(member, path, minimum, out);
      path.pop_back();
    }
  } else if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      path.push_back(std::to_string(i));
      collect((*array)[i], path, minimum, out);
      path.pop_back();
    }
  } else if (is_secret(path, value)) {
    const std::string whole = jsonx::scalar_text(value);
    if (has_secret_name(path)) add(whole);
    // Of a connection string only the password is secret; the rest would blank out ordinary lines.
    if (in_environment(path)) {
      add(keyword_password(whole));
      add(userinfo_password(whole));
    }
  }
}

}  // namespace

bool is_secret(const JsonPath& path, const json::value& value) {
  if (path.empty() || value.is_object() || value.is_array()) return false;
  if (has_secret_name(path)) return true;
  if (!in_environment(path) || !value.is_string()) return false;
  const std::string_view string = value.get_string();
  return text::lower(string).find("password=") != std::string::npos || !userinfo_password(string).empty();
}

std::vector<std::string> secret_values(const json::object& document, std::size_t minimum) {
  std::vector<std::string> out;
  JsonPath path;
  for (const auto& [key, member] : document) {
    path.emplace_back(key);
    collect(member, path, minimum, out);
    path.pop_back();
  }
  return out;
}

}  // namespace dumb::config
