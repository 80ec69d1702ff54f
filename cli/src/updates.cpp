#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "log_lines.hpp"
#include "services.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

constexpr std::size_t parallel_checks = 4;
constexpr std::size_t parallel_requests = 8;

Color color_of(std::string_view status) {
  if (status == "update_available") return Color::yellow;
  if (status == "updated" || status == "no_update" || status == "scheduled") return Color::green;
  if (status == "error") return Color::red;
  return Color::dim;
}

/// A status as people say it.
std::string spoken(std::string_view status) {
  if (status == "update_available") return "update available";
  if (status == "no_update") return "up to date";
  if (status == "not_installed") return "not installed";
  return status.empty() ? "not checked" : printable(status);
}

std::string why_held(std::string_view reason) {
  if (reason == "pinned_version") return "held by pinned_version";
  if (reason == "branch") return "held by its branch";
  if (reason == "release") return "held by release_version";
  return printable(reason);
}

/// "Zurg: update available: v0.9.0 -> v0.10.0"
std::string sentence(const Context& context, const std::string& name, const json::object& answer) {
  const std::string status = jsonx::text_at(answer, "status");
  const std::string current = jsonx::text_at(answer, "current_version");
  const std::string available = jsonx::text_at(answer, "available_version");
  const std::string reason = jsonx::text_at(answer, "reason");
  std::string detail;
  if (!available.empty() && available != current) {
    detail = current.empty() ? available : current + " -> " + available;
  } else {
    detail = current;
  }
  if (const std::string message = jsonx::text_at(answer, "message"); !message.empty())
    detail += (detail.empty() ? "" : "; ") + message;
  std::string text =
      fmt::format("{}: {}", printable(name), context.style.paint(color_of(status), spoken(status)));
  if (!detail.empty()) text += ": " + printable(detail);
  if (!reason.empty() && status == "blocked") text += fmt::format(" ({})", why_held(reason));
  return text + "\n";
}

ExitCode outcome_of(const json::object& answer) {
  const std::string status = jsonx::text_at(answer, "status");
  const bool bad = status == "error" || status == "unsupported";
  return bad ? ExitCode::failed : ExitCode::success;
}

Result<json::object> asked(const Context& context, std::string_view path, const json::object& body) {
  auto answer = context.client.post(path, json::value(body), Client::patient);
  if (!answer) return answer.error();
  if (!answer->is_object()) return Error(make_error_code(Trouble::strange_answer), "the answer is no object");
  return std::move(answer->get_object());
}

json::object body_for(const std::string& name) {
  json::object body;
  body["process_name"] = name;
  return body;
}

/// Prints what each name was answered; faults of one do not hide the others.
Result<ExitCode> tell_all(Context& context, const std::vector<std::string>& names,
                          const std::vector<Result<json::object>>& answers) {
  ExitCode code = ExitCode::success;
  json::object all;
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (answers[i]) {
      code = worst(code, outcome_of(*answers[i]));
      text += sentence(context, names[i], *answers[i]);
      all[names[i]] = *answers[i];
      continue;
    }
    if (names.size() == 1) return answers[i].error();
    code = worst(code, exit_code(answers[i].error().code()));
    context.complain(names[i] + ": " + answers[i].error().message());
    json::object fault;
    fault["status"] = "error";
    fault["message"] = answers[i].error().message();
    all[names[i]] = std::move(fault);
  }
  context.print(context.json ? jsonx::print(all) : text);
  return code;
}

/// The services that can be updated at all, in the order of the configuration.
Result<std::vector<engine::ProcessDetail>> updatable(const Context& context, bool disabled_too) {
  const auto list = context.client.get_as<engine::ProcessList>("/process/processes");
  if (!list) return list.error();
  std::vector<std::string> names;
  for (const engine::ProcessEntry& entry : list->processes) {
    if (entry.enabled || disabled_too) names.push_back(entry.process_name);
  }
  std::vector<Result<engine::ProcessDetail>> details(names.size(), engine::ProcessDetail());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < names.size(); ++i) {
    tasks.emplace_back([&, i] {
      details[i] = context.client.get_as<engine::ProcessDetail>("/process", {{"process_name", names[i]}});
    });
  }
  context.system.concurrently(std::move(tasks), parallel_requests, [] {});
  std::vector<engine::ProcessDetail> out;
  for (Result<engine::ProcessDetail>& detail : details) {
    if (!detail) {
      // Else it has been removed since the list was made.
      if (exit_code(detail.error().code()) != ExitCode::unknown_name) return detail.error();
    } else if (detail->supports_manual_update) {
      out.push_back(std::move(*detail));
    }
  }
  return out;
}

std::string moment(const Context& context, const json::object& status, std::string_view member) {
  const json::value* at = status.if_contains(member);
  return at != nullptr && at->is_number() ? context.system.local_time(at->to_number<double>())
                                          : std::string();
}

Cell or_dash(std::string text, Color color = Color::none) {
  if (text.empty()) return {"-", Color::dim};
  return {printable(text), color};
}

}  // namespace

Result<ExitCode> run_update_list(Context& context, const Invocation& invocation) {
  const auto entries = updatable(context, invocation.has("--all"));
  if (!entries) return entries.error();
  if (context.json) {
    json::object all;
    for (const engine::ProcessDetail& entry : *entries)
      all[entry.process_name] = entry.update_status ? json::value(*entry.update_status) : json::value();
    context.print(jsonx::print(all));
    return ExitCode::success;
  }
  if (entries->empty()) {
    context.note("no service can be updated");
    return ExitCode::success;
  }
  Table table;
  table.columns = {
      {"NAME", Column::Align::left, 20}, {"VERSION"}, {"STATUS"}, {"AVAILABLE"}, {"CHECKED"}, {"NEXT CHECK"}};
  for (const engine::ProcessDetail& entry : *entries) {
    const json::object status = entry.update_status.value_or(json::object());
    const std::string state = jsonx::text_at(status, "status");
    table.rows.push_back({{printable(entry.process_name)},
                          or_dash(entry.version.value_or("")),
                          {spoken(state), color_of(state)},
                          or_dash(jsonx::text_at(status, "available_version")),
                          or_dash(moment(context, status, "checked_at")),
                          or_dash(moment(context, status, "next_check_at"))});
  }
  context.print(render(table, context.style));
  return ExitCode::success;
}

Result<ExitCode> run_update_check(Context& context, const Invocation& invocation) {
  std::vector<std::string> names = invocation.arguments;
  if (names.empty()) {
    const auto entries = updatable(context, false);
    if (!entries) return entries.error();
    for (const engine::ProcessDetail& entry : *entries) names.push_back(entry.process_name);
  }
  std::vector<Result<json::object>> answers(names.size(), json::object());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < names.size(); ++i) {
    tasks.emplace_back([&, i] {
      json::object body = body_for(names[i]);
      if (invocation.has("--force")) body["force"] = true;
      answers[i] = asked(context, "/process/update-check", body);
    });
  }
  context.system.concurrently(std::move(tasks), parallel_checks, [] {});
  return tell_all(context, names, answers);
}

Result<ExitCode> run_update_install(Context& context, const Invocation& invocation) {
  const std::string channel = invocation.value("--channel").value_or("");
  if (!channel.empty() && channel != "nightly" && channel != "prerelease")
    return Error(make_error_code(Trouble::usage), "--channel must be nightly or prerelease, got " + channel);
  std::vector<Result<json::object>> answers;
  ExitCode held = ExitCode::success;
  for (const std::string& name : invocation.arguments) {
    json::object body = body_for(name);
    if (invocation.has("--override")) body["allow_override"] = true;
    if (!channel.empty()) body["target"] = channel;
    answers.push_back(asked(context, "/process/update-install", body));
    if (answers.back() && jsonx::text_at(*answers.back(), "status") == "blocked") held = ExitCode::failed;
  }
  const auto told = tell_all(context, invocation.arguments, answers);
  if (!told) return told;
  return worst(*told, held);
}

Result<ExitCode> run_update_schedule(Context& context, const Invocation& invocation) {
  const std::string& name = invocation.arguments.front();
  const auto answer = asked(context, "/process/auto-update/reschedule", body_for(name));
  if (!answer) return answer.error();
  const auto status = context.client.get("/process/update-status", {{"process_name", name}});
  if (!status) return status.error();
  if (context.json) {
    context.print(jsonx::print(*status));
    return ExitCode::success;
  }
  const json::value* found = jsonx::find(*status, {"update_status"});
  const json::object stored = found != nullptr && found->is_object() ? found->get_object() : json::object();
  const std::string next = moment(context, stored, "next_check_at");
  const std::string text = next.empty() ? "is not updated by itself; see auto_update in its settings"
                                        : "is checked next at " + next;
  context.print(fmt::format("{} {}\n", printable(name), text));
  return ExitCode::success;
}

}  // namespace dumb::cli
