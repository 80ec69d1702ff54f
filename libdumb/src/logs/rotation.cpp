#include "logs/rotation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <dumb/base/text.hpp>
#include <set>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

/// A rotated file of the log in question.
struct Rotated {
  Date date;
  int index = 0;  ///< 0: a dated active file of an earlier day, left by a run that ended before midnight
  std::string name;
};

/// "2026-02-03" at the start of `text`.
std::optional<Date> parse_date(std::string_view text) {
  static constexpr std::string_view shape = "0000-00-00";
  if (text.size() < shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '0' ? !is_digit(text[i]) : text[i] != '-') return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t length) {
    return static_cast<int>(text::to_int(text.substr(at, length)).value_or(0));
  };
  const Date date{number(0, 4), number(5, 2), number(8, 2)};
  if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31) return std::nullopt;
  return date;
}

/// Days since 1970.
int day_number(const Date& date) {
  const std::chrono::year_month_day day(std::chrono::year(date.year),
                                        std::chrono::month(static_cast<unsigned>(date.month)),
                                        std::chrono::day(static_cast<unsigned>(date.day)));
  return static_cast<int>(std::chrono::sys_days(day).time_since_epoch().count());
}

std::string rotated_name(std::string_view stem, const Date& date, int index) {
  return fmt::format("{}-{}_{}.log", stem, date.to_string(), index);
}

/// Reads `name` as a rotated file of `active`.
std::optional<Rotated> parse_rotated(std::string_view name, const LogName& active) {
  if (!name.starts_with(active.stem)) return std::nullopt;
  std::string_view rest = name.substr(active.stem.size());
  if (!rest.starts_with('-')) return std::nullopt;
  rest.remove_prefix(1);
  const auto date = parse_date(rest);
  if (!date) return std::nullopt;
  rest.remove_prefix(10);
  if (rest.starts_with('_') && rest.ends_with(".log")) {
    const std::string_view digits = rest.substr(1, rest.size() - 5);
    const bool plain =
        !digits.empty() && digits.size() < 9 && std::all_of(digits.begin(), digits.end(), is_digit);
    const int index = plain ? static_cast<int>(text::to_int(digits).value_or(0)) : 0;
    if (index >= 1) return Rotated{*date, index, std::string(name)};
    return std::nullopt;
  }
  if (active.date && *date != *active.date && rest == active.extension)
    return Rotated{*date, 0, std::string(name)};
  return std::nullopt;
}

/// All rotated files, newest first.
std::vector<Rotated> rotated_files(const std::vector<std::string>& listing, const LogName& active) {
  std::vector<Rotated> files;
  for (const std::string& name : listing) {
    if (auto file = parse_rotated(name, active)) files.push_back(std::move(*file));
  }
  std::sort(files.begin(), files.end(), [](const Rotated& a, const Rotated& b) {
    return a.date != b.date ? b.date < a.date : a.index < b.index;
  });
  return files;
}

}  // namespace

std::string LogName::to_string() const {
  return date ? fmt::format("{}-{}{}", stem, date->to_string(), extension) : stem + extension;
}

LogName parse_log_name(std::string_view name) {
  LogName out;
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && dot > 0) out.extension = name.substr(dot);
  std::string_view stem = name.substr(0, name.size() - out.extension.size());
  if (stem.size() > 11 && stem[stem.size() - 11] == '-') out.date = parse_date(stem.substr(stem.size() - 10));
  if (out.date) stem.remove_suffix(11);
  out.stem = stem;
  return out;
}

RotationPlan plan_rotation(const std::vector<std::string>& listing, std::string_view active,
                           const Date& today, int keep) {
  const LogName name = parse_log_name(active);
  const Date date = name.date.value_or(today);
  RotationPlan plan;
  LogName next = name;
  if (next.date) next.date = today;
  plan.active = next.to_string();
  std::vector<Rotated> files = rotated_files(listing, name);
  if (keep <= 0) {
    for (Rotated& file : files) plan.removals.push_back(std::move(file.name));
    plan.removals.emplace_back(active);
    return plan;
  }
  // The files of the same date in an unbroken row from _1 on move up by one to make room.
  std::set<int> taken;
  for (const Rotated& file : files) {
    if (file.date == date) taken.insert(file.index);
  }
  int row = 1;
  while (taken.contains(row)) ++row;
  // Retention as it will be afterwards: the active file comes first among those of its date.
  const auto position =
      std::find_if(files.begin(), files.end(), [&](const Rotated& file) { return !(date < file.date); });
  std::size_t rank = 0;
  std::set<std::string> removed;
  const auto visit = [&](const std::string& file) {
    if (rank++ >= static_cast<std::size_t>(keep)) {
      removed.insert(file);
      plan.removals.push_back(file);
    }
  };
  for (auto file = files.begin(); file != files.end(); ++file) {
    if (file == position) visit(std::string(active));
    visit(file->name);
  }
  if (position == files.end()) visit(std::string(active));
  for (int index = row - 1; index >= 1; --index) {
    std::string from = rotated_name(name.stem, date, index);
    if (!removed.contains(from))
      plan.renames.push_back({std::move(from), rotated_name(name.stem, date, index + 1)});
  }
  if (!removed.contains(std::string(active))) {
    plan.renames.push_back({std::string(active), rotated_name(name.stem, date, 1)});
  }
  return plan;
}

std::vector<std::string> plan_pruning(const std::vector<std::string>& listing, std::string_view active,
                                      int keep) {
  std::vector<Rotated> files = rotated_files(listing, parse_log_name(active));
  std::vector<std::string> removals;
  for (std::size_t i = static_cast<std::size_t>(std::max(keep, 0)); i < files.size(); ++i) {
    removals.push_back(std::move(files[i].name));
  }
  return removals;
}

std::vector<std::string> list_rotated(const std::vector<std::string>& listing, std::string_view active) {
  std::vector<std::string> names;
  for (Rotated& file : rotated_files(listing, parse_log_name(active))) names.push_back(std::move(file.name));
  return names;
}

std::vector<std::string> plan_expiry(const std::vector<std::string>& listing, std::string_view active,
                                     const Date& today, int days) {
  std::vector<std::string> removals;
  if (days <= 0) return removals;
  for (Rotated& file : rotated_files(listing, parse_log_name(active))) {
    if (day_number(today) - day_number(file.date) > days) removals.push_back(std::move(file.name));
  }
  return removals;
}

bool must_rotate(const Date& opened, const Date& today, std::uint64_t size, std::uint64_t bytes,
                 std::uint64_t limit) {
  if (opened != today) return true;
  return limit != 0 && size != 0 && size + bytes >= limit;
}

}  // namespace dumb::logs
