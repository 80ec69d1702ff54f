#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/setup/setup.hpp>
#include <dumb/supervisor/helper.hpp>
#include <filesystem>
#include <set>
#include <string>

#include "setup/scope.hpp"

/// One run over a step list: what the shells of the steps share.
namespace dumb::setup {

/// Facts read from this machine.
class MachineFacts final : public Facts {
 public:
  explicit MachineFacts(const Context& context) : context_(context) {}
  bool exists(const std::filesystem::path& path) override;
  bool executable(const std::filesystem::path& path) override;
  Result<std::string> read(const std::filesystem::path& path) override;
  std::optional<std::filesystem::path> tool(std::string_view name) override;
  bool service_running(std::string_view process_name) override { return running_.contains(process_name); }
  /// Asks which services run. On the control thread: what answers is not thread-safe.
  void look_at_services();
  bool pid_file_stale(const std::filesystem::path& path) override;
  bool answers(const std::string& host, int port) override;
  bool port_free(int port) override;
  bool socket_owned(const std::filesystem::path& directory, int port) override;
  User user() override;
  bool is_root() override;
  std::string random_bytes(std::size_t count) override;
  std::string machine() override;
  Result<std::filesystem::path> postgres_passfile() override;

 private:
  const Context& context_;
  std::set<std::string, std::less<>> running_;
};

/// Whether `pid` is a running PostgreSQL server of that data directory, as far as this process may look
/// (LIF-126).
bool live_postgres(int pid, const std::filesystem::path& data_directory);

struct Run {
  explicit Run(Context context);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Log& log() const noexcept { return context.log != nullptr ? *context.log : null_log(); }
  const std::string& name() const noexcept { return context.block.process_name; }
  /// Ids for what belongs to the service; none unless root (LIF-6).
  file::WriteOptions owned(mode_t mode) const;
  /// Notes a path that was written.
  void changed(const std::filesystem::path& path);
  /// A failed call as a failure of SVC-33, the path in its message.
  static Error failed(const Error& error);
  /// Text without the secrets of the configuration.
  std::string redacted(std::string text) const;

  Context context;
  const catalog::Service& service;
  MachineFacts facts;
  Scope scope;
  Outcome outcome;
  /// The service runs, so nothing on disk is touched (SVC-138).
  bool hands_off = false;
  /// Later `own` steps of the list, by the text of their path: mkdir leaves the owner of such a directory to
  /// them, so that an interrupted recursive change is noticed and taken up again (SVC-26).
  std::set<std::string, std::less<>> owned_later;
  std::filesystem::path postgres_tools;
};

/// What a file or value step did.
enum class Effect { none, changed };
using StepResult = Result<Effect>;

// Steps that block for as long as the disk needs; `stop` ends the long ones early with Failure::cancelled.
StepResult step_mkdir(Run& run, const json::object& step);
StepResult step_own(Run& run, const json::object& step, const std::atomic<bool>& stop);
StepResult step_copy(Run& run, const json::object& step);
StepResult step_symlink(Run& run, const json::object& step);
StepResult step_remove(Run& run, const json::object& step);
StepResult step_unmount(Run& run, const json::object& step);
StepResult step_render(Run& run, const json::object& step);
StepResult step_edit(Run& run, const json::object& step);
StepResult step_set(Run& run, const json::object& step);
StepResult step_secret(Run& run, const json::object& step);
StepResult step_pick_port(Run& run, const json::object& step);
StepResult step_require(Run& run, const json::object& step);
StepResult step_obscure(Run& run, const json::object& step);
StepResult step_capture(Run& run, const json::object& step);
StepResult step_launch(Run& run, const json::object& step);
StepResult step_patch(Run& run, const json::object& step);
StepResult step_traefik_ui(Run& run, const json::object& step);

/// Runs one step that only blocks; nullopt when `kind` is not one of these.
std::optional<StepResult> blocking_step(std::string_view kind, Run& run, const json::object& step,
                                        const std::atomic<bool>& stop);

/// Octal "0755" of a step, or `otherwise`. Fails with bad_value.
Result<mode_t> mode_of(const json::object& step, mode_t otherwise);
/// Paths of the machine that match a pattern, sorted.
std::vector<std::filesystem::path> glob(const std::filesystem::path& pattern);
/// Members to set in the generated or the saved layer; nothing when the value is there already.
Effect assign_member(Run& run, std::string_view name, json::value value, bool persist);

}  // namespace dumb::setup
