#pragma once

#include <boost/json/value.hpp>
#include <dumb/http/client.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "setup/phase_asio.hpp"

/// Requests to the interfaces of services.
namespace dumb::setup {

struct ApiCall {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::optional<json::value> body{};  ///< sent as JSON
  Seconds timeout{10};
};
/// One exchange, whatever the status. Fails with api_failed (no answer; the message names the URL without its
/// query), bad_value or cancelled.
Task<Result<http::Response>> call_api(ApiCall call);
/// "http://host:port/path answered 500"
Error unexpected(const ApiCall& call, const http::Response& response);
/// The body as JSON; api_failed when it is none.
Result<json::value> json_of(const ApiCall& call, const http::Response& response);

Task<StepResult> step_http(RunPtr run, json::object step);
/// SVC-191.
Task<StepResult> claim_plex(RunPtr run);
/// SVC-181.
Task<StepResult> send_riven_settings(RunPtr run);

}  // namespace dumb::setup
