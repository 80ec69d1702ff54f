#include "supervisor/record.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <map>
#include <set>
#include <utility>

namespace dumb::supervisor {
namespace {

constexpr std::string_view mark_name = "DUMB_UNIT=";

bool is_variable(std::string_view entry) {
  const std::size_t equals = entry.find('=');
  if (equals == 0 || equals == std::string_view::npos) return false;
  return std::all_of(entry.begin(), entry.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

/// Whether the process is the recorded one.
bool is_recorded(const ChildRecord& record, const Candidate& process) {
  if (record.pid != process.pid || record.start_ticks != process.start_ticks) return false;
  if (process.seen.mark) return process.seen.mark->text == record.mark;
  if (!process.seen.legible) return true;
  const std::string stem = file_stem(record.process_name, record.number);
  return std::any_of(process.streams.begin(), process.streams.end(), [&](const std::string& stream) {
    return stream == stem + ".out" || stream == stem + ".err";
  });
}

ChildRecord record_of(const Candidate& process, std::string_view boot) {
  ChildRecord record;
  record.boot = std::string(boot);
  record.root = process.seen.mark->root;
  record.process_name = process.seen.mark->process_name;
  record.number = process.seen.mark->number;
  record.mark = process.seen.mark->text;
  record.pid = process.pid;
  record.start_ticks = process.start_ticks;
  return record;
}

}  // namespace

std::string print_record(const ChildRecord& record) {
  return jsonx::print(codec::encode(record));
}

Result<ChildRecord> parse_record(std::string_view text) {
  const auto document = jsonx::parse(text);
  if (!document) return document.error();
  ChildRecord record;
  codec::Faults faults;
  if (!document->is_object() || !codec::decode(*document, {}, faults, record)) {
    return Error(Errc::invalid_argument, "is no state file");
  }
  const auto mark = parse_mark(record.mark);
  const bool sane = record.version == ChildRecord::current_version && record.pid > 1 && record.number > 0 &&
                    record.start_ticks > 0 && mark && mark->number == record.number &&
                    mark->process_name == record.process_name && mark->root == record.root;
  if (!sane) return Error(Errc::invalid_argument, "is no state file of this version");
  return record;
}

std::string make_mark(std::string_view root, std::int64_t supervisor, std::int64_t number,
                      std::string_view process_name) {
  return std::string(mark_name) + std::string(root) + "-" + std::to_string(supervisor) + "-" +
         std::to_string(number) + ":" + std::string(process_name);
}

std::optional<Mark> parse_mark(std::string_view variable) {
  if (!variable.starts_with(mark_name)) return std::nullopt;
  const std::string_view value = variable.substr(mark_name.size());
  const std::size_t colon = value.find(':');
  if (colon == std::string_view::npos || colon + 1 == value.size()) return std::nullopt;
  const std::vector<std::string> parts = text::split(value.substr(0, colon), '-');
  if (parts.size() != 3 || parts[0].empty()) return std::nullopt;
  const auto supervisor = text::to_int(parts[1]);
  const auto number = text::to_int(parts[2]);
  if (!supervisor || !number || *number <= 0) return std::nullopt;
  return Mark{std::string(variable), parts[0], *supervisor, *number, std::string(value.substr(colon + 1))};
}

MarkSeen find_mark(std::string_view environment) {
  MarkSeen seen;
  bool all = !environment.empty();
  while (!environment.empty()) {
    const std::size_t end = environment.find('\0');
    const std::string_view entry = environment.substr(0, end);
    environment.remove_prefix(end == std::string_view::npos ? environment.size() : end + 1);
    if (auto mark = parse_mark(entry)) seen.mark = std::move(mark);
    all = all && is_variable(entry);
  }
  seen.legible = all;
  return seen;
}

std::string file_stem(std::string_view process_name, std::int64_t number) {
  return text::slug(process_name) + "-" + std::to_string(number);
}

Findings match_children(const std::vector<ChildRecord>& records, const std::vector<Candidate>& candidates,
                        std::string_view boot, std::string_view root) {
  Findings findings;
  std::set<std::int64_t> taken;  // pids
  std::map<std::int64_t, Finding> by_number;
  const auto oldest = [&](std::int64_t number, std::int64_t start_ticks) {
    const Candidate* found = nullptr;
    for (const Candidate& process : candidates) {
      const auto& mark = process.seen.mark;
      if (!mark || mark->root != root || mark->number != number || taken.contains(process.pid)) continue;
      if (start_ticks != 0 && process.start_ticks != start_ticks) continue;
      if (found == nullptr || process.start_ticks < found->start_ticks) found = &process;
    }
    return found;
  };
  std::set<std::int64_t> known;  // numbers with a record that can be believed
  for (const ChildRecord& record : records) {
    if (record.root != root) {
      findings.sentences.push_back("the state file of " + record.process_name +
                                   " is of another run directory and is not believed");
      continue;
    }
    if (record.boot != boot) {
      findings.sentences.push_back("the state file of " + record.process_name +
                                   " is of another boot and is not believed");
      continue;
    }
    Finding finding{record, false, true};
    const auto same = std::find_if(candidates.begin(), candidates.end(),
                                   [&](const Candidate& process) { return is_recorded(record, process); });
    const Candidate* process = same != candidates.end() ? &*same : oldest(record.number, record.start_ticks);
    if (process != nullptr) {
      finding.alive = true;
      finding.record.pid = process->pid;
    } else if (std::any_of(candidates.begin(), candidates.end(),
                           [&](const Candidate& other) { return other.pid == record.pid; })) {
      findings.sentences.push_back("pid " + std::to_string(record.pid) + " is not " + record.process_name +
                                   " any more and is left alone");
    }
    if (process != nullptr) taken.insert(process->pid);
    known.insert(record.number);
    by_number.insert_or_assign(record.number, std::move(finding));
  }
  for (const Candidate& process : candidates) {
    const auto& mark = process.seen.mark;
    if (!mark || mark->root != root || known.contains(mark->number)) continue;
    const Candidate* leader = oldest(mark->number, 0);
    if (leader == nullptr) continue;
    known.insert(mark->number);
    taken.insert(leader->pid);
    by_number.insert_or_assign(mark->number, Finding{record_of(*leader, boot), true, false});
  }
  // Two launches of one service: the later one counts, unless only the earlier one lives.
  std::map<std::string, std::int64_t> chosen;
  for (const auto& [number, finding] : by_number) {
    const auto [before, first] = chosen.emplace(finding.record.process_name, number);
    if (first) continue;
    const Finding& other = by_number.at(before->second);
    const bool later = finding.alive || !other.alive;
    const Finding& dropped = later ? other : finding;
    if (dropped.alive) {
      findings.sentences.push_back("pid " + std::to_string(dropped.record.pid) + " is an earlier launch of " +
                                   dropped.record.process_name + " and is left alone");
    }
    if (later) before->second = number;
  }
  for (auto& [number, finding] : by_number) {
    if (chosen.at(finding.record.process_name) == number) findings.children.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace dumb::supervisor
