#include "answers.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/auth/accounts.hpp>
#include <dumb/base/text.hpp>

namespace dumb::server {
namespace {

constexpr std::string_view mask = "***";

bool is_secret_field(std::string_view name) {
  constexpr std::array<std::string_view, 12> fields{
      "debrid_key", "api_key",    "api_keys",     "password", "setup_password", "webdav_password",
      "plex_claim", "plex_token", "github_token", "token",    "refresh_token",  "jwt_secret"};
  return std::find(fields.begin(), fields.end(), name) != fields.end();
}

/// Whether a fault's input stands in, or below, a secret field.
bool shows_secret(const codec::Fault& fault) {
  // What is missing shows the object around it.
  const std::size_t depth = fault.loc.size() - (fault.type == "missing" && !fault.loc.empty() ? 1 : 0);
  return std::any_of(fault.loc.begin(), fault.loc.begin() + depth, [](const json::value& step) {
    return step.is_string() && is_secret_field(std::string_view(step.get_string()));
  });
}

}  // namespace

int status_of(const Error& error) noexcept {
  if (error.code().category() == auth::auth_category()) return auth::is_unauthenticated(error) ? 401 : 429;
  if (error.code().category() != dumb_category()) {
    switch (error.code().value()) {
      case EAGAIN:  // too many jobs
        return 429;
      case ENOSPC:  // no room for the manifest that would undo a change of links
      case EDQUOT:
        return 507;
      default:
        return 500;
    }
  }
  switch (static_cast<Errc>(error.code().value())) {
    case Errc::not_found:
      return 404;
    case Errc::invalid_argument:
    case Errc::invalid_config:
    case Errc::unsupported:
      return 400;
    case Errc::conflict:
    case Errc::cancelled:
      return 409;
    case Errc::unavailable:
      return 503;
    default:
      return 500;
  }
}

Response json_response(int status, const json::value& body) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = jsonx::print_compact(body);
  return response;
}

Response text_response(int status, std::string_view media_type, std::string text) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::string(media_type));
  response.body = std::move(text);
  return response;
}

Response detail_response(int status, std::string_view detail) {
  json::object body;
  body["detail"] = text::to_utf8(detail);
  return json_response(status, body);
}

Response error_response(const Error& error) {
  Response response = detail_response(status_of(error), error.to_string());
  if (response.status == 401) response.headers.add("WWW-Authenticate", "Bearer");  // RFC 6750
  return response;
}

json::value masked(const json::value& value) {
  if (const auto* object = value.if_object()) {
    json::object out;
    for (const auto& [key, member] : *object) {
      out.emplace(key,
                  is_secret_field(std::string_view(key)) ? json::value(json::string(mask)) : masked(member));
    }
    return out;
  }
  if (const auto* array = value.if_array()) {
    json::array out;
    for (const json::value& element : *array) out.push_back(masked(element));
    return out;
  }
  return value;
}

Response fault_response(const codec::Faults& faults) {
  json::array items;
  for (const codec::Fault& fault : faults) {
    json::object item;
    item["type"] = fault.type;
    item["loc"] = fault.loc;
    item["msg"] = fault.msg;
    item["input"] = shows_secret(fault) ? json::value(json::string(mask)) : masked(fault.input);
    if (!fault.ctx.is_null()) item["ctx"] = fault.ctx;
    items.push_back(std::move(item));
  }
  json::object body;
  body["detail"] = std::move(items);
  return json_response(422, body);
}

}  // namespace dumb::server
