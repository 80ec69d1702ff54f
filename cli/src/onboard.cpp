#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <utility>

#include "commands.hpp"
#include "context.hpp"
#include "onboard_text.hpp"
#include "services.hpp"

namespace dumb::cli {
namespace {

constexpr const char* key_variable = "DUMB_DEBRID_KEY";

Error usage_error(std::string message) {
  return {Trouble::usage, std::move(message)};
}

/// A file of the machine, or standard input for "-".
Result<std::string> read_source(const Context& context, const std::string& name) {
  return name == "-" ? context.system.input() : file::read(name);
}

Result<onboarding::Request> request_of_file(const Context& context, const std::string& name) {
  const auto text = read_source(context, name);
  if (!text) return text.error();
  const auto body = jsonx::parse(*text);
  if (!body) return Error(body.error().code(), body.error().message(), name);
  codec::Faults faults;
  onboarding::Request request = onboarding::read_request(*body, faults);
  if (!faults.empty()) return Error(Errc::invalid_argument, codec::to_problems(faults), name);
  return request;
}

/// Lines of a key file; keys never stand on a command line, which everybody can read.
Result<std::vector<std::string>> keys_of(const Context& context, const Invocation& invocation) {
  std::string text;
  if (const auto name = invocation.value("--key-file")) {
    const auto read = read_source(context, *name);
    if (!read) return read.error();
    text = *read;
  } else if (const auto found = context.system.environment.find(key_variable);
             found != context.system.environment.end()) {
    text = found->second;
  }
  std::vector<std::string> keys;
  for (const std::string& line : text::split(text, '\n')) {
    if (!text::blank(line)) keys.emplace_back(text::trim(line));
  }
  return keys;
}

const onboarding::CoreService* find_service(const onboarding::CoreServiceList& list, std::string_view name) {
  for (const onboarding::CoreService& service : list.core_services) {
    if (text::iequals(service.key, text::trim(name)) || text::iequals(service.name, text::trim(name)))
      return &service;
  }
  return nullptr;
}

bool may_ask(const Context& context) {
  return context.system.in_is_terminal && context.system.out_is_terminal && !context.json;
}

/// Makes the request of what was given and, on a terminal, of what the user answers.
class Interview {
 public:
  Interview(Context& context, const Invocation& invocation) : context_(context), invocation_(invocation) {}

  Result<onboarding::Request> run() {
    if (const auto name = invocation_.value("--file")) return request_of_file(context_, *name);
    onboarding::Request request;
    request.optional_services = invocation_.values("--with");
    std::vector<std::string> names = invocation_.arguments;
    if (names.empty() && request.optional_services.empty()) {
      if (!may_ask(context_)) return usage_error("onboard: name a service, or give --with or --file");
      auto asked = ask_names();
      if (!asked) return asked.error();
      names = std::move(*asked);
    }
    if (invocation_.has("--instance") && names.size() != 1)
      return usage_error("onboard: --instance goes with one service");
    auto listed = context_.client.get_as<onboarding::CoreServiceList>("/process/core-services");
    if (!listed) return listed.error();
    const auto keys = keys_of(context_, invocation_);
    if (!keys) return keys.error();
    for (const std::string& name : names) {
      auto core = core_of(name, find_service(*listed, name), *keys);
      if (!core) return core.error();
      request.core_services.push_back(std::move(*core));
    }
    if (names.empty()) {
      for (const std::string& text : invocation_.values("--option")) {
        if (auto added = add_option(text, request.optional_service_options); !added) return added.error();
      }
    }
    return request;
  }

 private:
  Result<std::vector<std::string>> ask_names() {
    const auto list = context_.client.get_as<onboarding::CoreServiceList>("/process/core-services");
    if (!list) return list.error();
    context_.print(core_table(*list, context_.style));
    const auto answer = context_.system.ask("Services, separated by commas: ", Echo::shown);
    std::vector<std::string> names;
    for (const std::string& name : text::split(answer.value_or(""), ',')) {
      if (!text::blank(name)) names.emplace_back(text::trim(name));
    }
    if (names.empty()) return usage_error("onboard: no service was named");
    return names;
  }

  Result<onboarding::CoreRequest> core_of(const std::string& name, const onboarding::CoreService* service,
                                          const std::vector<std::string>& keys) {
    onboarding::CoreRequest core;
    core.name = name;
    core.instance_name = invocation_.value("--instance");
    for (const std::string& text : invocation_.values("--option")) {
      if (auto added = add_option(text, core.service_options); !added) return added.error();
    }
    if (service != nullptr && service->supports_instances && !core.instance_name && may_ask(context_)) {
      const auto answer = context_.system.ask(
          fmt::format("Name of the {} instance, blank: the default one: ", service->name), Echo::shown);
      if (answer && !text::blank(*answer)) core.instance_name = std::string(text::trim(*answer));
    }
    if (service == nullptr || service->debrid_providers.empty()) return core;
    core.debrid_service = invocation_.values("--provider");
    core.debrid_key = keys;
    if (core.debrid_service.empty() && (!keys.empty() || may_ask(context_)))
      core.debrid_service.push_back(ask_provider(*service));
    if (keys.empty() && may_ask(context_)) ask_keys(*service, core);
    return core;
  }

  std::string ask_provider(const onboarding::CoreService& service) {
    const std::string usual = service.debrid_providers.front();
    if (service.debrid_providers.size() == 1 || !may_ask(context_)) return usual;
    const auto answer =
        context_.system.ask(fmt::format("Debrid provider of {} ({}), blank: {}: ", service.name,
                                        text::join(service.debrid_providers, ", "), usual),
                            Echo::shown);
    return answer && !text::blank(*answer) ? std::string(text::trim(*answer)) : usual;
  }

  void ask_keys(const onboarding::CoreService& service, onboarding::CoreRequest& core) {
    for (const std::string& provider : core.debrid_service) {
      const auto answer = context_.system.ask(
          fmt::format("{} key for {}, blank: the stored one: ", printable(provider), service.name),
          Echo::hidden);
      core.debrid_key.push_back(answer.value_or(""));
    }
    const bool none = std::all_of(core.debrid_key.begin(), core.debrid_key.end(),
                                  [](const std::string& key) { return text::blank(key); });
    if (none && service.debrid_providers.size() > 1) core.debrid_service.clear();  // what is stored counts
  }

  Context& context_;
  const Invocation& invocation_;
};

/// Tells the states of the services of a plan while they are started.
class Watch {
 public:
  Watch(Context& context, const onboarding::PlanReply& plan) : context_(context) {
    for (const onboarding::PlannedStep& step : plan.steps) {
      if (step.action != "keep") pending_.push_back(step.process_name);
    }
  }
  void look() {
    if (context_.json) return;
    for (const std::string& name : pending_) {
      const auto status =
          context_.client.get_as<engine::ServiceStatus>("/process/service-status", {{"process_name", name}});
      if (!status || status->state == "stopped") continue;
      std::string text = text::replace_all(status->state, "_", " ");
      if (status->state_reason && !status->state_reason->empty()) text += " (" + *status->state_reason + ")";
      if (std::exchange(told_[name], text) == text) continue;
      context_.print(fmt::format("{}: {}\n", printable(name),
                                 context_.style.paint(state_color(status->state), printable(text))));
    }
  }

 private:
  Context& context_;
  std::vector<std::string> pending_;
  std::map<std::string, std::string> told_;
};

ExitCode tell(Context& context, const onboarding::Reply& reply) {
  const ExitCode code = reply.errors.empty() ? ExitCode::success : ExitCode::failed;
  if (context.json) {
    context.print(jsonx::print(codec::encode(reply)));
    return code;
  }
  context.print(reply_text(reply, context.style));
  for (const onboarding::ErrorEntry& entry : reply.errors) context.complain(failure_text(entry));
  return code;
}

bool agreed(Context& context, const Invocation& invocation) {
  if (invocation.has("--yes") || !may_ask(context)) return true;
  const auto answer = context.system.ask("Go on? [y/N] ", Echo::shown);
  return answer && text::to_bool(text::trim(*answer)).value_or(false);
}

}  // namespace

Result<ExitCode> run_onboard(Context& context, const Invocation& invocation) {
  const auto request = Interview(context, invocation).run();
  if (!request) return request.error();
  const json::value body = codec::encode(*request);
  const auto plan =
      context.client.post_as<onboarding::PlanReply>("/process/onboarding-plan", body, Client::patient);
  if (!plan) return plan.error();
  const bool only_plan = invocation.has("--dry-run");
  if (context.json && only_plan) context.print(jsonx::print(codec::encode(*plan)));
  if (!context.json) {
    context.print(plan_text(*plan, context.style));
    for (const onboarding::ErrorEntry& entry : plan->errors) context.complain(failure_text(entry));
  }
  if (only_plan) return plan->errors.empty() ? ExitCode::success : ExitCode::failed;
  if (!agreed(context, invocation)) return ExitCode::success;
  std::optional<Result<onboarding::Reply>> result;  // written on the other thread, read after its end
  const auto perform = [&] {
    result = context.client.post_as<onboarding::Reply>("/process/start-core-service", body, Client::patient);
  };
  Watch watch(context, *plan);
  context.system.concurrently({perform}, 1, [&] { watch.look(); });
  watch.look();
  if (!*result) return result->error();
  return tell(context, **result);
}

Result<ExitCode> run_services_core(Context& context, const Invocation&) {
  const auto list = context.client.get_as<onboarding::CoreServiceList>("/process/core-services");
  if (!list) return list.error();
  context.print(context.json ? jsonx::print(codec::encode(*list)) : core_table(*list, context.style));
  return ExitCode::success;
}

Result<ExitCode> run_services_optional(Context& context, const Invocation& invocation) {
  Query query;
  if (!invocation.arguments.empty()) query.emplace_back("core_service", invocation.arguments.front());
  const auto list =
      context.client.get_as<onboarding::OptionalServiceList>("/process/optional-services", query);
  if (!list) return list.error();
  context.print(context.json ? jsonx::print(codec::encode(*list)) : optional_table(*list, context.style));
  return ExitCode::success;
}

Result<ExitCode> run_services_show(Context& context, const Invocation& invocation) {
  const std::string& wanted = invocation.arguments.front();
  const auto cores = context.client.get_as<onboarding::CoreServiceList>("/process/core-services");
  if (!cores) return cores.error();
  if (const onboarding::CoreService* service = find_service(*cores, wanted)) {
    context.print(context.json ? jsonx::print(codec::encode(*service))
                               : service_page(service->name, service->description, service->service_options,
                                              service->service_option_descriptions, context.style));
    return ExitCode::success;
  }
  const auto others = context.client.get_as<onboarding::OptionalServiceList>("/process/optional-services");
  if (!others) return others.error();
  for (const onboarding::OptionalService& service : others->optional_services) {
    if (!text::iequals(service.key, wanted) && !text::iequals(service.name, wanted)) continue;
    json::object groups{{service.key, service.service_options}};
    json::object descriptions{{service.key, service.service_option_descriptions}};
    context.print(context.json
                      ? jsonx::print(codec::encode(service))
                      : service_page(service.name, service.description, groups, descriptions, context.style));
    return ExitCode::success;
  }
  return Error(Errc::not_found, "there is no core or optional service named '" + wanted + "'");
}

}  // namespace dumb::cli
