#include "link_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <vector>

namespace dumb::cli {
namespace {

constexpr std::size_t shown_items = 10;

std::int64_t count_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
  return 0;
}

const json::array& list_at(const json::object& object, std::string_view key) {
  static const json::array none;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

/// As it can be shown. A line break is a part of a name here, not the end of a line.
std::string shown(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      escaped += c;
    }
  }
  return printable(escaped);
}

std::string text_of(const json::object& object, std::string_view key) {
  return shown(jsonx::string_at(object, key));
}

std::string links(std::int64_t count) {
  return grouped(count) + (count == 1 ? " link" : " links");
}

struct Line {
  std::string_view key;
  std::string_view text;
  std::string_view of_one = {};  ///< where it differs
};

/// "  1,234  text" for every counter that is not zero.
std::string counters(const json::object& report, std::initializer_list<Line> lines) {
  std::size_t width = 0;
  for (const Line& line : lines) width = std::max(width, grouped(count_at(report, line.key)).size());
  std::string out;
  for (const Line& line : lines) {
    const std::int64_t count = count_at(report, line.key);
    const std::string_view text = count == 1 && !line.of_one.empty() ? line.of_one : line.text;
    if (count != 0) out += fmt::format("  {:>{}}  {}\n", grouped(count), width, text);
  }
  return out;
}

/// The first elements, one per line, and how many more there are.
template <class F>
std::string first_of(std::string_view title, const json::array& list, std::int64_t total, F line_of) {
  if (list.empty()) return {};
  std::string out = fmt::format("\n{}:\n", title);
  const std::size_t shown = std::min(list.size(), shown_items);
  for (std::size_t i = 0; i < shown; ++i) {
    if (list[i].is_object()) out += "  " + line_of(list[i].get_object()) + '\n';
  }
  const std::int64_t more = std::max<std::int64_t>(total, static_cast<std::int64_t>(list.size())) -
                            static_cast<std::int64_t>(shown);
  if (more > 0) out += fmt::format("  and {} more\n", grouped(more));
  return out;
}

std::string errors_text(const json::object& report, const Style& style) {
  const auto line = [&](const json::object& item) {
    std::string path = text_of(item, "link_path");
    if (path.empty()) path = text_of(item, "source_path");
    return fmt::format("{}: {}", path, style.paint(Color::red, text_of(item, "error")));
  };
  return first_of("Errors", list_at(report, "errors"), count_at(report, "errors_total"), line);
}

std::string paths_text(std::string_view title, const json::array& paths) {
  std::string out;
  for (const json::value& path : paths) {
    out += fmt::format("{}: {}\n", title, shown(jsonx::scalar_text(path)));
  }
  return out;
}

std::string warnings_text(const json::object& report, const Style& style) {
  std::string out = paths_text("not there", list_at(report, "missing_roots"));
  out += paths_text("not there", list_at(report, "missing_migration_roots"));
  out += paths_text("not entered, a mount of another kind", list_at(report, "skipped_mounts"));
  const std::string aborted = text_of(report, "aborted");
  if (!aborted.empty()) out += style.paint(Color::red, "stopped by " + aborted) + '\n';
  return out;
}

/// As one word of a command.
std::string word(const std::string& text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/._-+,:@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// The first manifest a report names that can undo or finish its run.
std::string manifest_of(const json::object& report) {
  for (const std::string_view key : {"backup_manifest", "auto_manifest", "undo_manifest"}) {
    const std::string path = jsonx::string_at(report, key);
    if (!path.empty()) return printable(word(path));
  }
  return {};
}

std::string manifest_text(const json::object& report, std::string_view options) {
  const std::string manifest = manifest_of(report);
  if (manifest.empty()) return {};
  return fmt::format("\nundo with: dumb-cli symlinks undo {} --apply{}\n", manifest, options);
}

bool is_dry(const json::object& report) {
  return jsonx::bool_at(report, "dry_run", false);
}

std::string dry_note(const json::object& report) {
  return is_dry(report) ? "\nnothing was changed; --apply does it\n" : "";
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return number < 0 ? "-" + digits : digits;
}

std::string LinkProgress::line(const json::object& progress, double now, const Style& style) {
  std::int64_t done = 0;
  std::int64_t total = 0;
  for (const std::string_view kind : {"items", "symlinks", "entries"}) {
    done += count_at(progress, fmt::format("processed_{}", kind));
    total += count_at(progress, fmt::format("total_{}", kind));
  }
  const std::string stage = text_of(progress, "stage");
  if (stage != stage_) {
    stage_ = stage;
    since_ = now;
    from_ = done;
  }
  std::string text = stage;
  if (total > 0 && stage != "collecting") {
    const double part = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
    constexpr std::size_t cells = 20;
    const auto full = static_cast<std::size_t>(std::floor(part * cells));
    text += fmt::format(" [{}{}] {:3.0f} %  {} of {}", std::string(full, '#'), std::string(cells - full, '.'),
                        std::floor(part * 100), grouped(done), grouped(total));
  } else if (done > 0) {
    text += fmt::format("  {}", links(done));
  }
  if (now - since_ >= 0.5 && done > from_) {
    text += fmt::format("  {}/s", grouped(std::llround(static_cast<double>(done - from_) / (now - since_))));
  }
  const std::int64_t errors = count_at(progress, "errors");
  if (errors > 0)
    text += fmt::format("  {}", style.paint(Color::red, fmt::format("{} errors", grouped(errors))));
  return text;
}

std::string options_text(const std::optional<std::string>& root) {
  return root ? " --local --root " + word(*root) : " --local";
}

std::string repair_text(const json::object& report, const Style& style, std::string_view options) {
  const std::string would = is_dry(report) ? "would be " : "";
  // A resumed run looks at what its manifest lists, and for nothing else.
  const bool resumed = list_at(report, "rules").empty() && count_at(report, "scanned_symlinks") == 0 &&
                       count_at(report, "skipped_unchanged") + count_at(report, "changed") +
                               count_at(report, "moved") + count_at(report, "copied") >
                           0;
  std::string out = resumed ? std::string("the rest of an interrupted run\n")
                            : fmt::format("{} seen\n", links(count_at(report, "scanned_symlinks")));
  const std::string changed = would + "changed";
  const std::string moved = would + "moved";
  const std::string copied = would + "copied";
  out += counters(report, {{"changed", changed},
                           {"moved", moved},
                           {"copied", copied},
                           {"skipped_unchanged", resumed ? "done already" : "left as they are"},
                           {"skipped_nonexistent_target", "skipped, the target is missing"},
                           {"skipped_existing_destination", "skipped, something is at the destination"},
                           {"skipped_changed_during_run", "skipped, changed by somebody else meanwhile"},
                           {"not_attempted", "not attempted"},
                           {"targets_unknown", "with a target that cannot be looked at"},
                           {"new_targets_missing", "with a new target that does not exist"},
                           {"errors_total", "errors", "error"}});
  out += warnings_text(report, style);
  out += first_of("Changes", list_at(report, "changes"), count_at(report, "changes_total"),
                  [](const json::object& change) {
                    return fmt::format("{}: {} -> {}", text_of(change, "link_path"),
                                       text_of(change, "old_target"), text_of(change, "new_target"));
                  });
  out += first_of(
      "Moves", list_at(report, "moves"), count_at(report, "moves_total"), [](const json::object& move) {
        return fmt::format("{} -> {}", text_of(move, "source_path"), text_of(move, "target_path"));
      });
  out += errors_text(report, style);
  return out + manifest_text(report, options) + dry_note(report);
}

std::string backup_text(const json::object& report, const Style& style) {
  std::string out = fmt::format("{} recorded in {}\n", links(count_at(report, "recorded_entries")),
                                text_of(report, "backup_manifest"));
  out += counters(report, {{"scanned_symlinks", "seen"},
                           {"skipped_broken", "left out, the target is missing"},
                           {"targets_unknown", "with a target that cannot be looked at"},
                           {"errors_total", "errors", "error"}});
  out += warnings_text(report, style);
  if (!jsonx::bool_at(report, "complete", true))
    out += style.paint(Color::yellow, "the snapshot is not complete") + '\n';
  return out + errors_text(report, style);
}

std::string restore_text(const json::object& report, const Style& style, std::string_view options,
                         std::string_view samples) {
  std::string out = fmt::format("{} entries in {}\n", grouped(count_at(report, "total_entries")),
                                text_of(report, "manifest_path"));
  out += counters(report, {{"restored", is_dry(report) ? "would be restored" : "restored"},
                           {"skipped_unchanged", "as they should be"},
                           {"skipped_existing", "skipped, something else is there"},
                           {"skipped_nonexistent_target", "skipped, the target is missing"},
                           {"skipped_invalid_entries", "invalid entries", "invalid entry"},
                           {"skipped_changed_during_run", "skipped, changed by somebody else meanwhile"},
                           {"not_attempted", "not attempted"},
                           {"errors_total", "errors", "error"}});
  out += warnings_text(report, style);
  out += samples;
  return out + errors_text(report, style) + manifest_text(report, options) + dry_note(report);
}

std::string samples_text(const json::object& report) {
  static constexpr std::array<std::array<std::string_view, 2>, 7> words{{{"create", "create"},
                                                                         {"overwrite", "replace"},
                                                                         {"remove", "remove"},
                                                                         {"error", "error"},
                                                                         {"skip_existing", "in the way"},
                                                                         {"skip_missing_target", "broken"},
                                                                         {"skip_unchanged", "as it is"}}};
  std::string samples;
  for (const json::value& value : list_at(report, "sample_changes")) {
    if (!value.is_object()) continue;
    const json::object& sample = value.get_object();
    std::string action = text_of(sample, "action");
    for (const auto& [name, spoken] : words) {
      if (action == name) action = spoken;
    }
    samples +=
        fmt::format("  {:<10}  {} -> {}", action, text_of(sample, "link_path"), text_of(sample, "target"));
    if (const json::value* now = sample.if_contains("current_target")) {
      samples += now->is_null() ? std::string(" (now no link)")
                                : fmt::format(" (now {})", text_of(sample, "current_target"));
    }
    samples += '\n';
  }
  return samples.empty() ? samples : "\nSamples:\n" + samples;
}

std::string compare_text(const json::object& report, const Style& style) {
  std::string out = fmt::format("{} entries in {}\n", grouped(count_at(report, "total_entries")),
                                text_of(report, "manifest_path"));
  out += counters(report, {{"projected_restored", "would be restored"},
                           {"projected_skipped_unchanged", "as they should be"},
                           {"projected_skipped_existing", "something else is there"},
                           {"projected_skipped_nonexistent_target", "the target is missing"},
                           {"projected_skipped_invalid_entries", "invalid entries", "invalid entry"},
                           {"projected_errors", "errors", "error"}});
  return out + samples_text(report) + errors_text(report, style);
}

bool is_unfinished(const json::object& report) {
  return count_at(report, "not_attempted") > 0;
}

std::string how_to_go_on(const json::object& report, std::string_view options) {
  const std::string manifest = manifest_of(report);
  if (manifest.empty()) return "interrupted; nothing was changed";
  return fmt::format(
      "interrupted; every link is old or new. Finish with: dumb-cli symlinks resume {} --apply{}", manifest,
      options);
}

bool is_good(const json::object& report) {
  const bool stopped = report.contains("aborted") && !report.at("aborted").is_null();
  return count_at(report, "errors_total") == 0 && !stopped && !is_unfinished(report) &&
         jsonx::bool_at(report, "complete", true);
}

std::string schedule_text(const json::object& status, const std::function<std::string(double)>& time,
                          const Style& style) {
  const std::string state = text_of(status, "status");
  const Color color = state == "error" ? Color::red : state == "completed" ? Color::green : Color::none;
  std::string out = fmt::format("{}: {}\n", text_of(status, "process_name"), style.paint(color, state));
  const auto line = [&](std::string_view title, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<9}  {}\n", title, text);
  };
  const auto moment = [&](std::string_view key) {
    const json::value* at = status.if_contains(key);
    return at != nullptr && at->is_number() ? time(at->to_number<double>()) : std::string();
  };
  line("message", text_of(status, "message"));
  line("next", moment("next_backup_at"));
  if (status.contains("symlink_backup_interval")) {
    line("every", fmt::format("{} h from {}", count_at(status, "symlink_backup_interval"),
                              text_of(status, "symlink_backup_start_time")));
    const std::int64_t keep = count_at(status, "symlink_backup_retention_count");
    line("keep", keep == 0 ? "all" : std::to_string(keep));
  }
  line("to", text_of(status, "symlink_backup_path"));
  line("last", moment("last_backup_at"));
  line("manifest", text_of(status, "last_backup_manifest"));
  if (status.contains("recorded_entries")) line("recorded", links(count_at(status, "recorded_entries")));
  line("held", text_of(status, "retention_held"));
  return out;
}

}  // namespace dumb::cli
