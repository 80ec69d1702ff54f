#include "dependency_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <dumb/base/text.hpp>

namespace dumb::cli {
namespace {

using graph::Reason;
using graph::Signal;

// "A", "A and B", "A, B and C".
std::string enumeration(const std::vector<std::string>& names) {
  if (names.size() < 2) return text::join(names, "");
  const std::vector<std::string> first(names.begin(), names.end() - 1);
  return fmt::format("{} and {}", text::join(first, ", "), names.back());
}

std::string_view reason_words(Reason reason) noexcept {
  switch (reason) {
    case Reason::missing:
      return "which is not there";
    case Reason::disabled:
      return "which is not enabled";
    case Reason::unresolved:
      return "which no service provides";
    case Reason::invalid:
      return "which is no valid URL";
    case Reason::external:
      return "which is on another host";
  }
  return {};
}

std::string_view kind_words(Signal signal) noexcept {
  switch (signal) {
    case Signal::wait_for_url:
      return "waits for the URL of ";
    case Signal::wait_for_dir:
      return "waits for the directory ";
    case Signal::wait_for_mounts:
      return "waits for the mount ";
    default:
      return "needs ";
  }
}

}  // namespace

std::string_view signal_words(Signal signal) noexcept {
  switch (signal) {
    case Signal::core_service_map:
    case Signal::non_core_dependency_map:
      return "needs it";
    case Signal::core_service_fields:
      return "core service";
    case Signal::wait_for_url:
      return "URL";
    case Signal::wait_for_dir:
      return "directory";
    case Signal::wait_for_mounts:
      return "mount";
    case Signal::rclone_provider_zurg:
    case Signal::rclone_provider_decypharr:
    case Signal::rclone_provider_nzbdav:
      return "provider";
    case Signal::zilean_optional_integration:
    case Signal::documented_integration:
      return "can use it";
    case Signal::conditional_startup_map:
      return "starts after it";
    case Signal::depends_on:
      return "depends_on";
  }
  return {};
}

std::string signals_text(const std::vector<Signal>& signals) {
  std::vector<std::string> words;
  for (const Signal signal : signals) {
    std::string word(signal_words(signal));
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(std::move(word));
  }
  return text::join(words, ", ");
}

std::string_view condition_words(const std::optional<graph::Condition>& condition) {
  if (condition == graph::Condition::healthy) return ", must be healthy";
  if (condition == graph::Condition::completed_successfully) return ", must have ended well";
  return "";
}

std::string cycle_sentence(const graph::Cycle& cycle) {
  std::string out = fmt::format("{} wait for each other ({})", enumeration(cycle.members), cycle.message);
  std::vector<std::string> relaxed;
  for (const graph::RelaxedEdge& edge : cycle.relaxed_edges)
    relaxed.push_back(fmt::format("{} does not wait for {}", edge.source, edge.target));
  if (!relaxed.empty()) out += "; to break it, " + enumeration(relaxed);
  if (!cycle.resolved) out += "; they start together";
  return out;
}

std::string missing_sentence(const graph::Missing& missing) {
  const std::string what =
      missing.signal == Signal::wait_for_url && text::to_int(missing.reference) ? "port " : "";
  return fmt::format("{} {}{}{}, {}", missing.process_name, kind_words(missing.signal), what,
                     missing.reference, reason_words(missing.reason));
}

}  // namespace dumb::cli
