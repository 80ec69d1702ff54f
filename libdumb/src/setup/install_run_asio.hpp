#pragma once

#include <dumb/base/unique_fd.hpp>
#include <dumb/setup/install.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "setup/install_plan.hpp"
#include "setup/phase_asio.hpp"
#include "setup/resolver_asio.hpp"
#include "setup/trees_posix.hpp"

namespace dumb::setup {

struct InstallRun;
using InstallRunPtr = std::shared_ptr<InstallRun>;

/// One act on the trees of a service's root, and the lock that keeps others away meanwhile.
struct InstallRun {
  /// Fails when the configuration does not say where, or with which, software is to be installed.
  static Result<InstallRunPtr> open(const InstallOptions& options);
  /// The same with the lock of the root, and with what an earlier run left behind put in order.
  static Task<Result<InstallRunPtr>> locked(InstallOptions options);

  InstallRun(RunPtr what, InstallPlan how, std::optional<TreeOwner> whose);
  /// The installed version, as far as it is known.
  std::string present(const InstallOptions& options) const;
  /// Lets the steps of the install see the new tree.
  void use_tree(const std::string& id, const std::string& version);
  /// What is recorded, without changing anything. Blocking.
  Result<void> read_state();
  std::int64_t now() const;

  RunPtr run;
  InstallPlan plan;
  std::optional<TreeOwner> owner;
  Trees trees;
  bool on_trial = false;
  UniqueFd lock;
};

/// The texts of an array member.
std::vector<std::string> texts_of(const json::object& object, std::string_view member);

}  // namespace dumb::setup
