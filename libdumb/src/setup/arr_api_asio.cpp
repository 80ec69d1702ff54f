#include "setup/arr_api_asio.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup {
namespace {

constexpr Seconds status_pause{2};

const json::object* by_name(const json::array& list, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const json::value& each : list) {
      const json::object* entity = each.if_object();
      if (entity != nullptr && jsonx::text_at(*entity, "name") == name) return entity;
    }
  }
  return nullptr;
}

/// Nothing had to be sent.
http::Response unchanged() {
  http::Response response;
  response.status = 200;
  return response;
}

}  // namespace

ApiCall ArrApi::call(std::string_view method, std::string_view path) const {
  ApiCall out;
  out.method = method;
  out.url = base + std::string(path);
  out.headers.emplace_back("X-Api-Key", key);
  return out;
}

ArrApi api_of(const catalog::Catalog& catalog, const ArrInstance& arr) {
  const catalog::Service* service = catalog.find(arr.key);
  const json::value* data = service == nullptr ? nullptr : service->raw.if_contains("arr");
  const std::string version =
      data != nullptr && data->is_object() ? jsonx::string_at(data->get_object(), "api", "v3") : "v3";
  return {arr.url() + "/api/" + version, arr.api_key};
}

Task<Result<void>> wait_for_arr(ArrApi api, Seconds limit) {
  const ApiCall call = api.call("GET", "/system/status");
  const auto start = std::chrono::steady_clock::now();
  Seconds next{0.2};
  for (;;) {
    const auto response = co_await call_api(call);
    if (response && response->status == 200) co_return Result<void>();
    const Error error = response ? unexpected(call, *response) : response.error();
    const bool refused = response && (response->status == 401 || response->status == 403);
    const Seconds waited = std::chrono::steady_clock::now() - start;
    if (refused || waited >= limit || error.code() == make_error_code(Failure::cancelled)) co_return error;
    co_await pause(std::min(next, limit - waited));
    next = std::min(next * 2, status_pause);
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
  }
}

Task<Result<json::value>> get_json(ArrApi api, std::string path) {
  const ApiCall call = api.call("GET", path);
  const auto response = co_await call_api(call);
  if (!response) co_return response.error();
  if (response->status != 200) co_return unexpected(call, *response);
  co_return json_of(call, *response);
}

Task<Result<json::array>> get_array(ArrApi api, std::string path) {
  auto value = co_await get_json(api, path);
  if (!value) co_return value.error();
  if (!value->is_array())
    co_return failure(Failure::api_failed, fmt::format("{}{} answered no list", api.base, path));
  co_return std::move(value->get_array());
}

Task<Result<http::Response>> send_json(ArrApi api, std::string method, std::string path, json::value body) {
  ApiCall call = api.call(method, path);
  call.body = std::move(body);
  const auto response = co_await call_api(call);
  co_return response;
}

Task<Result<void>> must_send(ArrApi api, std::string method, std::string path, json::value body) {
  const auto response = co_await send_json(api, method, path, std::move(body));
  if (!response) co_return response.error();
  if (response->status >= 200 && response->status < 300) co_return Result<void>();
  co_return unexpected(api.call(method, path), *response);
}

Task<Result<http::Response>> upsert(ArrApi api, Upsert what) {
  const auto present = co_await get_array(api, what.path);
  if (!present) co_return present.error();
  std::vector<std::string> names{what.entity.name};
  names.insert(names.end(), what.other_names.begin(), what.other_names.end());
  if (const json::object* known = by_name(*present, names)) {
    std::optional<json::object> next = arr::updated(*known, what.entity);
    if (!next) co_return unchanged();
    const std::string path = what.path + "/" + jsonx::text_at(*known, "id");
    json::value body(std::move(*next));
    const auto sent = co_await send_json(api, "PUT", path, std::move(body));
    co_return sent;
  }
  const auto schema = co_await get_array(api, what.path + "/schema");
  if (!schema) co_return schema.error();
  const json::object* entry = arr::schema_entry(*schema, what.marker);
  if (entry == nullptr) {
    co_return failure(Failure::api_failed,
                      fmt::format("{}{} offers nothing like {}", api.base, what.path, what.marker));
  }
  json::value body(arr::created(*entry, what.entity));
  const auto sent = co_await send_json(api, "POST", what.path, std::move(body));
  co_return sent;
}

}  // namespace dumb::setup
