#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::config {

/// Where one process is configured.
struct BlockRef {
  std::string process_name;  ///< trimmed
  std::string config_key;    ///< "rclone", "dumb_frontend" (API-17)
  std::string instance;      ///< member of `instances`, or empty
  JsonPath path;             ///< keys from the root to the block
  bool enabled = false;
};

/// One immutable state of the configuration. Cheap to hold; safe to read from any thread.
class Snapshot {
 public:
  /// `effective` is what everything uses; `base` is defaults with the user's file over them, nothing else.
  Snapshot(json::object effective, json::object base, std::uint64_t generation);

  const json::object& effective() const noexcept { return effective_; }
  const json::object& base() const noexcept { return base_; }
  std::uint64_t generation() const noexcept { return generation_; }

  /// Every block with a process name, in document order; of two with one name the first (CFG-31, DEP-1).
  const std::vector<BlockRef>& blocks() const noexcept { return blocks_; }
  /// The blocks left out of blocks() because their name was taken, in document order (DEP-1).
  const std::vector<BlockRef>& duplicates() const noexcept { return duplicates_; }
  /// Exact, case-sensitive (CFG-28); null when there is none.
  const BlockRef* find(std::string_view process_name) const noexcept;
  /// Trimmed exact match, else the only block equal after folding (API-16); null when there is none.
  const BlockRef* resolve(std::string_view process_name) const;
  /// The block's members; a reference into this snapshot.
  const json::object& block(const BlockRef& ref) const;
  /// CFG-29; null when missing. `instance` may be empty.
  const json::object* block(std::string_view config_key, std::string_view instance) const noexcept;
  /// All blocks of one key, in document order.
  std::vector<const BlockRef*> of_key(std::string_view config_key) const;

 private:
  json::object effective_;
  json::object base_;
  std::uint64_t generation_;
  std::vector<BlockRef> blocks_;
  std::vector<BlockRef> duplicates_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// "sonarr.instances.Main": for people only, never read back (CFG-30).
std::string dotted(const JsonPath& path);

/// Walks a document for process blocks (DEP-1, CFG-16).
std::vector<BlockRef> collect_blocks(const json::object& document);

}  // namespace dumb::config
