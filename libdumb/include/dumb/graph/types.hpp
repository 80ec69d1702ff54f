#pragma once

#include <array>
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What depends on what: computed from one configuration, without an event loop, a clock or I/O. "D depends
/// on P": P must be up before D starts; an edge goes from D (source) to P (target) everywhere (DEP-35).
namespace dumb::graph {

/// Why one process depends on another, in the order of DEP-10.
enum class Signal : std::uint8_t {
  core_service_map,
  core_service_fields,
  wait_for_url,
  wait_for_dir,
  wait_for_mounts,
  rclone_provider_zurg,
  rclone_provider_decypharr,
  rclone_provider_nzbdav,
  zilean_optional_integration,
  non_core_dependency_map,
  conditional_startup_map,
  documented_integration,
  depends_on
};
BOOST_DESCRIBE_ENUM(Signal, core_service_map, core_service_fields, wait_for_url, wait_for_dir,
                    wait_for_mounts, rclone_provider_zurg, rclone_provider_decypharr, rclone_provider_nzbdav,
                    zilean_optional_integration, non_core_dependency_map, conditional_startup_map,
                    documented_integration, depends_on)

/// Strongest first.
enum class Strength : std::uint8_t { hard_runtime, hard_configured, soft_linkage };
BOOST_DESCRIBE_ENUM(Strength, hard_runtime, hard_configured, soft_linkage)

enum class Classification : std::uint8_t { hard, linkage };
BOOST_DESCRIBE_ENUM(Classification, hard, linkage)

/// What a `depends_on` entry asks of its target (CFG-21); later ones ask more.
enum class Condition : std::uint8_t { started, healthy, completed_successfully };
BOOST_DESCRIBE_ENUM(Condition, started, healthy, completed_successfully)

/// `runtime` leaves out what is only linked.
enum class Scope : std::uint8_t { runtime, all };
BOOST_DESCRIBE_ENUM(Scope, runtime, all)

/// State of a process or of a set of processes (DEP-23).
enum class RowState : std::uint8_t { running, stopped, unknown, disabled, missing };
BOOST_DESCRIBE_ENUM(RowState, running, stopped, unknown, disabled, missing)

/// One row of the truth table (DEP-10).
struct TruthRow {
  Signal signal{};
  Classification classification{};
  Strength strength{};
  std::string description;
};
BOOST_DESCRIBE_STRUCT(TruthRow, (), (signal, classification, strength, description))
/// The thirteen rows, in order.
const std::vector<TruthRow>& truth_table();
Strength strength_of(Signal signal) noexcept;

/// A set of signals.
class Signals {
 public:
  constexpr Signals() = default;
  constexpr explicit Signals(std::uint16_t bits) noexcept : bits_(bits) {}
  static constexpr Signals of(Signal signal) noexcept {
    return Signals(static_cast<std::uint16_t>(1U << static_cast<unsigned>(signal)));
  }
  constexpr std::uint16_t bits() const noexcept { return bits_; }
  constexpr bool empty() const noexcept { return bits_ == 0; }
  constexpr bool has(Signal signal) const noexcept { return (bits_ & of(signal).bits_) != 0; }
  constexpr void add(Signals other) noexcept { bits_ = static_cast<std::uint16_t>(bits_ | other.bits_); }
  constexpr bool operator==(const Signals&) const = default;

  /// Of the strongest member.
  Strength strength() const noexcept;
  bool hard() const noexcept { return strength() != Strength::soft_linkage; }
  /// Sorted by their names.
  std::vector<Signal> list() const;

 private:
  std::uint16_t bits_ = 0;
};

/// One edge as answers show it (DEP-30).
struct EdgeRow {
  std::string source;
  std::string target;
  std::vector<Signal> signals;
  Strength strength{};
  Classification classification{};
  std::optional<Condition> condition{};  ///< what `depends_on` asks for beyond `started`; left out without
  bool operator==(const EdgeRow&) const = default;
  static constexpr std::array<std::string_view, 1> omit_empty{"condition"};
};
BOOST_DESCRIBE_STRUCT(EdgeRow, (), (source, target, signals, strength, classification, condition))
/// The names of the signals of an edge, with its condition: "wait_for_url, depends_on: healthy".
std::string label_of(const std::vector<Signal>& signals, const std::optional<Condition>& condition);

enum class Reason : std::uint8_t { missing, disabled, unresolved, invalid, external };
BOOST_DESCRIBE_ENUM(Reason, missing, disabled, unresolved, invalid, external)
enum class Severity : std::uint8_t { error, warning, info };
BOOST_DESCRIBE_ENUM(Severity, error, warning, info)

/// A need that nothing enabled meets (DEP-42). `reference` is a key, token, name, port, path or host, and
/// never holds credentials.
struct Missing {
  std::string process_name;
  Signal signal{};
  std::string reference;
  Reason reason{};
  Severity severity{};
  bool operator==(const Missing&) const = default;
};
BOOST_DESCRIBE_STRUCT(Missing, (), (process_name, signal, reference, reason, severity))

struct RelaxedEdge {
  std::string source;
  std::string target;
  bool operator==(const RelaxedEdge&) const = default;
};
BOOST_DESCRIBE_STRUCT(RelaxedEdge, (), (source, target))

/// Processes that wait for each other (DEP-41).
struct Cycle {
  std::vector<std::string> members;        ///< sorted
  std::vector<std::string> path;           ///< first = last
  std::vector<EdgeRow> edges;              ///< of the path
  std::vector<RelaxedEdge> relaxed_edges;  ///< left out to break it, sorted
  bool resolved = false;                   ///< nothing is cyclic without the relaxed edges
  std::string message;                     ///< the path joined by " -> "
  bool operator==(const Cycle&) const = default;
};
BOOST_DESCRIBE_STRUCT(Cycle, (), (members, path, edges, relaxed_edges, resolved, message))

/// Process name -> status of GET /process/service-status ("running", "stopped", "idle"); a process that is
/// not there has status "unknown".
using Statuses = std::map<std::string, std::string, std::less<>>;

}  // namespace dumb::graph
