#include <boost/json.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

/// The body has forms that no described type has (ONB-1 to ONB-3).
template <>
onboarding::Request read_body<onboarding::Request>(const Request& request, codec::Faults& faults) {
  const auto value = parse_body(request, faults);
  return value ? onboarding::read_request(*value, faults) : onboarding::Request();
}

/// `one`, or a list of them.
static json::object one_or_list(const json::object& one) {
  json::object list = detail::typed_schema("array");
  list.emplace("items", one);
  json::array choices;
  choices.push_back(one);
  choices.push_back(std::move(list));
  return detail::choice_schema(std::move(choices));
}

template <>
json::object schema_of<onboarding::Request, Side::request>() {
  json::object core = schema_of<onboarding::CoreRequest, Side::request>();
  json::object& members = core["properties"].get_object();
  for (const char* name : {"debrid_service", "debrid_key"})
    members[name] = one_or_list(detail::typed_schema("string"));
  json::object properties;
  properties.emplace("core_services", one_or_list(core));
  properties.emplace("optional_services", schema_of<std::vector<std::string>, Side::request>());
  properties.emplace("optional_service_options", detail::typed_schema("object"));
  json::object out = detail::typed_schema("object");
  out.emplace("properties", std::move(properties));
  json::array required;
  required.emplace_back("core_services");
  out.emplace("required", std::move(required));
  out.emplace("additionalProperties", false);
  return out;
}

namespace {

asio::awaitable<Result<onboarding::Reply>> onboard(engine::Engine& engine, Nothing,
                                                   onboarding::Request body) {
  return engine.onboard(std::move(body));
}

asio::awaitable<Result<onboarding::PlanReply>> plan(engine::Engine& engine, Nothing,
                                                    onboarding::Request body) {
  return engine.onboarding_plan(std::move(body));
}

asio::awaitable<Result<onboarding::CoreServiceList>> core_services(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.core_services();
}

asio::awaitable<Result<onboarding::OptionalServiceList>> optional_services(engine::Engine& engine,
                                                                           onboarding::OptionalQuery query,
                                                                           Nothing) {
  co_return engine.optional_services(query);
}

asio::awaitable<Result<onboarding::Status>> status(engine::Engine& engine, Nothing, Nothing) {
  co_return engine.onboarding_status();
}

asio::awaitable<Result<onboarding::Marked>> completed(engine::Engine& engine, Nothing, Nothing) {
  return engine.mark_onboarding(true);
}

asio::awaitable<Result<onboarding::Marked>> reset(engine::Engine& engine, Nothing, Nothing) {
  return engine.mark_onboarding(false);
}

}  // namespace

std::vector<Route> onboarding_routes() {
  std::vector<Route> out;
  out.push_back(make_route({.method = "POST",
                            .path = "/process/start-core-service",
                            .summary = "Configure and start core services with all they need",
                            .effect = Effect::changes_state},
                           &onboard));
  out.push_back(make_route({.method = "POST",
                            .path = "/process/onboarding-plan",
                            .summary = "What start-core-service would change and start",
                            .effect = Effect::changes_state},
                           &plan));
  out.push_back(make_route(
      {.method = "GET", .path = "/process/core-services", .summary = "Core services that can be onboarded"},
      &core_services));
  out.push_back(make_route({.method = "GET",
                            .path = "/process/optional-services",
                            .summary = "Services that can be chosen with them"},
                           &optional_services));
  out.push_back(make_route({.method = "GET",
                            .path = "/config/onboarding-status",
                            .summary = "Whether onboarding is to be offered"},
                           &status));
  out.push_back(make_route({.method = "POST",
                            .path = "/config/onboarding-completed",
                            .summary = "Offer onboarding no more",
                            .effect = Effect::changes_state},
                           &completed));
  out.push_back(make_route({.method = "POST",
                            .path = "/config/reset-onboarding",
                            .summary = "Offer onboarding again",
                            .effect = Effect::changes_state},
                           &reset));
  return out;
}

}  // namespace dumb::server
