#include "client.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/base/text.hpp>

#include "exit_code.hpp"

namespace dumb::cli {
namespace {

constexpr std::uint64_t largest_answer = 64U << 20U;

std::string fault_text(const json::value& fault) {
  const auto* object = fault.if_object();
  if (object == nullptr) return {};
  std::vector<std::string> place;
  if (const json::value* loc = object->if_contains("loc"); loc != nullptr && loc->is_array()) {
    for (const json::value& step : loc->get_array()) place.push_back(jsonx::scalar_text(step));
  }
  return text::join(place, ".") + ": " + jsonx::string_at(*object, "msg");
}

}  // namespace

std::string detail_of(const json::value& body) {
  const auto* object = body.if_object();
  const json::value* detail = object == nullptr ? nullptr : object->if_contains("detail");
  if (detail == nullptr) return {};
  if (const auto* text = detail->if_string()) return {text->data(), text->size()};
  std::vector<std::string> parts;
  if (const auto* faults = detail->if_array()) {
    for (const json::value& fault : *faults) parts.push_back(fault_text(fault));
  }
  return text::join(parts, "; ");
}

Client::Client(Transport transport, http::Url base, std::shared_ptr<Access> access)
    : transport_(std::move(transport)), base_(std::move(base)), access_(std::move(access)) {
  base_.target = base_.target.substr(0, base_.target.find_first_of("?#"));
  while (!base_.target.empty() && base_.target.back() == '/') base_.target.pop_back();
}

Result<json::value> Client::get(std::string_view path, const Query& query,
                                std::chrono::milliseconds timeout) const {
  http::Request request;
  request.url = base_;
  request.url.target += path;
  char separator = '?';
  for (const auto& [name, value] : query) {
    request.url.target += fmt::format("{}{}={}", separator, name, text::percent_encode(value));
    separator = '&';
  }
  request.timeout = timeout;
  return exchange(std::move(request));
}

Result<json::value> Client::post(std::string_view path, const json::value& body,
                                 std::chrono::milliseconds timeout) const {
  http::Request request;
  request.method = "POST";
  request.url = base_;
  request.url.target += path;
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = jsonx::print_compact(body);
  request.timeout = timeout;
  return exchange(std::move(request));
}

Result<json::value> Client::exchange(http::Request request) const {
  request.headers.emplace_back("Accept", "application/json");
  request.max_body = largest_answer;
  const std::string target = request.url.target.substr(0, request.url.target.find('?'));
  const std::string call = fmt::format("{} {}", request.method, target);
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(request.timeout).count();
  const auto response = send(std::move(request));
  if (!response) {
    const Error error = response.error();
    if (error.is(Errc::unsupported) || error.is(Errc::io)) return error;
    if (error.is(Errc::timed_out)) {
      return Error(Trouble::unreachable, fmt::format("no answer from {} within {} s", display(), limit));
    }
    return Error(Trouble::unreachable, fmt::format("no server at {} ({}); --url or DUMB_URL names another",
                                                   display(), error.code().message()));
  }
  auto body = jsonx::parse(response->body);
  if (response->status / 100 == 2) {
    if (!body) return strange("the body is not JSON: " + body.error().message());
    return body;
  }
  std::string detail = body ? detail_of(*body) : std::string();
  if (response->status == 404 && (detail == "Not Found" || detail.empty())) {
    return strange(fmt::format("it does not know {}", call));
  }
  if (detail.empty()) detail = fmt::format("{} was answered with status {}", call, response->status);
  if (response->status == 401 && target != base_.target + "/auth/login")
    detail += "; 'dumb-cli login' asks for name and password";
  return Error(http_status_code(response->status), std::move(detail));
}

Result<http::Response> Client::send(http::Request request) const {
  const bool logs_in = request.url.target.starts_with(base_.target + "/auth/");
  const std::string token = logs_in ? std::string() : access_->token();
  if (token.empty()) return transport_(std::move(request));
  http::Request first = request;
  first.headers.emplace_back("Authorization", "Bearer " + token);
  auto response = transport_(std::move(first));
  if (!response || response->status != 401) return response;
  if (!access_->renew(token, [this](const std::string& with) { return refresh(with); })) return response;
  request.headers.emplace_back("Authorization", "Bearer " + access_->token());
  return transport_(std::move(request));
}

std::optional<auth::Credentials> Client::refresh(const std::string& token) const {
  json::object body;
  body["refresh_token"] = token;
  const auto tokens = post_as<auth::TokenPair>("/auth/refresh", body);
  if (!tokens) return std::nullopt;
  return auth::Credentials{tokens->access_token, tokens->refresh_token};
}

Error Client::strange(const std::string& why) const {
  return {Trouble::strange_answer,
          fmt::format("the answer of {} is not that of a dumb-server: {}", display(), why)};
}

}  // namespace dumb::cli
