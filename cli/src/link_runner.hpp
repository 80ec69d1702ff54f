#pragma once

#include <boost/json/object.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/engine/symlinks.hpp>
#include <dumb/symlinks/operations.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "context.hpp"
#include "link_text.hpp"

/// Runs link operations: as a job of the server, or here on the library.
namespace dumb::cli {

/// Draws the progress of a run on a terminal's last line, on standard error.
class ProgressLine {
 public:
  explicit ProgressLine(const Context& context) : context_(context) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const json::object& progress);
  void clear();

 private:
  const Context& context_;
  LinkProgress text_;
  bool drawn_ = false;
};

/// Waits for the end of a job; the whole job. Not ended when nobody reads any more: Errc::cancelled.
Result<json::object> wait_for_job(Context& context, const std::string& job_id);
/// Posts to an async endpoint and waits; the report of the run, or why there is none.
Result<json::object> run_as_job(Context& context, std::string_view path, const json::object& body);
/// What the job tells of its failure.
Error job_error(const json::object& job);

/// The stack beneath the root, as its configuration describes it.
struct LocalStack {
  symlinks::Environment environment;
  config::SnapshotPtr config;  ///< null: there is no configuration
};
Result<LocalStack> local_stack(const Context& context, const Invocation& invocation);
/// Runs `work` on another thread and shows its progress.
using LocalWork = std::function<Result<json::object>(const symlinks::Environment&, const symlinks::Control&)>;
/// `claims`: the run changes links, so no server may supervise the stack meanwhile.
enum class Claim { none, stack };
Result<json::object> run_locally(Context& context, const Invocation& invocation, std::string_view operation,
                                 Claim claim, const LocalWork& work);

}  // namespace dumb::cli
