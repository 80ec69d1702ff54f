#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Which version of a service is wanted, which release that is and which file of it (SVC 3.1, 3.2). Pure.
namespace dumb::setup {

struct Asset {
  std::int64_t id = 0;
  std::string name;
  std::uint64_t size = 0;
  std::string state;
  std::string digest;  ///< "sha256:<hex>" or empty
};

struct Release {
  std::string tag;
  bool draft = false;
  bool prerelease = false;
  std::string created_at;
  std::string published_at;
  std::string zipball_url;
  std::vector<Asset> assets;
};

/// Reads what a release server says (SVC-224). Fails with release_not_found, naming the member that is
/// missing.
Result<Release> parse_release(const json::value& value);
Result<std::vector<Release>> parse_releases(const json::value& value);

enum class Selector { keep, exact, latest, nightly, prerelease, branch };

struct Target {
  Selector selector = Selector::keep;
  std::string value;          ///< tag or branch
  std::string warning{};      ///< something in the configuration that is not followed
  bool from_release = false;  ///< `release_version` of the configuration says so
  bool operator==(const Target&) const = default;
};

/// What decides about the wanted version besides the service's block.
struct TargetFacts {
  bool installed = false;       ///< what marks an installation is there
  bool pinned_allowed = false;  ///< "pinned" is a selector of the service
  bool branch_allowed = false;  ///< "branch" is one
  bool arr = false;             ///< member of the Arr family
  std::string branch_only;      ///< the one branch it can be installed from
  std::string asked;            ///< "latest", "nightly", "prerelease" for this run only (SVC-99); empty: none
  std::string default_version;  ///< used where none is configured
};
/// The first matching row of SVC-36.
Target wanted(const json::object& block, const TargetFacts& facts);

/// Why the configuration keeps an update from being installed (SVC-88): "pinned_version", "branch",
/// "release"; empty when nothing does.
std::string block_reason(const json::object& block);

/// The newest release a moving selector means, or null (SVC-37).
const Release* choose(const std::vector<Release>& releases, Selector selector);
/// The spellings under which an exact tag is tried (SVC-38).
std::vector<std::string> tag_spellings(std::string_view tag);

/// The one file of a release for this machine (SVC-45). `pattern` may hold {version}. Fails with
/// no_matching_asset, listing the names, or bad_value for a bad pattern.
Result<Asset> choose_asset(const Release& release, std::string_view pattern);
/// The release's file of checksums for `asset`, or null: one whose name matches `pattern` (may be empty),
/// else
/// "<asset>.sha256" (SVC-60).
const Asset* choose_checksums(const Release& release, const Asset& asset, std::string_view pattern);
/// The digest of `name` in lines "<hex>  <name>"; a single bare digest counts for any name. Empty when there
/// is none.
std::string checksum_of(std::string_view text, std::string_view name);

enum class VersionKind { plain, arr, nightly };
/// Negative, zero or positive as `a` is older, equal or newer; nullopt when only their difference is known
/// (SVC-41).
std::optional<int> compare_versions(std::string_view a, std::string_view b,
                                    VersionKind kind = VersionKind::plain);
/// Whether what is installed has to be replaced by what was found (SVC-40, SVC-42).
bool must_install(Selector selector, std::string_view installed, std::string_view found,
                  VersionKind kind = VersionKind::plain);

/// How an answer of a server is to be taken (SVC-55, SVC-56).
struct Verdict {
  enum class Kind { good, unchanged, again, failed } kind = Kind::good;
  std::chrono::milliseconds wait{0};  ///< before the next attempt
  Error error{};                      ///< of a failure
};
struct Answer {
  bool arrived = false;  ///< false: the connection failed or broke
  int status = 0;
  std::string retry_after, remaining, reset;  ///< headers of rate limits
  std::string problem{};                      ///< why it did not arrive
};
/// `attempt` counts from 1, `jitter` is 0 to 1; `patience`: the longest wait a rate limit may ask for.
Verdict judge(const Answer& answer, int attempt, double jitter, std::chrono::seconds patience, WallTime now,
              std::string_view what);

}  // namespace dumb::setup
