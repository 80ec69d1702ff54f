#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What is written down of each child, so that a later run of this program can take it over (LIF-125,
/// LIF-128). Pure.
namespace dumb::supervisor {

/// The state file of one child.
struct ChildRecord {
  static constexpr std::int64_t current_version = 1;
  std::int64_t version = current_version;
  std::string boot;  ///< id of the kernel's boot: numbers of processes mean nothing in another one
  std::string root;  ///< id of the run directory
  std::string process_name;
  std::string config_key;
  std::string instance;
  std::int64_t number = 0;  ///< of the launch, counted over all runs; part of the names of its files
  std::string mark;         ///< "DUMB_UNIT=…" of the child's environment
  std::int64_t pid = 0;
  std::int64_t start_ticks = 0;
  double started_at = 0;            ///< seconds since 1970
  std::int64_t started_steady = 0;  ///< nanoseconds of the steady clock, which counts from the boot
  std::string config_hash;
  bool one_shot = false;
  bool ready = false;          ///< its declared readiness was reached
  bool ending = false;         ///< it was told to end
  bool completed = false;      ///< a one-shot that has ended with code 0
  std::string notify_address;  ///< of its NOTIFY_SOCKET
  bool captured = true;        ///< its output goes through FIFOs
  bool to_main_log = true;
  std::string log_file;
  std::string access_file;
  std::int64_t format = 0;  ///< of its lines
  std::string file_level;   ///< threshold of log_file
  std::string note;         ///< the owner's own
};
BOOST_DESCRIBE_STRUCT(ChildRecord, (),
                      (version, boot, root, process_name, config_key, instance, number, mark, pid,
                       start_ticks, started_at, started_steady, config_hash, one_shot, ready, ending,
                       completed, notify_address, captured, to_main_log, log_file, access_file, format,
                       file_level, note))

std::string print_record(const ChildRecord& record);
/// Fails with Errc::bad_json or invalid_argument for a torn file, one of another version or with values that
/// cannot be.
Result<ChildRecord> parse_record(std::string_view text);

/// The mark of a launch: which run directory, which launch, whose. The process id keeps marks of two runs
/// apart when the directory was emptied between them.
std::string make_mark(std::string_view root, std::int64_t supervisor, std::int64_t number,
                      std::string_view process_name);

struct Mark {
  std::string text;  ///< the whole variable
  std::string root;
  std::int64_t supervisor = 0;  ///< pid of the run that launched it
  std::int64_t number = 0;
  std::string process_name;
};
std::optional<Mark> parse_mark(std::string_view variable);

/// What /proc/<pid>/environ says of a process's mark.
struct MarkSeen {
  /// Programs that write their title over the environment leave nothing that could be read.
  bool legible = false;
  std::optional<Mark> mark;
};
MarkSeen find_mark(std::string_view environment);

/// A process that leads a session, as every child does from before its first instruction on.
struct Candidate {
  std::int64_t pid = 0;
  std::int64_t start_ticks = 0;
  MarkSeen seen;
  std::vector<std::string> streams;  ///< names of the files its standard output and error are
};

/// The name that a launch's files begin with.
std::string file_stem(std::string_view process_name, std::int64_t number);

/// One child of an earlier run.
struct Finding {
  ChildRecord record;
  bool alive = false;  ///< `record` names the process; else it has ended and its remains are to be collected
  bool recorded = false;  ///< else found by its mark alone
};

struct Findings {
  std::vector<Finding> children;       ///< in order of their launches, at most one per process name
  std::vector<std::string> sentences;  ///< what was left alone or could not be told, and why
};

/// Who of `candidates` is a child of an earlier run over this run directory, by `records` and marks. A
/// process is taken for the recorded one when boot, pid and start time agree and nothing legible contradicts;
/// else by its mark. A program that was run with another environment is known by the FIFOs it writes to.
/// Everything else is left alone.
Findings match_children(const std::vector<ChildRecord>& records, const std::vector<Candidate>& candidates,
                        std::string_view boot, std::string_view root);

}  // namespace dumb::supervisor
