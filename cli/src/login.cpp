// Logging in and out.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/auth/service.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "style.hpp"

namespace dumb::cli {
namespace {

struct LoginBody {
  std::string username;
  std::string password;
};

Result<std::string> ask_for(const Context& context, std::string_view prompt, Echo echo) {
  auto line = context.system.ask(prompt, echo);
  if (!line || line->empty()) return Error(Trouble::usage, "login: nothing was typed");
  return std::move(*line);
}

Result<LoginBody> ask_who(const Context& context, const Invocation& invocation) {
  LoginBody body;
  if (!invocation.arguments.empty()) body.username = invocation.arguments.front();
  if (invocation.has("--password-stdin")) {
    if (body.username.empty()) return Error(Trouble::usage, "login: --password-stdin needs a USER");
    auto text = context.system.input();
    if (!text) return text.error();
    body.password = text->substr(0, text->find('\n'));
    return body;
  }
  if (!context.system.in_is_terminal)
    return Error(Trouble::usage, "login: there is no terminal to ask on; use --password-stdin");
  if (body.username.empty()) {
    auto name = ask_for(context, "User: ", Echo::shown);
    if (!name) return name.error();
    body.username = std::move(*name);
  }
  auto password = ask_for(context, "Password: ", Echo::hidden);
  if (!password) return password.error();
  body.password = std::move(*password);
  return body;
}

}  // namespace

Result<ExitCode> run_login(Context& context, const Invocation& invocation) {
  const auto who = ask_who(context, invocation);
  if (!who) return who.error();
  json::object body;
  body["username"] = who->username;
  body["password"] = who->password;
  const auto tokens = context.client.post_as<auth::TokenPair>("/auth/login", body);
  if (!tokens) return tokens.error();
  Access& access = context.client.access();
  const auto kept = access.keep({tokens->access_token, tokens->refresh_token});
  if (!kept) return kept.error();
  context.note(fmt::format("logged in to {} as {}; tokens are in {}", context.client.display(), who->username,
                           access.place()));
  return ExitCode::success;
}

Result<ExitCode> run_logout(Context& context, const Invocation&) {
  const auto forgotten = context.client.access().forget();
  if (!forgotten) return forgotten.error();
  context.note(*forgotten ? fmt::format("logged out of {}", context.client.display())
                          : fmt::format("there was no login to {}", context.client.display()));
  return ExitCode::success;
}

}  // namespace dumb::cli
