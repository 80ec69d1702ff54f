#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <iterator>

namespace dumb::symlinks {
namespace {

void append_optional(std::string& out, std::string_view name, const std::optional<std::string>& bytes) {
  if (bytes) return append_member(out, name, *bytes);
  out += '"';
  out += name;
  out += "\":null";
}

void append_number(std::string& out, std::string_view prefix, std::string_view name, std::int64_t number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out += ",\"";
  out += prefix;
  out += name;
  out += "\":";
  out.append(digits.data(), end);
}

void append_owner(std::string& out, const std::optional<Ownership>& owner, std::string_view prefix) {
  if (!owner) return;
  append_number(out, prefix, "uid", owner->uid);
  append_number(out, prefix, "gid", owner->gid);
  append_number(out, prefix, "mtime_ns", owner->mtime_ns);
}

void append_flag(std::string& out, std::string_view name, bool value) {
  fmt::format_to(std::back_inserter(out), "\"{}\":{}", name, value);
}

}  // namespace

std::string manifest_time(WallTime time) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::int64_t seconds = micros >= 0 ? micros / 1'000'000 : (micros - 999'999) / 1'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     micros - seconds * 1'000'000);
}

std::string snapshot_head(const Header& header) {
  std::string out = "{\"manifest_type\":\"symlink_snapshot\",\"version\":2,";
  append_member(out, "created_at", header.created_at);
  out += ',';
  append_optional(out, "process_name", header.process_name);
  out += ",\n";
  append_member(out, "roots", header.roots);
  out += ',';
  append_flag(out, "include_broken", header.include_broken);
  out += ',';
  append_flag(out, "targets_checked", header.targets_checked);
  return out += ",\n\"entries\":[\n";
}

void append_entry(std::string& out, const SnapshotEntry& entry) {
  out += '{';
  append_member(out, "link_path", entry.link_path);
  out += ',';
  append_member(out, "target", entry.target);
  out += ",\"target_exists\":";
  out += !entry.target_exists ? "null" : *entry.target_exists ? "true" : "false";
  append_owner(out, entry.owner, "");
  out += '}';
}

std::string snapshot_tail(const SnapshotTail& tail) {
  return fmt::format(
      "\n],\n\"scanned_symlinks\":{},\"recorded_entries\":{},\"skipped_broken\":{},\"errors_total\":{},"
      "\"complete\":{}}}\n",
      tail.scanned_symlinks, tail.recorded_entries, tail.skipped_broken, tail.errors_total, tail.complete);
}

std::string repair_head(const Header& header) {
  std::string out = "{\"manifest_type\":\"symlink_repair\",\"version\":2,";
  append_member(out, "created_at", header.created_at);
  out += ',';
  append_member(out, "run_id", header.run_id);
  out += ',';
  append_member(out, "operation", header.operation);
  out += ",\n";
  append_member(out, "roots", header.roots);
  out += ",\"root_migrations\":[";
  for (std::size_t i = 0; i < header.root_migrations.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    append_member(out, "from_root", header.root_migrations[i].from_root);
    out += ',';
    append_member(out, "to_root", header.root_migrations[i].to_root);
    out += '}';
  }
  return out += "],\n\"changes\":[\n";
}

void append_change(std::string& out, const Change& change) {
  out += '{';
  if (change.kind == Change::Kind::link) {
    append_member(out, "link_path", change.path);
  } else {
    append_member(out, "source_path", change.path);
    out += ',';
    append_member(out, "target_path", change.destination);
  }
  out += ',';
  append_optional(out, "old_target", change.old_target);
  out += ',';
  append_optional(out, "new_target", change.new_target);
  if (change.kind != Change::Kind::link) {
    out += change.kind == Change::Kind::move ? ",\"operation\":\"move\"," : ",\"operation\":\"copy\",";
    append_optional(out, "replaced_target", change.replaced_target);
    out += ',';
    append_flag(out, "two_step", change.two_step);
    out += ',';
    append_flag(out, "chained", change.chained);
  }
  if (change.more) out += ",\"more\":true";
  append_owner(out, change.owner, "");
  append_owner(out, change.new_owner, "new_");
  if (change.replaced_target) append_owner(out, change.replaced_owner, "replaced_");
  out += '}';
}

std::string repair_tail(const std::vector<std::string>& created_dirs) {
  std::string out = "\n],\n";
  append_member(out, "created_dirs", created_dirs);
  return out += "}\n";
}

}  // namespace dumb::symlinks
