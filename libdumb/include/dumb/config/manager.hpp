#pragma once

#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/config/model.hpp>
#include <dumb/config/snapshot.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dumb::config {

using Environment = std::map<std::string, std::string, std::less<>>;

struct OpenOptions {
  std::filesystem::path file;  ///< as it is on disk (already mapped beneath the root)
  Root root;
  Model model;
  Environment environment;  ///< the process environment; variables of the env file are added where absent
  std::filesystem::path env_file;     ///< empty: none
  std::filesystem::path secrets_dir;  ///< empty: none
  bool create = true;                 ///< write the default document when the file is missing
  Log* log = nullptr;                 ///< notices of load and save; null: dropped
};

struct Override;

/// One member to set or, without a value, to remove.
struct Edit {
  JsonPath path;
  std::optional<json::value> value;
  std::optional<json::value> before;  ///< what the file was known to hold when the change was planned
};

/// A checked change that is not in force yet. Values only: may be written on another thread.
struct Change {
  using Edit = config::Edit;
  std::vector<Edit> file_edits;     ///< what a save writes; empty: nothing reaches the disk
  std::vector<Edit> session_edits;  ///< what is in force only until the next load
  /// In force after commit(), when nothing else was committed or generated in between.
  SnapshotPtr next;
  std::vector<JsonPath> changed;
  std::string process_name;  ///< of a block update, after a possible rename
  /// What variables set, for the check before the write.
  std::shared_ptr<const std::vector<Override>> overrides;
};

/// Owns the layers of one configuration file. Not thread-safe: call on one thread; only write() may run
/// elsewhere.
class Manager {
 public:
  /// The whole load pipeline (CFG-32). Fails with Errc::bad_json or Errc::invalid_config naming file and
  /// place (every problem is listed), Errc::io or errno when the file cannot be read or created.
  static Result<std::unique_ptr<Manager>> open(OpenOptions options);
  ~Manager();

  SnapshotPtr snapshot() const noexcept;
  const Model& model() const noexcept;
  /// The environment with the env file's variables; what children inherit (CFG-42). Without
  /// what a service manager told this process only: NOTIFY_SOCKET, WATCHDOG_*, LISTEN_*.
  const Environment& environment() const noexcept;
  /// Names of variables that override secret fields; children do not get them (CFG-46).
  std::vector<std::string> secret_variables() const;
  /// Current values of secret fields of at least 8 characters, for the redactor (LIF-108 row 9).
  std::vector<std::string> secret_values() const;

  /// Reads the file again; on any error the old snapshot stays (CFG-34). Keeps the generated layer.
  Result<void> reload();

  enum class Persist { no, yes };
  /// CFG-56, CFG-57, CFG-82 to CFG-86. Fails with not_found, invalid_argument (key not allowed, problems
  /// listed), conflict (rename to a taken name).
  Result<Change> plan_block_update(std::string_view process_name, const json::object& updates,
                                   Persist persist) const;
  /// CFG-87: recursive merge, always persisted.
  Result<Change> plan_global_update(const json::object& updates) const;
  /// Exactly these paths, always persisted (CFG-61); also removes. Fails as plan_block_update.
  Result<Change> plan_edits(std::vector<Edit> edits) const;
  /// Writes the change's file edits (CFG-58 to CFG-63); blocking. Does nothing when there are none.
  Result<void> write(const Change& change) const;
  /// Puts a change in force and tells the subscribers. Call on the owning thread, after write(). Changes that
  /// were committed since it was planned stay in force.
  void commit(Change change);

  /// Sets members in the generated layer (never saved); empty value object clears. `path` names a block.
  void set_generated(const JsonPath& path, json::object members);

  /// Called after load, update and reload with the changed paths (empty list: everything).
  void on_change(std::function<void(const std::vector<JsonPath>&)> callback);

 private:
  struct State;
  explicit Manager(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dumb::config
