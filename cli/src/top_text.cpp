#include "top_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>

#include "services.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

constexpr double busy_percent = 50;

std::string_view plural(std::int64_t count, std::string_view one, std::string_view more) {
  return count == 1 ? one : more;
}

}  // namespace

std::optional<TopOrder> parse_top_order(std::string_view text) noexcept {
  if (text == "cpu") return TopOrder::cpu;
  if (text == "memory") return TopOrder::memory;
  if (text == "name") return TopOrder::name;
  return std::nullopt;
}

void sort_usage(engine::Usage& usage, TopOrder order) {
  std::sort(usage.services.begin(), usage.services.end(),
            [order](const engine::ServiceUsage& a, const engine::ServiceUsage& b) {
              if (order == TopOrder::cpu && a.cpu_percent != b.cpu_percent)
                return a.cpu_percent > b.cpu_percent;
              if (order == TopOrder::memory && a.memory_bytes != b.memory_bytes) {
                return a.memory_bytes > b.memory_bytes;
              }
              return a.process_name < b.process_name;
            });
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(std::max<std::int64_t>(0, bytes));
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit > 0 && value < 9.95 ? 1 : 0, units[unit]);
}

std::string render_usage(const engine::Usage& usage, const Style& style) {
  const auto services = static_cast<std::int64_t>(usage.services.size());
  const engine::UsageTotals& all = usage.totals;
  std::string text = fmt::format("{} {}, {} {}, {} threads, CPU {:.1f} %, memory {}, {} open files", services,
                                 plural(services, "service", "services"), all.processes,
                                 plural(all.processes, "process", "processes"), all.threads, all.cpu_percent,
                                 bytes_text(all.memory_bytes), all.open_files);
  if (style.width > 0) text = clip(text, style.width, style);
  text = style.paint(Color::bold, text) + '\n';
  if (usage.services.empty()) return text;
  using Align = Column::Align;
  Table table;
  table.columns = {{"NAME", Align::left, 12}, {"CPU %", Align::right},    {"MEMORY", Align::right},
                   {"PID", Align::right},     {"PROCS", Align::right},    {"THREADS", Align::right},
                   {"FILES", Align::right},   {"CPU TIME", Align::right}, {"RESTARTS", Align::right},
                   {"UPTIME", Align::right}};
  for (const engine::ServiceUsage& service : usage.services) {
    const Color heat = service.cpu_percent >= busy_percent ? Color::yellow : Color::none;
    table.rows.push_back({{printable(service.process_name), Color::none},
                          {fmt::format("{:.1f}", service.cpu_percent), heat},
                          {bytes_text(service.memory_bytes), Color::none},
                          {std::to_string(service.pid), Color::none},
                          {std::to_string(service.processes), Color::none},
                          {std::to_string(service.threads), Color::none},
                          {std::to_string(service.open_files), Color::none},
                          {span_text(service.cpu_seconds), Color::none},
                          {std::to_string(service.restarts), Color::none},
                          {span_text(service.uptime_seconds), Color::none}});
  }
  return text + '\n' + render(table, style);
}

std::string screen_text(std::string_view text, std::size_t rows, const Style& style) {
  constexpr std::string_view keys = "c CPU   m memory   n name   q quit";
  std::vector<std::string> lines = text::split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  const std::size_t room = rows > 2 ? rows - 2 : lines.size();
  if (lines.size() > room) lines.resize(room);
  lines.emplace_back();
  lines.push_back(
      style.paint(Color::dim, style.width > 0 ? clip(keys, style.width, style) : std::string(keys)));
  // From the upper left corner; each line clears what stood behind it, the last one what stood below.
  return "\x1b[H" + text::join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J";
}

}  // namespace dumb::cli
