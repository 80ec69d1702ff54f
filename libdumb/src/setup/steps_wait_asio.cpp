#include <fmt/format.h>
#include <sys/stat.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>
#include <dumb/supervisor/mounts.hpp>

#include "setup/phase_asio.hpp"
#include "setup/postgres.hpp"

/// The step wait: a probe, repeated until it succeeds or the time is up.
namespace dumb::setup {
namespace {

constexpr Seconds first_pause{0.1};
constexpr Seconds recovery_limit{600};
constexpr std::chrono::milliseconds mount_limit{2000};

struct Wait {
  std::string kind;
  std::string what;  ///< "http://… to answer", for messages
  std::filesystem::path path;
  std::string host, user, url, json_at;
  int port = 0;
  json::value accept;
  Seconds timeout{60};
  Seconds interval{1};
};

/// A probe's verdict. `busy`: it is on its way (a server in recovery) and may take longer.
enum class Probe { ready, not_ready, busy };

Result<Wait> address(Run& run, const json::object& step, Wait wait) {
  const auto member = [&](std::string_view name) -> Result<std::string> {
    const json::value* found = step.if_contains(name);
    return found == nullptr ? Result<std::string>(std::string()) : run.scope.text(*found);
  };
  const auto host = member("host");
  const auto port = member("port");
  const auto user = member("user");
  if (!host || !port || !user) return !host ? host.error() : !port ? port.error() : user.error();
  const auto number = text::to_int(*port);
  if (!number || *number < 1 || *number > 65535)
    return failure(Failure::bad_value, "port must be between 1 and 65535");
  wait.host = text::trim(*host);
  if (wait.host.empty() || wait.host == "0.0.0.0" || wait.host == "::" || wait.host == "*")
    wait.host = "127.0.0.1";
  wait.port = static_cast<int>(*number);
  wait.user = *user;
  wait.what = fmt::format("{}:{} to accept connections", wait.host, wait.port);
  return wait;
}

Result<Wait> prepare(Run& run, const json::object& step) {
  Wait wait;
  wait.kind = jsonx::string_at(step, "for");
  const auto timeout = timeout_of(run, step, Seconds(60));
  if (!timeout) return timeout.error();
  wait.timeout = *timeout;
  if (const json::value* interval = step.if_contains("interval_s")) {
    wait.interval = Seconds(std::max(0.05, text::to_double(text_of(*interval)).value_or(1)));
  }
  if (const json::value* accept = step.if_contains("accept")) wait.accept = *accept;
  wait.json_at = jsonx::string_at(step, "json_at");
  if (wait.kind == "tcp" || wait.kind == "pg") return address(run, step, std::move(wait));
  if (wait.kind == "http") {
    json::object only_url;
    only_url["url"] = step.at("url");
    const auto expanded = run.scope.expand(only_url);
    if (!expanded) return expanded.error();
    wait.url = text_of(expanded->get_object().at("url"));
    const auto url = http::parse_url(wait.url);
    if (!url) return failure(Failure::bad_value, url.error().message());
    wait.what = url->display() + " to answer";
    return wait;
  }
  if (wait.kind != "file" && wait.kind != "mount" && wait.kind != "dir") {
    return failure(Failure::bad_value, fmt::format("cannot wait for \"{}\"", wait.kind));
  }
  const auto path = run.scope.path(step.at("path"));
  if (!path) return path.error();
  wait.path = *path;
  wait.what =
      fmt::format("{} {}", wait.path.native(), wait.kind == "mount" ? "to be mounted" : "to be there");
  return wait;
}

bool file_is_there(const Wait& wait) {
  const auto text = file::read(wait.path);
  if (!text) return false;
  if (wait.json_at.empty()) return true;
  const auto document = jsonx::parse(*text);
  const auto pointer = jsonx::parse_pointer(wait.json_at);
  const json::value* found = document && pointer ? jsonx::find(*document, *pointer) : nullptr;
  return found != nullptr && !catalog::is_blank(*found);
}

bool disk_probe(const Wait& wait, Facts& facts) {
  if (wait.kind == "tcp") return facts.answers(wait.host, wait.port);
  if (wait.kind == "file") return file_is_there(wait);
  if (wait.kind == "dir") {
    struct stat info {};
    return ::stat(wait.path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }
  return supervisor::is_mounted(supervisor::read_mounts(), wait.path) &&
         supervisor::mount_answers(wait.path, mount_limit);
}

bool accepted(const Wait& wait, int status) {
  if (wait.accept.is_null()) return status >= 200 && status < 300;
  if (wait.accept.is_string()) return true;  // "any"
  if (!wait.accept.is_array()) return text::to_int(text_of(wait.accept)) == status;
  const json::array& list = wait.accept.get_array();
  return std::any_of(list.begin(), list.end(),
                     [&](const json::value& code) { return text::to_int(text_of(code)) == status; });
}

Task<Result<Probe>> pg_probe(RunPtr run, Wait wait) {
  const auto program = postgres_program(*run, "pg_isready");
  if (!program) co_return program.error();
  Tool tool;
  tool.helper = "pg_isready";
  tool.argv = {*program, "-h", wait.host, "-p", std::to_string(wait.port), "-U", wait.user, "-t", "3"};
  tool.timeout = Seconds(10);
  const auto result = co_await run_tool(run, std::move(tool));
  if (!result) {
    if (result.error().code() == make_error_code(Failure::timeout)) co_return Probe::not_ready;
    co_return result.error();
  }
  if (result->status.success()) co_return Probe::ready;
  // 1: the server refuses because it starts up or recovers; 2: no answer.
  const bool refuses = result->status.kind == supervisor::ExitStatus::Kind::code && result->status.value == 1;
  co_return refuses ? Probe::busy : Probe::not_ready;
}

Task<Result<Probe>> http_probe(Wait wait) {
  http::Request request;
  auto url = http::parse_url(wait.url);
  request.url = std::move(*url);
  const auto response = co_await http::fetch(std::move(request));
  co_return response&& accepted(wait, response->status) ? Probe::ready : Probe::not_ready;
}

Task<Result<Probe>> probe(RunPtr run, Wait wait) {
  if (wait.kind == "pg") {
    const auto verdict = co_await pg_probe(run, std::move(wait));
    co_return verdict;
  }
  if (wait.kind == "http") {
    const auto verdict = co_await http_probe(std::move(wait));
    co_return verdict;
  }
  auto look = [run, wait](const std::atomic<bool>&) { return disk_probe(wait, run->facts); };
  const bool ready = co_await offload(*run->context.workers, std::move(look));
  co_return ready ? Probe::ready : Probe::not_ready;
}

}  // namespace

Task<StepResult> step_wait(RunPtr run, json::object step) {
  auto prepare_it = [run, step](const std::atomic<bool>&) { return prepare(*run, step); };
  const auto wait = co_await offload(*run->context.workers, std::move(prepare_it));
  if (!wait) co_return wait.error();
  const auto start = std::chrono::steady_clock::now();
  // Quick looks first: most of what is waited for is there within a second.
  Seconds next = std::min(first_pause, wait->interval);
  for (;;) {
    const auto verdict = co_await probe(run, *wait);
    if (!verdict) co_return verdict.error();
    if (*verdict == Probe::ready) co_return Effect::none;
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
    const Seconds limit = *verdict == Probe::busy ? std::max(recovery_limit, wait->timeout) : wait->timeout;
    const Seconds waited = std::chrono::steady_clock::now() - start;
    if (waited >= limit) {
      co_return failure(Failure::timeout, fmt::format("waited {:.0f} s for {}", waited.count(), wait->what));
    }
    co_await pause(std::min(next, limit - waited));
    next = std::min(next * 1.5, wait->interval);
    const bool woken = co_await is_cancelled();
    if (woken) co_return failure(Failure::cancelled, "setup was cancelled");
  }
}

}  // namespace dumb::setup
