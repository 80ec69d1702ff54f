#include "run.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

#include "about.hpp"

namespace dumb::cli {
namespace {

struct ErrorReport {
  std::string error;
  std::int64_t exit_code = 0;
};
BOOST_DESCRIBE_STRUCT(ErrorReport, (), (error, exit_code))

// What was asked for may only be known from the words when they cannot be parsed.
bool asks_for_json(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--json") return true;
  }
  return false;
}

Result<http::Url> server_url(const Invocation& invocation, const Environment& environment) {
  std::string text = "http://127.0.0.1:8000";
  const auto variable = environment.find("DUMB_URL");
  if (variable != environment.end() && !variable->second.empty()) text = variable->second;
  if (invocation.url) text = *invocation.url;
  if (text.find("://") == std::string::npos) text = "http://" + text;
  auto url = http::parse_url(text);
  if (!url) return Error(Trouble::usage, "the server's URL: " + url.error().message());
  return url;
}

std::shared_ptr<Access> access_to(const http::Url& url, const Environment& environment) {
  const auto token = environment.find("DUMB_TOKEN");
  if (token != environment.end() && !token->second.empty()) return std::make_shared<Access>(token->second);
  const auto path = auth::credentials_path({environment.begin(), environment.end()});
  if (path.empty()) return std::make_shared<Access>(std::string());
  return std::make_shared<Access>(auth::CredentialFile(path), url.display());
}

}  // namespace

void Context::report(const Error& error, std::string_view subject) const {
  std::string text = error.to_string();
  const bool named = text::fold(text).find(text::fold(subject)) != std::string::npos;
  if (!named) text = fmt::format("{}: {}", subject, text);
  if (json) {
    const ErrorReport report{text, static_cast<std::int64_t>(exit_code(error.code()))};
    system.err(jsonx::print_compact(codec::encode(report)) + '\n');
    return;
  }
  complain(text);
}

void Context::complain(std::string_view text) const {
  if (!json) system.err(fmt::format("{} {}\n", error_style.paint(Color::red, "dumb-cli:"), printable(text)));
}

void Context::note(std::string_view text) const {
  if (!json) system.err(fmt::format("dumb-cli: {}\n", printable(text)));
}

ExitCode run(const std::vector<std::string>& words, const Surroundings& system) {
  const auto invocation = parse_arguments(words);
  const ColorMode mode = invocation ? invocation->color : ColorMode::automatic;
  Context context{system, Client(system.transport, http::Url(), std::make_shared<Access>(std::string())),
                  style_for(mode, system.out_is_terminal, system.columns, system.environment),
                  style_for(mode, system.err_is_terminal, system.columns, system.environment),
                  invocation ? invocation->json : asks_for_json(words)};
  const auto fail = [&](const Error& error) {
    context.report(error);
    return exit_code(error.code());
  };
  if (!invocation) return fail(invocation.error());
  if (invocation->help) {
    system.out(invocation->command == nullptr ? help_text() : help_text(*invocation->command));
    return ExitCode::success;
  }
  if (invocation->command == nullptr) {
    system.out(fmt::format("dumb-cli {}\n", program_version()));
    return ExitCode::success;
  }
  const auto url = server_url(*invocation, system.environment);
  if (!url) return fail(url.error());
  context.client = Client(system.transport, *url, access_to(*url, system.environment));
  const auto done = invocation->command->run(context, *invocation);
  return done ? *done : fail(done.error());
}

}  // namespace dumb::cli
