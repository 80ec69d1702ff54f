#include "onboard_text.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "exit_code.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

std::string port_lines(const std::vector<onboarding::PortChangeEntry>& changes) {
  std::string out;
  for (const auto& change : changes) {
    out += fmt::format("  {} of {} is taken: {} becomes {}\n", printable(change.field),
                       printable(change.process_name), change.from, change.to);
  }
  return out;
}

std::string warning_lines(const std::vector<onboarding::WarningEntry>& warnings, const Style& style) {
  std::string out;
  for (const auto& entry : warnings) {
    out += fmt::format("{} {}: {}\n", style.paint(Color::yellow, "warning:"), printable(entry.service),
                       printable(entry.warning));
  }
  return out;
}

}  // namespace

Result<void> add_option(std::string_view text, json::object& groups) {
  const std::size_t equal = text.find('=');
  const std::size_t dot = text.substr(0, equal).rfind('.');
  if (equal == std::string_view::npos || dot == std::string_view::npos || dot == 0 || dot + 1 == equal) {
    return Error(Trouble::usage,
                 fmt::format("--option must be SERVICE.SETTING=VALUE, got '{}'", text.substr(0, equal)));
  }
  const std::string_view value = text.substr(equal + 1);
  auto parsed = jsonx::parse(value);
  json::value& group = groups[text.substr(0, dot)];
  if (!group.is_object()) group = json::object();
  group.get_object()[text.substr(dot + 1, equal - dot - 1)] =
      parsed ? std::move(*parsed) : json::value(json::string(value));
  return {};
}

std::string plan_text(const onboarding::PlanReply& plan, const Style& style) {
  std::string out;
  std::size_t number = 0;
  for (const onboarding::PlannedStep& step : plan.steps) {
    const bool keep = step.action == "keep";
    const std::string action = keep ? "runs" : step.action;
    out += fmt::format("{:>3}. {:<8}{}  {}\n", ++number,
                       style.paint(keep ? Color::dim : Color::green, fmt::format("{:<7}", action)),
                       printable(step.process_name),
                       style.paint(Color::dim, fmt::format("({})", printable(step.service))));
  }
  if (plan.steps.empty()) out += "nothing to start\n";
  if (plan.changes.empty()) {
    out += "The configuration stays as it is.\n";
  } else {
    out += fmt::format("{} {} of the configuration:\n", plan.changes.size(),
                       plan.changes.size() == 1 ? "change" : "changes");
    for (const std::string& place : plan.changes) out += "  " + printable(place) + "\n";
  }
  out += port_lines(plan.port_changes);
  out += warning_lines(plan.warnings, style);
  return out;
}

std::string reply_text(const onboarding::Reply& reply, const Style& style) {
  std::string out;
  for (const onboarding::ResultEntry& entry : reply.results) {
    out += fmt::format(
        "{}: {}\n", printable(entry.service),
        style.paint(entry.status == "started" ? Color::green : Color::yellow, printable(entry.status)));
  }
  return out + port_lines(reply.port_changes) + warning_lines(reply.warnings, style);
}

std::string failure_text(const onboarding::ErrorEntry& entry) {
  std::string out =
      fmt::format("{}: {} (stage: {}", entry.service, entry.error, codec::enum_name(entry.stage));
  if (!entry.not_started.empty()) out += "; not started: " + text::join(entry.not_started, ", ");
  return out + ")";
}

std::string core_table(const onboarding::CoreServiceList& list, const Style& style) {
  Table table;
  table.columns = {{"KEY"},
                   {"NAME", Column::Align::left, 8},
                   {"NEEDS", Column::Align::left, 8},
                   {"PROVIDERS", Column::Align::left, 8}};
  for (const onboarding::CoreService& service : list.core_services) {
    table.rows.push_back({{service.key},
                          {service.name},
                          {text::join(service.dependencies, ", ")},
                          {text::join(service.debrid_providers, ", ")}});
  }
  return render(table, style);
}

std::string optional_table(const onboarding::OptionalServiceList& list, const Style& style) {
  Table table;
  table.columns = {{"KEY"}, {"NAME", Column::Align::left, 8}, {"WHAT IT IS", Column::Align::left, 12}};
  for (const onboarding::OptionalService& service : list.optional_services) {
    table.rows.push_back(
        {{service.key}, {service.name}, {service.description.substr(0, service.description.find('\n'))}});
  }
  return render(table, style);
}

std::string service_page(std::string_view name, std::string_view description, const json::object& groups,
                         const json::object& descriptions, const Style& style) {
  std::string out = style.paint(Color::bold, printable(name)) + "\n";
  for (const std::string& line : text::split(description, '\n')) {
    if (!line.empty()) out += printable(line) + "\n";
  }
  for (const auto& [group, options] : groups) {
    out += fmt::format("\n{}\n", style.paint(Color::bold, printable(std::string_view(group))));
    const json::value* texts = descriptions.if_contains(group);
    Table table;
    table.columns = {
        {"SETTING"}, {"DEFAULT", Column::Align::left, 8}, {"WHAT IT IS", Column::Align::left, 12}};
    for (const auto& [field, value] : options.as_object()) {
      const bool told = texts != nullptr && texts->is_object();
      table.rows.push_back({{std::string(field)},
                            {jsonx::scalar_text(value)},
                            {told ? jsonx::string_at(texts->get_object(), field) : std::string()}});
    }
    out += render(table, style);
  }
  return out;
}

}  // namespace dumb::cli
