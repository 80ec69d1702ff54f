#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/release.hpp"
#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

bool set(const json::object& block, std::string_view member) {
  return !text::blank(jsonx::text_at(block, member));
}

bool says_latest(std::string_view text) {
  return text::lower(text) == "latest";
}

/// A selector word or an exact tag.
Target named(std::string_view word) {
  const std::string lower = text::lower(text::trim(word));
  if (lower.find("nightly") != std::string::npos) return {Selector::nightly, {}};
  if (lower.find("prerelease") != std::string::npos) return {Selector::prerelease, {}};
  if (lower == "latest") return {Selector::latest, {}};
  return {Selector::exact, std::string(text::trim(word))};
}

struct Parts {
  std::vector<std::int64_t> numbers;
  std::vector<std::string> suffix;
};

/// nullopt when the text does not begin with a number.
std::optional<Parts> split_version(std::string_view version, VersionKind kind) {
  version = text::trim(version);
  if (version.starts_with('v') || version.starts_with('V')) version.remove_prefix(1);
  const std::size_t mark = version.find_first_of("-+");
  Parts out;
  for (const std::string& part : text::split(version.substr(0, mark), '.')) {
    const auto number = text::to_int(part);
    if (!number || *number < 0) {
      if (out.numbers.empty()) return std::nullopt;
      break;
    }
    out.numbers.push_back(*number);
  }
  if (kind == VersionKind::nightly && out.numbers.size() > 3) out.numbers.resize(3);
  if (kind == VersionKind::plain && mark != std::string_view::npos)
    out.suffix = text::split(version.substr(mark + 1), '.');
  return out;
}

int sign(bool less, bool greater) {
  return less ? -1 : greater ? 1 : 0;
}

int compare_identifiers(const std::string& a, const std::string& b) {
  const auto x = text::to_int(a);
  const auto y = text::to_int(b);
  if (x && y) return sign(*x<*y, *x> * y);
  if (x || y) return x ? -1 : 1;  // numbers are below words
  return sign(a<b, a> b);
}

int compare_suffixes(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty() || b.empty()) return sign(!a.empty() && b.empty(), a.empty() && !b.empty());
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const int order = compare_identifiers(a[i], b[i]); order != 0) return order;
  }
  return sign(a.size() < b.size(), a.size() > b.size());
}

std::chrono::milliseconds from_header(const Answer& answer, WallTime now) {
  // What a server says may be any number.
  constexpr std::int64_t longest = 366LL * 24 * 3600;
  if (const auto seconds = text::to_int(text::trim(answer.retry_after)))
    return std::chrono::seconds(std::clamp<std::int64_t>(*seconds, 0, longest));
  if (const auto at = text::to_int(text::trim(answer.reset))) {
    const auto today = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    const std::int64_t until = std::clamp<std::int64_t>(*at, today, today + longest);
    return std::chrono::seconds(until - today);
  }
  return std::chrono::minutes(60);
}

}  // namespace

Target wanted(const json::object& block, const TargetFacts& facts) {
  const bool release = jsonx::bool_at(block, "release_version_enabled", false);
  const bool branch = jsonx::bool_at(block, "branch_enabled", false);
  std::string warning;
  // A single branch is all there is: a release of it is that branch, too.
  const auto moved = [&](Target target) {
    target.warning = warning;
    if (facts.branch_only.empty() || target.selector == Selector::keep) return target;
    target.selector = Selector::branch;
    target.value = facts.branch_only;
    return target;
  };
  if (!facts.asked.empty()) return moved(named(facts.asked));
  if (set(block, "pinned_version") && facts.pinned_allowed && !(facts.arr && release))
    return moved({Selector::exact, jsonx::text_at(block, "pinned_version")});
  if (release) {
    if (set(block, "release_version")) {
      Target target = named(jsonx::text_at(block, "release_version"));
      target.from_release = true;
      return moved(std::move(target));
    }
    warning = "release_version is blank and is not followed";
  }
  if (branch && !facts.branch_allowed)
    warning = "branch_enabled is not followed: it has no branches to install from";
  if (branch && facts.branch_allowed && set(block, "branch"))
    return moved({Selector::branch, jsonx::text_at(block, "branch")});
  if (facts.installed) return {Selector::keep, {}, warning};
  if (!facts.default_version.empty() && !says_latest(facts.default_version))
    return moved({Selector::exact, facts.default_version});
  return moved({Selector::latest, {}});
}

std::string block_reason(const json::object& block) {
  if (set(block, "pinned_version")) return "pinned_version";
  if (jsonx::bool_at(block, "branch_enabled", false)) return "branch";
  const std::string release = text::lower(jsonx::text_at(block, "release_version"));
  const bool moving =
      release.find("nightly") != std::string::npos || release.find("prerelease") != std::string::npos;
  return jsonx::bool_at(block, "release_version_enabled", false) && !moving ? "release" : "";
}

std::optional<int> compare_versions(std::string_view a, std::string_view b, VersionKind kind) {
  if (a == b) return 0;
  auto left = split_version(a, kind);
  auto right = split_version(b, kind);
  if (!left || !right) return std::nullopt;
  const std::size_t size = std::max(left->numbers.size(), right->numbers.size());
  left->numbers.resize(size);
  right->numbers.resize(size);
  if (left->numbers != right->numbers) return left->numbers < right->numbers ? -1 : 1;
  return compare_suffixes(left->suffix, right->suffix);
}

bool must_install(Selector selector, std::string_view installed, std::string_view found, VersionKind kind) {
  if (selector == Selector::keep || installed == found) return false;
  if (installed.empty()) return true;
  const auto order = compare_versions(installed, found, kind);
  if (selector == Selector::exact || selector == Selector::branch) return order != 0;
  return !order || *order < 0;
}

Verdict judge(const Answer& answer, int attempt, double jitter, std::chrono::seconds patience, WallTime now,
              std::string_view what) {
  constexpr int attempts = 5;
  Verdict out;
  const bool limited = (answer.status == 403 || answer.status == 429) &&
                       (!answer.retry_after.empty() || text::trim(answer.remaining) == "0");
  if (answer.arrived && answer.status == 304) {
    out.kind = Verdict::Kind::unchanged;
  } else if (answer.arrived && answer.status < 300) {
    out.kind = Verdict::Kind::good;
  } else if (answer.arrived && limited) {
    out.wait = from_header(answer, now);
    if (out.wait <= patience && attempt < attempts) {
      out.kind = Verdict::Kind::again;
    } else {
      out.kind = Verdict::Kind::failed;
      out.error = failure(Failure::rate_limited,
                          fmt::format("{}: too many requests; to be tried again in {} s", what,
                                      std::chrono::ceil<std::chrono::seconds>(out.wait).count()));
    }
  } else if (answer.arrived && answer.status < 500) {
    out.kind = Verdict::Kind::failed;
    const bool missing = answer.status == 404 || answer.status == 410 || answer.status == 422;
    out.error = failure(missing ? Failure::release_not_found : Failure::download_failed,
                        fmt::format("{}: the server answers {}", what, answer.status));
  } else if (attempt < attempts) {
    out.kind = Verdict::Kind::again;
    const auto base = std::chrono::milliseconds(1000LL << (attempt - 1));
    out.wait = base + std::chrono::milliseconds(static_cast<std::int64_t>(jitter * 250.0));
  } else {
    out.kind = Verdict::Kind::failed;
    out.error = failure(Failure::download_failed,
                        answer.arrived ? fmt::format("{}: the server answers {}", what, answer.status)
                                       : fmt::format("{}: {}", what, answer.problem));
  }
  return out;
}

}  // namespace dumb::setup
