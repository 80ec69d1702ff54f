#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/config/snapshot.hpp>
#include <dumb/graph/model.hpp>
#include <string>
#include <vector>

#include "graph/address.hpp"
#include "graph/tables.hpp"

namespace dumb::graph {

/// A name in a reference field (DEP-13).
struct Reference {
  std::string text;   ///< trimmed
  std::string token;  ///< normalised
  bool name_first = false;
  bool operator==(const Reference&) const = default;
};

/// One entry of wait_for_url (DEP-14).
struct UrlWait {
  std::vector<Reference> references;
  std::string url;  ///< without user-info; empty when the entry has none
  bool valid = false, local = false;
  std::string host;
  std::uint16_t port = 0;
  std::string ui_segment;
  bool operator==(const UrlWait&) const = default;
};

/// One element of wait_for_mounts or wait_for_dir (DEP-16).
struct PathWait {
  Signal signal{};
  std::string path;  ///< normalised; empty when only references are given
  std::vector<Reference> references;
  bool operator==(const PathWait&) const = default;
};

struct DependsOn {
  Reference reference;
  Condition condition = Condition::started;
  bool invalid = false;  ///< an unknown condition, or no name
  bool operator==(const DependsOn&) const = default;
};

/// Everything the model reads from one block; the rest of it makes no difference.
struct Facts {
  Process process;
  std::size_t position = 0;              ///< in document order
  bool available = false;                ///< enabled, or the supervisor's own block (DEP-37)
  std::vector<std::string> refs;         ///< tokens of core_services and core_service
  std::vector<Reference> references;     ///< the same, as written
  std::vector<std::string> requires_;    ///< core needs in effect (DEP-8)
  std::vector<std::string> true_fields;  ///< those of Tables::watched_fields that are true
  std::vector<std::uint16_t> ports;
  std::string mount, second_mount;  ///< normalised (DEP-5); empty = none
  std::string config_file, zurg_config_file, key_type;
  bool zurg_enabled = false, decypharr_enabled = false;
  std::vector<UrlWait> urls;
  std::vector<PathWait> paths;
  std::vector<DependsOn> depends_on;

  /// Equal but for the position.
  bool same(const Facts& other) const;
  bool has_ref(std::string_view token) const;
};

Facts facts_of(const config::BlockRef& ref, const json::object& block, std::size_t position,
               const Tables& tables);

/// Members that publish a port (DEP-4), besides the array `ports`.
const std::vector<std::string_view>& port_fields();

}  // namespace dumb::graph
