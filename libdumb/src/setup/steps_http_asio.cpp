#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/api_asio.hpp"
#include "setup/riven.hpp"

/// The step http, and the settings of Riven.
namespace dumb::setup {
namespace {

constexpr int riven_tries = 10;
constexpr Seconds riven_pause{5};

/// A request of a step and what is done with its answer.
struct Prepared {
  ApiCall call;
  std::vector<std::int64_t> accepted;  ///< empty: every 2xx
  std::vector<std::pair<std::string, JsonPath>> capture;
  int attempts = 1;
};

Result<Prepared> prepare(Run& run, const json::object& step) {
  Prepared out;
  out.call.method = text::upper(jsonx::string_at(step, "method", "GET"));
  json::object only_url;
  only_url["url"] = step.at("url");
  const auto url = run.scope.expand(only_url);
  if (!url) return url.error();
  out.call.url = text_of(url->get_object().at("url"));
  if (const json::value* given = step.if_contains("headers")) {
    const auto headers = run.scope.expand(*given);
    if (!headers) return headers.error();
    if (!headers->is_object()) return failure(Failure::bad_value, "headers must be an object");
    for (const auto& [name, value] : headers->get_object())
      out.call.headers.emplace_back(name, text_of(value));
  }
  if (const json::value* body = step.if_contains("json")) {
    auto value = run.scope.expand(*body);
    if (!value) return value.error();
    out.call.body = std::move(*value);
  }
  const auto timeout = timeout_of(run, step, out.call.timeout);
  if (!timeout) return timeout.error();
  out.call.timeout = *timeout;
  out.attempts = 1 + static_cast<int>(text::to_int(jsonx::text_at(step, "retries")).value_or(0));
  if (const json::value* expect = step.if_contains("expect")) {
    const json::array list = expect->is_array() ? expect->get_array() : json::array({*expect});
    for (const json::value& status : list) out.accepted.push_back(text::to_int(text_of(status)).value_or(0));
  }
  const json::value* capture = step.if_contains("capture");
  if (capture == nullptr) return out;
  if (!capture->is_object()) return failure(Failure::bad_value, "capture must be an object");
  for (const auto& [name, pointer] : capture->get_object()) {
    const auto path = jsonx::parse_pointer(text_of(pointer));
    if (!path || !std::string_view(name).starts_with("var."))
      return failure(Failure::bad_value, "capture must map variables to JSON pointers");
    out.capture.emplace_back(name, *path);
  }
  return out;
}

bool accepted(const Prepared& prepared, int status) {
  if (prepared.accepted.empty()) return status >= 200 && status < 300;
  return std::find(prepared.accepted.begin(), prepared.accepted.end(), status) != prepared.accepted.end();
}

Result<void> take(Run& run, const Prepared& prepared, const http::Response& response) {
  if (prepared.capture.empty()) return {};
  const auto document = json_of(prepared.call, response);
  if (!document) return document.error();
  for (const auto& [name, path] : prepared.capture) {
    const json::value* found = jsonx::find(*document, path);
    assign_member(run, name, found == nullptr ? json::value(nullptr) : *found, false);
  }
  return {};
}

/// Repeats a call of Riven until it is answered with 200; 404 ends it at once.
Task<Result<http::Response>> ask_riven(ApiCall call) {
  Error last;
  for (int attempt = 0; attempt < riven_tries; ++attempt) {
    if (attempt > 0) co_await pause(riven_pause);
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
    auto response = co_await call_api(call);
    if (response && response->status == 200) co_return response;
    last = response ? unexpected(call, *response) : response.error();
    if (response && response->status == 404) break;
  }
  co_return last;
}

/// Where Riven is and what its settings have to follow.
struct Riven {
  std::string base;
  std::vector<std::pair<std::string, std::string>> headers;
  json::object environment;
  bool debug = false;

  ApiCall call(std::string_view method, std::string_view what) const {
    ApiCall out;
    out.method = method;
    out.url = base + std::string(what);
    out.headers = headers;
    return out;
  }
};

Riven riven_of(Run& run) {
  Riven riven;
  const std::string key = riven_api_key(run.scope);
  riven.base = riven_backend_url(run.scope) + (key.empty() ? "" : "/api/v1") + "/settings/";
  if (!key.empty()) riven.headers.emplace_back("X-API-KEY", key);
  riven.environment = riven_environment(run.scope);
  riven.debug = text::iequals(text::trim(jsonx::text_at(run.scope.own(), "log_level")), "debug");
  return riven;
}

Task<StepResult> bring_up_to_date(Riven riven) {
  const ApiCall get = riven.call("GET", "get/all");
  const auto present = co_await ask_riven(get);
  if (!present) co_return present.error();
  const auto settings = json_of(get, *present);
  if (!settings) co_return settings.error();
  if (!settings->is_object()) co_return failure(Failure::api_failed, "the settings are no object");
  json::array changes = riven_changes(settings->get_object(), riven.environment, riven.debug);
  if (changes.empty()) co_return Effect::none;
  ApiCall set = riven.call("POST", "set");
  set.body = json::value(std::move(changes));
  const auto sent = co_await ask_riven(set);
  if (!sent) co_return sent.error();
  const ApiCall save = riven.call("POST", "save");
  const auto saved = co_await ask_riven(save);
  if (!saved) co_return saved.error();
  co_return Effect::changed;
}

}  // namespace

Task<Result<http::Response>> call_api(ApiCall call) {
  auto url = http::parse_url(call.url);
  if (!url) co_return failure(Failure::bad_value, url.error().message());
  http::Request request;
  request.method = call.method;
  request.url = std::move(*url);
  request.headers = call.headers;
  request.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(call.timeout);
  if (call.body) {
    request.body = jsonx::print_compact(*call.body);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  const std::string shown = request.url.display();
  auto response = co_await http::fetch(std::move(request));
  if (response) co_return response;
  const Error error = response.error();
  if (error.is(Errc::cancelled)) co_return failure(Failure::cancelled, "setup was cancelled");
  co_return failure(Failure::api_failed, fmt::format("{} does not answer: {}", shown, error.message()));
}

Error unexpected(const ApiCall& call, const http::Response& response) {
  const auto url = http::parse_url(call.url);
  return failure(Failure::api_failed, fmt::format("{} {} answered {}", call.method,
                                                  url ? url->display() : std::string(), response.status));
}

Result<json::value> json_of(const ApiCall& call, const http::Response& response) {
  auto document = jsonx::parse(response.body);
  if (document) return document;
  const auto url = http::parse_url(call.url);
  return failure(Failure::api_failed, fmt::format("{} {} answered what is no JSON", call.method,
                                                  url ? url->display() : std::string()));
}

Task<StepResult> step_http(RunPtr run, json::object step) {
  const std::string model = jsonx::string_at(step, "model");
  if (model == "plex-claim") {
    const auto done = co_await claim_plex(run);
    co_return done;
  }
  if (model == "riven-settings") {
    const auto done = co_await send_riven_settings(run);
    co_return done;
  }
  if (!model.empty())
    co_return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
  auto prepare_it = [run, step](const std::atomic<bool>&) { return prepare(*run, step); };
  const auto prepared = co_await offload(*run->context.workers, std::move(prepare_it));
  if (!prepared) co_return prepared.error();
  Error last;
  for (int attempt = 0; attempt < prepared->attempts; ++attempt) {
    if (attempt > 0) co_await pause(Seconds(1));
    const auto response = co_await call_api(prepared->call);
    if (response && accepted(*prepared, response->status)) {
      const auto taken = take(*run, *prepared, *response);
      if (!taken) co_return taken.error();
      co_return prepared->call.method == "GET" ? Effect::none : Effect::changed;
    }
    last = response ? unexpected(prepared->call, *response) : response.error();
    if (last.code() == make_error_code(Failure::cancelled)) break;
  }
  co_return last;
}

Task<StepResult> send_riven_settings(RunPtr run) {
  auto look = [run](const std::atomic<bool>&) { return riven_of(*run); };
  const Riven riven = co_await offload(*run->context.workers, std::move(look));
  const auto sent = co_await bring_up_to_date(riven);
  if (sent) co_return *sent;
  const Error fault = sent.error();
  if (fault.code() == make_error_code(Failure::cancelled)) co_return fault;
  run->log().warning(fmt::format("{}: its settings could not be brought up to date: {}", run->name(),
                                 run->redacted(fault.message())));
  co_return Effect::none;
}

}  // namespace dumb::setup
