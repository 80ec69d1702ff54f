#pragma once

#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/symlinks/requests.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The two manifest formats (SYM-67, SYM-68), written and read as streams. No I/O in here.
namespace dumb::symlinks {

struct Ownership {
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const Ownership&) const = default;
};

/// One element of `changes`. An empty target means that no link is there.
struct Change {
  enum class Kind { link, move, copy };
  Kind kind = Kind::link;
  std::string path;         ///< `link_path`, or `source_path` of a move or copy
  std::string destination;  ///< `target_path` of a move or copy
  std::optional<std::string> old_target;
  std::optional<std::string> new_target;
  std::optional<std::string> replaced_target;  ///< what a move or copy found at its destination
  bool two_step = false;                       ///< a move made by create-then-remove
  bool chained = false;                        ///< its destination is another element's source
  bool more = false;                           ///< the next element completes this one
  std::optional<Ownership> owner;              ///< of the link as it was
  std::optional<Ownership> new_owner;          ///< to give to the new link; without it the old one's is kept
  std::optional<Ownership> replaced_owner;
};

struct SnapshotEntry {
  std::string link_path;
  std::string target;
  std::optional<bool> target_exists;
  std::optional<Ownership> owner;
};

struct Header {
  std::string created_at;
  std::optional<std::string> process_name;
  std::string run_id;
  std::string operation;
  std::vector<std::string> roots;
  std::vector<RootMigration> root_migrations;
  bool include_broken = true;
  bool targets_checked = true;
};

/// "2026-03-01T04:00:00.120000Z".
std::string manifest_time(WallTime time);

/// Text before the first element, one element, and text after the last. Elements are parted by ",\n".
std::string snapshot_head(const Header& header);
void append_entry(std::string& out, const SnapshotEntry& entry);
struct SnapshotTail {
  std::uint64_t scanned_symlinks = 0;
  std::uint64_t recorded_entries = 0;
  std::uint64_t skipped_broken = 0;
  std::uint64_t errors_total = 0;
  bool complete = false;
};
std::string snapshot_tail(const SnapshotTail& tail);
std::string repair_head(const Header& header);
void append_change(std::string& out, const Change& change);
std::string repair_tail(const std::vector<std::string>& created_dirs);

/// Where a manifest's bytes come from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// At most `size` bytes; 0 at the end.
  virtual Result<std::size_t> read(char* buffer, std::size_t size) = 0;
};

/// One element of `entries` or `changes` as it stands in the file, before anything is concluded from it.
struct Element {
  struct Text {
    enum class State { absent, null, wrong, text };
    State state = State::absent;
    std::string bytes;
    bool is_text() const noexcept { return state == State::text; }
    std::optional<std::string> value() const;
  };
  bool object = false;  ///< false: not a JSON object; no member is set
  Text link_path, target, old_target, new_target, source_path, target_path, operation, replaced_target;
  std::optional<bool> target_exists;
  bool two_step = false;
  bool chained = false;
  bool more = false;
  std::optional<std::int64_t> uid, gid, mtime_ns, replaced_uid, replaced_gid, replaced_mtime_ns, new_uid,
      new_gid, new_mtime_ns;
  std::uint64_t offset = 0;  ///< of its first byte in the file
  void clear();
};

/// The element as a change; nothing when it lacks what a change needs.
std::optional<Change> to_change(const Element& element);
/// The same into storage that is used again; false when it lacks what a change needs.
bool to_change(const Element& element, Change& change);
std::optional<SnapshotEntry> to_entry(const Element& element);

/// What stands outside the array; complete when next() has answered the end.
struct Contents {
  std::string manifest_type;
  std::int64_t version = 1;
  std::optional<std::string> created_at;
  std::optional<std::string> process_name;
  std::string run_id;
  std::string operation;
  std::vector<std::string> roots;
  std::vector<RootMigration> root_migrations;
  std::vector<std::string> created_dirs;
  bool has_entries = false;
  bool has_changes = false;
  std::uint64_t entries = 0;
  std::uint64_t changes = 0;
};

/// Reads either format, members in any order, unknown ones skipped, the original's \udc80-\udcff escapes
/// taken as bytes. Memory does not grow with the number of elements.
class ManifestReader {
 public:
  enum class Array { entries, changes };
  explicit ManifestReader(ByteSource& source);
  ~ManifestReader();
  ManifestReader(const ManifestReader&) = delete;
  ManifestReader& operator=(const ManifestReader&) = delete;

  /// The next element of either array, or false at the end of the document. Errc::invalid_argument with the
  /// byte where the text stops being a manifest.
  Result<bool> next(Element& element, Array& array);
  const Contents& contents() const noexcept;

  /// Reads one element that begins at the source's first byte.
  static Result<void> read_element(ByteSource& source, Element& element);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dumb::symlinks
