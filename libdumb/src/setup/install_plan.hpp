#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "setup/release.hpp"
#include "setup/scope.hpp"

/// What the `install` object of a service means for its block.
namespace dumb::setup {

struct InstallPlan {
  std::string method;
  std::filesystem::path root;      ///< mapped
  std::string shown_root;          ///< as the configuration spells it
  std::string marker, run_marker;  ///< below the root; run_marker may be empty
  std::string source_marker;
  std::vector<std::string> kept;                     ///< relative to the root (SVC-70)
  std::vector<std::filesystem::path> version_files;  ///< mapped
  std::string owner, name;                           ///< of the repository
  std::string pattern;                               ///< of the asset for this machine
  std::string override_url;                          ///< from the environment; replaces the download
  std::string overriding_file;                       ///< mapped; when it is there nothing is downloaded
  bool arr = false;
  bool clear = false;  ///< the new tree holds only the release
  VersionKind kind = VersionKind::plain;
  TargetFacts facts;  ///< without `installed` and `asked`
};
/// Whether the service's method is one of a release server.
bool is_released(const catalog::Service& service);
/// Fails with missing_field,
/// bad_value or unsupported_arch.
Result<InstallPlan> plan_install(Scope& scope);
/// Whether every mark of the plan is there.
bool is_marked(const InstallPlan& plan, Facts& facts);
/// An update to what is newest, whatever the configuration holds it at (SVC-88, SVC-99).
std::string update_selector(const json::object& block, std::string_view asked);

}  // namespace dumb::setup
