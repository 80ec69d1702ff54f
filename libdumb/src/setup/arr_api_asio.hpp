#pragma once

#include <boost/json/array.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "setup/api_asio.hpp"
#include "setup/arr.hpp"
#include "setup/decypharr.hpp"

/// Conversations with Sonarr and its relatives.
namespace dumb::setup {

/// The interface of one instance.
struct ArrApi {
  std::string base;  ///< http://127.0.0.1:8989/api/v3
  std::string key;

  ApiCall call(std::string_view method, std::string_view path) const;
};
ArrApi api_of(const catalog::Catalog& catalog, const ArrInstance& arr);

/// Waits until system/status is answered. Fails with api_failed: at once when the key is refused, else after
/// `limit`.
Task<Result<void>> wait_for_arr(ArrApi api, Seconds limit);
/// A list or an object; api_failed for any status but 200.
Task<Result<json::value>> get_json(ArrApi api, std::string path);
Task<Result<json::array>> get_array(ArrApi api, std::string path);
/// POST or PUT; the answer may have any status.
Task<Result<http::Response>> send_json(ArrApi api, std::string method, std::string path, json::value body);
/// The same with a 2xx.
Task<Result<void>> must_send(ArrApi api, std::string method, std::string path, json::value body);

/// The entity of that name in `path` is as wanted: made from the schema, changed, or left alone.
struct Upsert {
  std::string path;    ///< "/downloadclient"
  std::string marker;  ///< of its schema
  arr::Entity entity;
  std::vector<std::string> other_names;  ///< by which it may be known already
};
Task<Result<http::Response>> upsert(ArrApi api, Upsert what);

/// Whether a step of a list may be left for later, because nothing waits for it (SVC-19).
bool is_background(std::string_view kind);
/// All pairs the step is about (SVC-161); false when one of them failed, which was logged.
Task<Result<bool>> link_arrs(RunPtr run, json::object step);
/// SVC-204 to SVC-206.
Task<Result<bool>> sync_prowlarr(RunPtr run);
/// SVC-203.
Task<StepResult> update_definitions(RunPtr run);

}  // namespace dumb::setup
