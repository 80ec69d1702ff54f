#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <deque>
#include <dumb/base/clock.hpp>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// When a service is started again without being asked (LIF-89 to LIF-95). All pure: time, settings and
/// chance come in.
namespace dumb::supervisor {

/// The policy of one service. The defaults are those of the specification, with nothing monitored.
struct RestartSettings {
  bool enabled = false;
  bool restart_on_unhealthy = true;
  Duration check_interval = std::chrono::seconds(30);  ///< between health checks; zero: none
  int unhealthy_threshold = 3;                         ///< consecutive failures, at least 1
  int max_restarts = 3;                                ///< attempts within the window; 0: none at all
  Duration window = std::chrono::seconds(300);
  std::vector<Duration> backoff{std::chrono::seconds(5), std::chrono::seconds(15), std::chrono::seconds(45),
                                std::chrono::seconds(120)};
  Duration grace = std::chrono::seconds(30);  ///< from the launch to the first health check
  double backoff_multiplier = 1;              ///< of each delay past the end of the list to the one before
  Duration backoff_max{0};                    ///< no delay is longer; zero: any
  double backoff_jitter = 0;                  ///< a delay is this share shorter or longer by chance; 0 to 1
  Duration healthy_reset{0};                  ///< well for so long: the window is empty again; zero: never

  bool checks_health() const noexcept {
    return enabled && restart_on_unhealthy && check_interval > Duration::zero();
  }
  bool operator==(const RestartSettings&) const = default;
};

/// Of `dumb.auto_restart` in an effective document: its fields, overlaid by those of the entry whose
/// `process_name` is this one, trimmed and in any case (LIF-89). Without an entry nothing is monitored.
RestartSettings restart_settings(const json::object& document, std::string_view process_name);

/// What a decision depends on beside the settings; read fresh for each.
struct RestartRules {
  RestartSettings settings;
  bool armed = false;         ///< the boot has come to starting services (LIF-10), no shutdown yet
  bool health_counts = true;  ///< the first start of the stack is over (LIF-33)
};

/// LIF-95, without what belongs to exits and to the wish of the user.
struct RestartStatistics {
  std::int64_t attempts = 0, successes = 0, failures = 0;
  std::int64_t recent = 0;         ///< attempts within the window now
  std::optional<SteadyTime> next;  ///< a restart is pending until then
  std::optional<WallTime> last;    ///< when the last one succeeded
  std::optional<std::string> last_failure;
  std::int64_t unhealthy_count = 0, unhealthy_threshold = 3;
  bool trying = false;                      ///< an attempt is under way
  bool crash_loop = false;                  ///< refused: too many attempts in the window
  std::optional<SteadyTime> refused_until;  ///< when a refused restart is looked at again; none: never
};

/// Where a restart nobody asked for is.
///
/// | is      | meaning                           | ends by |
/// |---------|-----------------------------------|-----------------------------------------------------------------|
/// | idle    | nothing is wanted                 | a request: pending, or refused when the window is full |
/// | pending | an attempt waits for its back-off | its time -> trying; a start or stop by hand -> idle | |
/// trying  | the attempt is under way          | success -> idle; failure -> a new request | | refused |
/// crash loop: the window is full    | the oldest attempt leaves it -> a new request; well again, a    | | |
/// | start or stop by hand -> idle                                   |
enum class RestartStage { idle, pending, trying, refused };
BOOST_DESCRIBE_ENUM(RestartStage, idle, pending, trying, refused)

/// What a later run of this program has to know of the restarts of a service (LIF-125). Instants are
/// nanoseconds of the steady clock, which counts from the boot.
struct RestartMemory {
  RestartStage stage = RestartStage::idle;
  std::string reason;  ///< of what is pending or refused
  std::int64_t next = 0;
  std::int64_t delay = 0;
  std::vector<std::int64_t> window;  ///< attempts, oldest first
  std::int64_t attempts = 0, successes = 0, failures = 0;
  std::optional<double> last;  ///< seconds since 1970
  std::optional<std::string> last_failure;
  std::int64_t unhealthy = 0;
  bool ill = false;
  std::int64_t well_since = 0;  ///< 0: since the launch

  bool operator==(const RestartMemory&) const = default;
};
BOOST_DESCRIBE_STRUCT(RestartMemory, (),
                      (stage, reason, next, delay, window, attempts, successes, failures, last, last_failure,
                       unhealthy, ill, well_since))

/// The restarts of one service: its window of attempts, the one that is pending or refused, its health.
class RestartPolicy {
 public:
  using Stage = RestartStage;

  /// To be called before each of the following, so that a change of the settings counts at once. `chance`:
  /// a random number from 0 to 1; 0.5 changes nothing.
  void configure(RestartRules rules, double chance);

  /// LIF-91. `wanted`: desired on and not disabled.
  void request(const std::string& reason, bool wanted, SteadyTime now);
  /// The time of a pending restart has come.
  bool due(SteadyTime now) const { return stage_ == Stage::pending && now >= next_; }
  /// LIF-93: the attempt begins.
  void begin_attempt(SteadyTime now);
  /// The service was confirmed to run, or has completed, by an attempt or otherwise.
  void started(WallTime at);
  /// Whether an attempt has failed with this, and a new request is due.
  bool start_failed(const std::string& reason);
  /// A refused restart is to be requested again, with which reason; idle afterwards.
  std::optional<std::string> reconsider(SteadyTime now);
  /// Nothing is wanted any more: forgets what is pending, refused or under way.
  void call_off();
  /// LIF-94: a start or restart by hand, not one that belongs to the boot.
  void started_by_hand();

  /// What there is to know when this program ends without a shutdown.
  RestartMemory memory() const;
  /// Grows whenever memory() may have changed.
  std::uint64_t changes() const noexcept { return changes_; }
  /// Before anything else: what was known in the earlier run. A request that was pending or refused is held
  /// until take_up(), and so is an attempt that was under way.
  void restore(const RestartMemory& memory, SteadyTime now);
  /// What restore() holds counts again, if restarts are allowed; false: nothing is held, or it was dropped.
  bool take_up();
  /// A process of the earlier run goes on, launched at `at`: health goes on where restore() has left it.
  void adopted(SteadyTime at);

  /// Its process was launched: health counts anew.
  void launched(SteadyTime now);
  /// Its process has ended or is being ended.
  void ended(SteadyTime now);
  /// Whether a health check is due of a process that runs; the one that is under way counts.
  bool check_due(SteadyTime now) const;
  void check_begun();
  /// nullopt: neither well nor ill, still starting. True: unhealthy often enough, a request is due.
  bool checked(std::optional<bool> healthy, SteadyTime now);

  Stage stage() const noexcept { return stage_; }
  /// A request made now would be granted without delay.
  bool immediate(SteadyTime now) const;
  bool armed() const noexcept { return rules_.armed; }
  bool allowed() const noexcept { return rules_.armed && rules_.settings.enabled; }
  bool health_counts() const noexcept { return rules_.health_counts; }
  const RestartSettings& settings() const noexcept { return rules_.settings; }
  /// The delay of the pending restart.
  Duration delay() const noexcept { return delay_; }
  /// The earliest instant anything here waits for; `running`: of health checks too.
  std::optional<SteadyTime> wake_at(bool running) const;
  RestartStatistics statistics(SteadyTime now) const;
  /// When a refused restart is looked at again; none: never, or nothing is refused.
  std::optional<SteadyTime> refused_until() const;

 private:
  std::deque<SteadyTime>::const_iterator first_recent(SteadyTime now) const;
  bool well_long_enough(SteadyTime now) const;
  void forget_old(SteadyTime now);
  Duration delay_of(std::size_t index) const;
  std::optional<SteadyTime> next_check() const;

  RestartRules rules_;
  std::uint64_t changes_ = 0;
  Stage held_ = Stage::idle;  // until take_up()
  double chance_ = 0.5;
  Stage stage_ = Stage::idle;
  std::string reason_;  // of the request
  SteadyTime next_;
  Duration delay_{0};
  std::deque<SteadyTime> attempts_;  // of the window, oldest first
  std::optional<SteadyTime> launched_;
  std::optional<SteadyTime> checked_;  // the last check of this process
  double check_chance_ = 0.5;
  bool checking_ = false;
  bool ill_ = false;  // by the last check
  std::optional<SteadyTime> well_since_;
  int unhealthy_ = 0;
  RestartStatistics told_;  // the counters of it
};

}  // namespace dumb::supervisor
