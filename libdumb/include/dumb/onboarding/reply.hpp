#pragma once

#include <array>
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What POST /process/start-core-service answers (ONB-6 to ONB-9).
namespace dumb::onboarding {

/// How far a service came.
enum class Stage { validate, configure, setup, ports, wait, launch };
BOOST_DESCRIBE_ENUM(Stage, validate, configure, setup, ports, wait, launch)

struct ResultEntry {
  std::string service;  ///< as sent
  std::string status;   ///< "started" or "skipped"
  bool operator==(const ResultEntry&) const = default;
};
BOOST_DESCRIBE_STRUCT(ResultEntry, (), (service, status))

struct ErrorEntry {
  std::string service;
  std::string error;  ///< one sentence without secrets
  Stage stage = Stage::validate;
  std::optional<std::string> process_name;  ///< the process that failed
  std::vector<std::string> not_started;     ///< processes that were therefore not tried
};
BOOST_DESCRIBE_STRUCT(ErrorEntry, (), (service, error, stage, process_name, not_started))

struct WarningEntry {
  std::string service;
  std::string warning;
  bool operator==(const WarningEntry&) const = default;
};
BOOST_DESCRIBE_STRUCT(WarningEntry, (), (service, warning))

struct PortChangeEntry {
  std::string process_name;
  std::string field;
  std::int64_t from = 0;
  std::int64_t to = 0;
  bool operator==(const PortChangeEntry&) const = default;
};
BOOST_DESCRIBE_STRUCT(PortChangeEntry, (), (process_name, field, from, to))

struct Reply {
  std::vector<ResultEntry> results;
  std::vector<ErrorEntry> errors;
  std::vector<WarningEntry> warnings;
  std::vector<PortChangeEntry> port_changes;
  static constexpr std::array<std::string_view, 2> omit_empty{"warnings", "port_changes"};
};
BOOST_DESCRIBE_STRUCT(Reply, (), (results, errors, warnings, port_changes))

/// What a call would do (additive to the reference API): nothing has been changed.
struct PlannedStep {
  std::string process_name;
  std::string service;  ///< of the core object or optional service it is for first
  std::string action;   ///< "start", "restart" or "keep" (it runs already)
};
BOOST_DESCRIBE_STRUCT(PlannedStep, (), (process_name, service, action))

struct PlanReply {
  std::vector<PlannedStep> steps;
  std::vector<std::string> changes;  ///< JSON pointers into the configuration, without values
  std::vector<ErrorEntry> errors;
  std::vector<WarningEntry> warnings;
  std::vector<PortChangeEntry> port_changes;
};
BOOST_DESCRIBE_STRUCT(PlanReply, (), (steps, changes, errors, warnings, port_changes))

/// GET /config/onboarding-status (ONB-60).
struct Status {
  bool needs_onboarding = true;
};
BOOST_DESCRIBE_STRUCT(Status, (), (needs_onboarding))

/// What marking the onboarding as done, or as to be done, answers.
struct Marked {
  std::string status;
};
BOOST_DESCRIBE_STRUCT(Marked, (), (status))

}  // namespace dumb::onboarding
