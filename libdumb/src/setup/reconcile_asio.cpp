#include <boost/json.hpp>

#include "setup/arr_api_asio.hpp"

/// Steps of post-start that nothing waits for (SVC-19, SVC-161).
namespace dumb::setup {

bool is_background(std::string_view kind) {
  return kind == "arr-link" || kind == "prowlarr-sync";
}

Task<Result<bool>> reconcile(Context context, json::array steps) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  if (context.catalog->find(context.block.config_key) == nullptr) co_return true;
  const auto run = std::make_shared<Run>(std::move(context));
  bool all = true;
  for (const json::value& each : steps) {
    const json::object step = each.is_object() ? each.get_object() : json::object();
    const bool links = jsonx::string_at(step, "do") == "arr-link";
    Result<bool> done = true;
    if (links) {
      done = co_await link_arrs(run, step);
    } else {
      done = co_await sync_prowlarr(run);
    }
    if (!done) co_return done.error();
    all = all && *done;
  }
  co_return all;
}

}  // namespace dumb::setup
