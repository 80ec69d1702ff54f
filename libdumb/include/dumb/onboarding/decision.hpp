#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/onboarding/reply.hpp>
#include <dumb/onboarding/request.hpp>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What one call changes and starts: a request over a configuration. Pure but for the two questions of Facts.
namespace dumb::onboarding {

/// What a decision depends on besides the request. Pointers outlive the call.
struct Facts {
  const catalog::Catalog* catalog = nullptr;
  const config::Model* model = nullptr;
  config::SnapshotPtr config;
  std::set<std::string> running;  ///< process names
  std::int64_t api_port = 0;      ///< the port this server listens on
  /// Whether the directory (as configuration spells it) exists and is not empty (ONB-28).
  std::function<bool(const std::string& directory)> holds_files;
  std::function<bool(std::int64_t port)> port_in_use;  ///< ONB-49
};

/// Why something did not happen.
struct Failure {
  Stage stage = Stage::validate;
  std::string message;
};

/// What a process is to the core object or optional service that lists it.
enum class Role {
  dependency,  ///< its failure fails the service
  soft,        ///< its failure is an error of its own (ONB-22)
  own,         ///< the service itself; instances fail one by one
  after,       ///< belongs to the service and is started once that runs (ONB-32)
};

struct Member {
  std::string process_name;
  std::string config_key;
  Role role = Role::own;
};

/// One core object, optional service or follow-up, in the order of processing.
struct Unit {
  enum class Kind { core, optional, prerequisite, follow_up };
  std::string service;  ///< for the reply: the name as sent, or the key
  std::string key;
  Kind kind = Kind::core;
  std::vector<Member> members;     ///< in order of their start
  std::optional<Failure> refused;  ///< nothing of it was configured
  bool skipped = false;            ///< ONB-43
};

/// How a process is to be started.
struct Launch {
  bool restart = false;            ///< it runs, and was changed in a way that matters then (ONB-56)
  std::optional<Failure> failure;  ///< it cannot be started, known beforehand (ports)
};

struct Decision {
  std::vector<config::Edit> edits;  ///< the one save; empty: nothing changes
  std::vector<Unit> units;
  std::map<std::string, Launch> launches;  ///< by process name
  std::vector<WarningEntry> warnings;
  std::vector<PortChangeEntry> port_changes;
};

/// ONB-10 to ONB-53.
Decision decide(const Facts& facts, const Request& request);

/// Carries a decision out, one process after the other: says what is next, takes the outcome, and holds the
/// reply. A machine without I/O.
class Progress {
 public:
  explicit Progress(Decision decision);

  struct Next {
    std::string process_name;
    bool restart = false;
    bool settle = false;  ///< others of the plan need it usable
  };
  /// What to start or restart now; nullopt when everything is over. Call done() before asking again.
  std::optional<Next> next();
  void done(const std::optional<Failure>& failure);
  /// Nothing more is started; what remains becomes errors (ONB-63).
  void abandon(const Failure& why);
  void moved(PortChangeEntry change);

  const Reply& reply() const noexcept { return reply_; }
  /// What would be started, in order.
  std::vector<PlannedStep> steps(const std::set<std::string>& running) const;

 private:
  struct Known {
    std::optional<Failure> failure;
    std::string process_name;  ///< the one that failed
  };
  void enter_unit();
  void settle_member(const Member& member, const Known& known);
  void fail(const Member& member, const Known& known);
  void end_unit();
  bool needed_later(const std::string& process_name) const;

  Decision decision_;
  Reply reply_;
  std::map<std::string, Known> handled_;
  std::size_t unit_ = 0;
  std::size_t member_ = 0;
  bool entered_ = false;
  bool failed_ = false;
};

}  // namespace dumb::onboarding
