#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/schedule/zone.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Snapshots on disk: one JSON line each in files of bounded size (UI-116 to UI-118).
namespace dumb::metrics {

/// dumb.metrics, as far as the history is concerned.
struct HistorySettings {
  bool enabled = true;
  double interval_seconds = 5;               ///< at least 0.5
  std::int64_t retention_days = 7;           ///< 0: for ever
  std::int64_t max_file_bytes = 50 << 20;    ///< 0: no limit
  std::int64_t max_total_bytes = 100 << 20;  ///< 0: no limit
  std::filesystem::path directory;           ///< not mapped beneath a root
};
/// From the object `dumb.metrics`; what is missing or makes no sense keeps its default. Pure.
HistorySettings history_settings(const json::object& metrics);

/// metrics-<YYYYMMDD>-<NNN>.jsonl
struct HistoryFile {
  schedule::Day day = 0;
  unsigned index = 0;
  std::uint64_t size = 0;
  bool operator==(const HistoryFile&) const = default;
};
std::string file_name(const HistoryFile& file);
/// nullopt for any other name. Pure.
std::optional<HistoryFile> parse_file_name(std::string_view name);
/// Which of `files`, oldest first, are to go on `today`; never `current`. Pure.
std::vector<HistoryFile> to_prune(const std::vector<HistoryFile>& files, const HistoryFile& current,
                                  schedule::Day today, const HistorySettings& settings);

/// History files of a directory, oldest first; none when it is missing. Blocking.
std::vector<HistoryFile> list_history(const std::filesystem::path& directory);

/// Calls `visit` with the snapshots of a directory, newest first, until it answers false. Reads in pieces
/// from the end; lines that are no JSON object, a torn last one for instance, are passed over. Blocking;
/// holds one piece and one line.
void read_history(const std::filesystem::path& directory, const std::function<bool(json::object)>& visit);

/// Appends snapshots. Blocking; use it on one thread at a time.
class HistoryWriter {
 public:
  /// Appends one line at the local time `now` and, at most once a minute, deletes what is too old or too
  /// much. Fails with the errno of the directory or file; the next call tries again.
  Result<void> append(std::string_view line, schedule::Instant now, const schedule::Zone& zone,
                      const HistorySettings& settings, const std::filesystem::path& directory);

 private:
  Result<void> choose_file(std::size_t line_size, schedule::Day today, const HistorySettings& settings,
                           const std::filesystem::path& directory);

  std::optional<HistoryFile> current_;
  std::filesystem::path directory_;  // of current_
  std::optional<schedule::Instant> pruned_at_;
};

}  // namespace dumb::metrics
