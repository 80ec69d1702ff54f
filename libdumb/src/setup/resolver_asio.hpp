#pragma once

#include <dumb/setup/install.hpp>
#include <string>

#include "setup/fetcher_asio.hpp"
#include "setup/install_plan.hpp"

namespace dumb::setup {

/// A version that was found and how its file is to be had.
struct Resolved {
  Selector selector = Selector::keep;
  std::string version;  ///< resolved tag, or "<branch>@<commit>" (SVC-39)
  Wanted file;
  std::string file_name;  ///< of the asset
  bool source = false;    ///< a source archive: its single top directory is removed
  bool branch = false;
};

/// Asks release servers which version a target means (SVC-37, SVC-38, SVC-45 to SVC-47).
class Resolver {
 public:
  Resolver(RunPtr run, const InstallPlan& plan, const InstallOptions& options)
      : run_(run), plan_(plan), fetcher_(std::move(run), options) {}
  /// Fails with release_not_found, branch_not_found, no_matching_asset and what Fetcher fails with.
  Task<Result<Resolved>> resolve(Target target);
  Fetcher& fetcher() noexcept { return fetcher_; }

 private:
  Task<Result<Release>> release(Target target);
  Task<Result<Release>> tagged(std::string tag);
  Task<Result<Release>> newest(Selector selector);
  Task<Result<Resolved>> branch(std::string name);
  Task<Result<Resolved>> asset(Release release);
  Task<Result<Resolved>> vendor(Target target);
  Task<Result<Resolved>> vendor_at(std::string url);
  Task<Result<Resolved>> vendor_pinned(Target target);
  Task<Result<std::string>> published_digest(Release release, Asset asset);
  std::string repository() const;
  Wanted asset_file(const Asset& asset) const;

  RunPtr run_;
  const InstallPlan& plan_;
  Fetcher fetcher_;
};

}  // namespace dumb::setup
