#include "about.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/engine/types.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

struct VersionReport {
  std::string client;
  std::optional<std::string> server;
  std::string url;
};
BOOST_DESCRIBE_STRUCT(VersionReport, (), (client, server, url))

}  // namespace

std::string_view program_version() noexcept {
  return DUMB_VERSION_STRING;
}

Result<ExitCode> run_version(Context& context, const Invocation&) {
  VersionReport report{std::string(program_version()), {}, context.client.display()};
  const auto list = context.client.get_as<engine::ProcessList>("/process/processes");
  if (list) {
    for (const engine::ProcessEntry& entry : list->processes) {
      if (entry.config_key == "dumb_api_service") report.server = entry.version;
    }
  }
  if (context.json) {
    context.print(jsonx::print(codec::encode(report)));
  } else {
    std::string text = fmt::format("dumb-cli    {}\n", report.client);
    if (list)
      text += fmt::format("dumb-server {} at {}\n", printable(report.server.value_or("?")), report.url);
    context.print(text);
  }
  if (!list) return list.error();
  return ExitCode::success;
}

Result<ExitCode> run_capabilities(Context& context, const Invocation&) {
  const auto answer = context.client.get("/process/capabilities");
  if (!answer) return answer.error();
  const auto* flags = answer->if_object();
  if (flags == nullptr) return Error(Trouble::strange_answer, "the server's capabilities are not an object");
  if (context.json) {
    context.print(jsonx::print(*answer));
    return ExitCode::success;
  }
  Table table{{{"CAPABILITY"}, {"AVAILABLE"}}, {}};
  for (const auto& [name, value] : *flags) {
    const bool yes = value.is_bool() && value.get_bool();
    table.rows.push_back({{printable({name.data(), name.size()})},
                          {value.is_bool() ? (yes ? "yes" : "no") : printable(jsonx::scalar_text(value)),
                           yes ? Color::green : Color::dim}});
  }
  context.print(render(table, context.style));
  return ExitCode::success;
}

}  // namespace dumb::cli
