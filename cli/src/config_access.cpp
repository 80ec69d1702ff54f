#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/config/secrets.hpp>
#include <dumb/config/snapshot.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "settings.hpp"

namespace dumb::cli {
namespace {

/// Answer of `config set`.
struct SetReport {
  std::string setting;
  std::string status;
  std::optional<std::string> process_name;
  bool saved = true;
};
BOOST_DESCRIBE_STRUCT(SetReport, (), (setting, status, process_name, saved))

Result<json::object> document_of(const Client& client, const Query& query = {}) {
  auto answer = client.get("/config", query);
  if (!answer) return answer.error();
  if (!answer->is_object())
    return Error(Trouble::strange_answer, "the server's configuration is not an object");
  return answer->get_object();
}

std::string shown(const JsonPath& path, const json::value& value) {
  if (config::is_secret(path, value)) return "***";
  const json::value safe = masked(value, path);
  return safe.is_string() ? jsonx::print_compact(safe) : jsonx::scalar_text(safe);
}

}  // namespace

Result<ExitCode> run_config_show(Context& context, const Invocation& invocation) {
  Query query;
  if (!invocation.arguments.empty()) query.emplace_back("process_name", invocation.arguments.front());
  const auto document = document_of(context.client, query);
  if (!document) return document.error();
  const json::value value(*document);
  context.print(jsonx::print(invocation.has("--reveal") ? value : masked(value, {})));
  return ExitCode::success;
}

Result<ExitCode> run_config_get(Context& context, const Invocation& invocation) {
  const auto document = document_of(context.client);
  if (!document) return document.error();
  const std::string& name = invocation.arguments.front();
  const auto path = parse_setting(name, *document);
  if (!path) return path.error();
  const json::value* found = jsonx::find(*document, *path);
  if (found == nullptr) return Error(Errc::not_found, fmt::format("there is no setting {}", name));
  const json::value value = invocation.has("--reveal") ? *found : masked(*found, *path);
  if (context.json || value.is_object() || value.is_array()) {
    context.print(jsonx::print(value));
  } else {
    context.print((value.is_null() ? "null" : jsonx::scalar_text(value)) + '\n');
  }
  return ExitCode::success;
}

Result<ExitCode> run_config_set(Context& context, const Invocation& invocation) {
  const auto document = document_of(context.client);
  if (!document) return document.error();
  const auto path = parse_setting(invocation.arguments[0], *document);
  if (!path) return path.error();
  if (path->empty()) return Error(Trouble::usage, "the whole document cannot be set; name a setting");
  const json::value* current = jsonx::find(*document, *path);
  const json::value value = typed_value(current, invocation.arguments[1]);
  const auto update = setting_update(*document, *path, value, !invocation.has("--no-save"));
  if (!update) return update.error();
  const auto answer = context.client.post("/config", codec::encode(*update));
  if (!answer) return answer.error();
  SetReport report{setting_name(*path), {}, update->process_name, update->persist};
  if (const auto* object = answer->if_object()) report.status = jsonx::string_at(*object, "status");
  if (context.json) {
    context.print(jsonx::print(codec::encode(report)));
    return ExitCode::success;
  }
  const std::string before = current == nullptr ? "not set" : shown(*path, *current);
  context.print(fmt::format("{}: {} -> {}{}\n", printable(report.setting), printable(before),
                            printable(shown(*path, value)), update->persist ? "" : " (not saved)"));
  return ExitCode::success;
}

}  // namespace dumb::cli
