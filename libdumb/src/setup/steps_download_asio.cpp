#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>

#include "setup/fetcher_asio.hpp"
#include "setup/phase_asio.hpp"

/// The step `download`: one file of the network to a place of the service.
namespace dumb::setup {

Task<StepResult> step_download(RunPtr run, json::object step) {
  InstallOptions options;
  options.context = run->context;
  options.cache = cache_directory(run->context);
  const auto url = run->scope.text(step.at("url"));
  if (!url) co_return url.error();
  const auto to = run->scope.path(step.at("to"));
  if (!to) co_return to.error();
  Wanted wanted;
  wanted.url = *url;
  wanted.what = to->filename().native();
  if (const json::value* sha256 = step.if_contains("sha256")) wanted.sha256 = text_of(*sha256);
  Fetcher fetcher(run, options);
  const Result<Fetched> fetched = co_await fetcher.file(wanted);
  if (!fetched) co_return fetched.error();
  auto place = [run, to = *to, from = fetched->path]() -> StepResult {
    const auto bytes = file::read(from);
    if (!bytes) return Run::failed(bytes.error());
    const auto written = file::write_if_changed(to, *bytes, run->owned(0644));
    if (!written) return Run::failed(written.error());
    if (*written) run->changed(to);
    return *written ? Effect::changed : Effect::none;
  };
  const StepResult placed = co_await offload(*run->context.workers, place);
  co_return placed;
}

}  // namespace dumb::setup
