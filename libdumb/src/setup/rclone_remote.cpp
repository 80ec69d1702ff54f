#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

#include "setup/obscure.hpp"
#include "setup/rclone.hpp"

namespace dumb::setup {
namespace {

std::string member_text(const json::object& block, std::string_view name) {
  const json::value* found = catalog::member(block, name);
  return found == nullptr ? std::string() : text_of(*found);
}

Result<std::string> required(const json::object& block, std::string_view name) {
  std::string value = member_text(block, name);
  if (text::blank(value)) return failure(Failure::missing_field, fmt::format("{} must be set", name));
  return value;
}

Remote webdav(std::string url, std::string_view vendor, std::string user, std::string password,
              std::string_view pacer = {}) {
  Remote remote;
  remote.entries = {{"type", "webdav"}, {"url", url}, {"vendor", std::string(vendor)}};
  if (!user.empty()) remote.entries.emplace_back("user", user);
  if (!pacer.empty()) remote.entries.emplace_back("pacer_min_sleep", pacer);
  remote.url = url.starts_with("davs:") ? "https:" + url.substr(5) : std::move(url);
  remote.user = std::move(user);
  remote.password = std::move(password);
  return remote;
}

std::string normal_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().native();
}

/// The zurg instance a remote belongs to, else what its configuration file says.
Result<Remote> zurg_remote(Scope& scope) {
  const std::string file = member_text(scope.own(), "zurg_config_file");
  std::string port;
  std::string user;
  std::string password;
  for (const config::BlockRef* ref : scope.context().config->of_key("zurg")) {
    const json::object& zurg = scope.context().config->block(*ref);
    if (file.empty() || normal_path(member_text(zurg, "config_file")) != normal_path(file)) continue;
    port = member_text(zurg, "port");
    user = member_text(zurg, "user");
    password = member_text(zurg, "password");
    break;
  }
  if (port.empty() && !text::blank(file)) {
    if (const auto text = scope.facts().read(scope.mapped(file))) {
      const auto value = [&](std::string_view name) {
        const auto found = yaml_value(*text, name);
        return found ? found->value_or("") : std::string();
      };
      port = value("port");
      user = value("username");
      password = value("password");
    }
  }
  if (!text::to_int(port)) {
    return failure(Failure::missing_field,
                   fmt::format("no zurg instance has the config_file {} and the file names no port", file));
  }
  if (text::blank(user) || text::blank(password)) user = password = "";
  return webdav(fmt::format("http://localhost:{}/dav/", port), "other", user, password, "0");
}

Result<Remote> decypharr_remote(Scope& scope, const std::string& provider) {
  static constexpr std::array<std::string_view, 5> known{"realdebrid", "alldebrid", "debridlink", "torbox",
                                                         "usenet"};
  if (std::find(known.begin(), known.end(), provider) == known.end()) {
    return failure(Failure::unsupported_provider, fmt::format("decypharr has no provider \"{}\"", provider));
  }
  const json::object* decypharr = scope.block_of("decypharr");
  const std::string port = decypharr == nullptr ? "" : member_text(*decypharr, "port");
  if (text::blank(port)) return failure(Failure::missing_field, "decypharr.port must be set");
  return webdav(fmt::format("http://localhost:{}/webdav/{}", port, provider), "other", "", "", "0");
}

std::string from_environment(const Scope& scope, std::string_view name) {
  const auto found = scope.context().environment.find(name);
  return found == scope.context().environment.end() ? "" : found->second;
}

/// A value of NzbDAV's own database; blank when there is none.
std::string stored_value(Scope& scope, std::string_view name) {
  const auto found = scope.values.find(name);
  const auto value = found == scope.values.end() ? Result<json::value>(json::value()) : found->second();
  return value ? text_of(*value) : std::string();
}

Result<Remote> nzbdav_remote(Scope& scope) {
  const json::object* nzbdav = scope.block_of("nzbdav");
  const std::string port = nzbdav == nullptr ? "" : member_text(*nzbdav, "backend_port");
  if (text::blank(port)) return failure(Failure::missing_field, "nzbdav.backend_port must be set");
  std::string user = member_text(*nzbdav, "env.WEBDAV_USER");
  if (text::blank(user)) user = stored_value(scope, "nzbdav.stored_user");
  if (text::blank(user)) user = "admin";
  std::string password = member_text(*nzbdav, "webdav_password");
  if (text::blank(password)) password = from_environment(scope, "WEBDAV_PASSWORD");
  if (text::blank(password)) password = stored_value(scope, "nzbdav.stored_password");
  std::vector<std::string> warnings;
  if (is_password_hash(password)) {
    password.clear();
    warnings.emplace_back("the WebDAV password of nzbdav is stored as a hash, so the remote has no password");
  }
  Remote remote = webdav(fmt::format("http://127.0.0.1:{}/", port), "other", user, password, "0");
  remote.nzbdav = true;
  remote.warnings = std::move(warnings);
  return remote;
}

struct Provider {
  std::string_view token, type, address, vendor, user, password, pacer;  ///< user and password name members
};
constexpr std::array<Provider, 5> providers{{
    {"realdebrid", "webdav", "https://dav.real-debrid.com/", "other", "username", "password", ""},
    {"alldebrid", "webdav", "https://webdav.debrid.it/", "other", "api_key", "", ""},
    {"premiumize", "webdav", "davs://webdav.premiumize.me", "other", "customer_id", "api_key", ""},
    {"torbox", "webdav", "https://webdav.torbox.app", "rclone", "username", "password", "15s"},
    {"torboxftp", "ftp", "ftp.torbox.app", "", "username", "password", ""},
}};
/// AllDebrid takes any password.
constexpr std::string_view alldebrid_password = "eeeee";

Result<Remote> direct_remote(Scope& scope, const std::string& token) {
  const auto provider =
      std::find_if(providers.begin(), providers.end(), [&](const Provider& p) { return p.token == token; });
  if (provider == providers.end()) {
    return failure(Failure::unsupported_provider,
                   fmt::format("key_type \"{}\" is not a provider rclone can be set up for",
                               member_text(scope.own(), "key_type")));
  }
  const auto user = required(scope.own(), provider->user);
  if (!user) return user.error();
  std::string password(alldebrid_password);
  if (!provider->password.empty()) {
    const auto given = required(scope.own(), provider->password);
    if (!given) return given.error();
    password = *given;
  }
  if (provider->type == "webdav") {
    return webdav(std::string(provider->address), provider->vendor, *user, password, provider->pacer);
  }
  Remote remote;
  remote.entries = {{"type", "ftp"}, {"host", std::string(provider->address)}, {"user", *user}};
  remote.user = *user;
  remote.password = password;
  return remote;
}

}  // namespace

Result<void> check_rclone(const json::object& block) {
  for (const std::string_view name : {"mount_dir", "mount_name", "config_file", "cache_dir"}) {
    const auto value = required(block, name);
    if (!value) return value.error();
  }
  const std::string name = member_text(block, "mount_name");
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.+@ -").find(c) != std::string_view::npos;
  };
  if (!std::all_of(name.begin(), name.end(), fits) || name.front() == '-' || name.front() == ' ') {
    return failure(
        Failure::bad_value,
        "mount_name may hold letters, digits, blanks and _.+@- and must not start with a blank or -");
  }
  if (name == "." || name == "..") return failure(Failure::bad_value, "mount_name must name a directory");
  return {};
}

std::string provider_token(std::string_view key_type) {
  std::string token = text::lower(key_type);
  std::erase_if(token, [](char c) { return c == ' ' || c == '-' || c == '_'; });
  return token;
}

bool is_password_hash(std::string_view password) {
  if (password.starts_with("$2") || password.starts_with("AQAAAA")) return true;
  const auto bytes = text::base64_decode(password);
  return bytes && !bytes->empty() && bytes->front() == '\x01';
}

Result<Remote> rclone_remote(Scope& scope) {
  const json::object& own = scope.own();
  const bool zurg = jsonx::bool_at(own, "zurg_enabled", false);
  const bool decypharr = jsonx::bool_at(own, "decypharr_enabled", false);
  const std::string token = provider_token(member_text(own, "key_type"));
  if (zurg && decypharr)
    return failure(Failure::conflict, "zurg_enabled and decypharr_enabled exclude each other");
  if (zurg) return zurg_remote(scope);
  if (decypharr) return decypharr_remote(scope, token);
  if (token == "nzbdav" || config::has_core_service(own, "nzbdav", scope.context().catalog->model())) {
    return nzbdav_remote(scope);
  }
  return direct_remote(scope, token);
}

Entries remote_entries(const Remote& remote, std::string_view obscured,
                       const std::optional<Entries>& existing) {
  Entries entries = remote.entries;
  if (remote.password.empty()) return entries;
  std::string pass(obscured);
  for (const auto& [name, value] : existing.value_or(Entries())) {
    if (name == "pass" && reveal(value) == remote.password) pass = value;
  }
  const auto pacer = std::find_if(entries.begin(), entries.end(),
                                  [](const auto& e) { return e.first == "pacer_min_sleep"; });
  entries.emplace(pacer, "pass", pass);
  return entries;
}

json::array remote_wait(const Remote& remote) {
  json::array wait;
  if (remote.url.empty()) return wait;
  json::object entry;
  entry["url"] = remote.url;
  if (!remote.user.empty() && !remote.password.empty()) {
    json::object auth;
    auth["user"] = remote.user;
    auth["password"] = remote.password;
    entry["auth"] = std::move(auth);
  }
  wait.push_back(std::move(entry));
  return wait;
}

}  // namespace dumb::setup
