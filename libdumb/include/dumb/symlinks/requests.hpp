#pragma once

#include <array>
#include <boost/describe/class.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Repair, snapshot, restore and comparison of trees of symbolic links. Names and targets are byte strings.
namespace dumb::symlinks {

/// A target equal to `from_prefix` or below it gets `to_prefix` instead; both are text, never resolved.
struct RewriteRule {
  std::string from_prefix;
  std::string to_prefix;
  static constexpr std::array<std::string_view, 2> required{"from_prefix", "to_prefix"};
  bool operator==(const RewriteRule&) const = default;
};
BOOST_DESCRIBE_STRUCT(RewriteRule, (), (from_prefix, to_prefix))

/// Every link below `from_root` goes to the same relative path below `to_root`.
struct RootMigration {
  std::string from_root;
  std::string to_root;
  static constexpr std::array<std::string_view, 2> required{"from_root", "to_root"};
  bool operator==(const RootMigration&) const = default;
};
BOOST_DESCRIBE_STRUCT(RootMigration, (), (from_root, to_root))

/// An empty optional means the default in the comment, as a JSON null does (SYM-4).
struct RepairRequest {
  std::optional<std::string> process_name;        ///< a label
  std::optional<std::vector<std::string>> roots;  ///< none or empty: default_roots()
  std::optional<std::vector<RewriteRule>> rewrite_rules;
  std::optional<std::vector<RootMigration>> root_migrations;
  std::optional<std::vector<std::string>> presets;
  std::optional<bool> dry_run;                      ///< true
  std::optional<bool> include_broken;               ///< true
  std::optional<std::string> backup_path;           ///< where the repair manifest goes
  std::optional<bool> overwrite_existing;           ///< false
  std::optional<bool> copy_instead_of_move;         ///< false
  std::optional<std::int64_t> changes_limit;        ///< 0-10000; 1000
  std::optional<bool> verify_new_targets;           ///< false
  std::optional<std::string> resume_manifest_path;  ///< finish the run of this manifest
};
BOOST_DESCRIBE_STRUCT(RepairRequest, (),
                      (process_name, roots, rewrite_rules, root_migrations, presets, dry_run, include_broken,
                       backup_path, overwrite_existing, copy_instead_of_move, changes_limit,
                       verify_new_targets, resume_manifest_path))

struct BackupRequest {
  std::optional<std::string> process_name;
  std::optional<std::vector<std::string>> roots;
  std::string backup_path;
  std::optional<bool> include_broken;  ///< true
  std::optional<bool> check_targets;   ///< true
  static constexpr std::array<std::string_view, 1> required{"backup_path"};
};
BOOST_DESCRIBE_STRUCT(BackupRequest, (), (process_name, roots, backup_path, include_broken, check_targets))

/// A snapshot manifest is restored, a repair manifest undone (SYM-33).
struct RestoreRequest {
  std::optional<std::string> process_name;
  std::string manifest_path;
  std::optional<bool> dry_run;             ///< true
  std::optional<bool> overwrite_existing;  ///< false
  std::optional<bool> restore_broken;      ///< true
  static constexpr std::array<std::string_view, 1> required{"manifest_path"};
};
BOOST_DESCRIBE_STRUCT(RestoreRequest, (),
                      (process_name, manifest_path, dry_run, overwrite_existing, restore_broken))

struct CompareRequest {
  std::string manifest_path;
  bool overwrite_existing = false;
  bool restore_broken = true;
  std::int64_t sample_limit = 50;  ///< 0-200
};

}  // namespace dumb::symlinks
