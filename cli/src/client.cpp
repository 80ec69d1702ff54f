#include "client.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
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

Client::Client(Transport transport, http::Url base)
    : transport_(std::move(transport)), base_(std::move(base)) {
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
  const auto response = transport_(std::move(request));
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
  return Error(http_status_code(response->status), std::move(detail));
}

Error Client::strange(const std::string& why) const {
  return {Trouble::strange_answer,
          fmt::format("the answer of {} is not that of a dumb-server: {}", display(), why)};
}

}  // namespace dumb::cli
