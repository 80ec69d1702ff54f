#pragma once

#include <dumb/base/codec_text.hpp>
#include <variant>

#include "answers.hpp"
#include "input.hpp"
#include "route.hpp"

/// Makes table entries out of "decode, call one engine method, encode".
namespace dumb::server {

/// What a route does with decoded input; each calls one method of the engine.
template <class Query, class Body, class Answer>
using Operation = boost::asio::awaitable<Result<Answer>> (*)(engine::Engine&, Query, Body);

template <class T>
Response answer_response(const T& answer) {
  return text_response(200, "application/json", codec::to_text(answer));
}

inline Response answer_response(const engine::Text& answer) {
  return text_response(200, answer.media_type, answer.text);
}

template <class... T>
Response answer_response(const std::variant<T...>& answer) {
  return std::visit([](const auto& choice) { return answer_response(choice); }, answer);
}

/// Who asks and for what of several; what the table's types do not tell.
struct Caller {
  std::string user;
  std::string peer;
  std::string parameter;
};
template <class Query, class Body, class Answer>
using CallerOperation = boost::asio::awaitable<Result<Answer>> (*)(engine::Engine&, Caller, Query, Body);

template <class Query, class Body, class Answer>
boost::asio::awaitable<Result<Answer>> begin_operation(Operation<Query, Body, Answer> operation,
                                                       engine::Engine& engine, Request&, Query query,
                                                       Body body) {
  return operation(engine, std::move(query), std::move(body));
}
template <class Query, class Body, class Answer>
boost::asio::awaitable<Result<Answer>> begin_operation(CallerOperation<Query, Body, Answer> operation,
                                                       engine::Engine& engine, Request& request, Query query,
                                                       Body body) {
  Caller caller{std::move(request.user), std::move(request.peer), std::move(request.parameter)};
  return operation(engine, std::move(caller), std::move(query), std::move(body));
}

/// `operation`: an Operation or a CallerOperation.
template <class Query, class Body, class Answer, class Any>
boost::asio::awaitable<Response> run_operation(Any operation, engine::Engine& engine, Request request) {
  codec::Faults faults;
  Query query = read_query<Query>(request.query, faults);
  Body body = read_body<Body>(request, faults);
  if (!faults.empty()) co_return fault_response(faults);
  auto running =
      begin_operation<Query, Body, Answer>(operation, engine, request, std::move(query), std::move(body));
  const Result<Answer> answer = co_await std::move(running);
  if (!answer) co_return error_response(answer.error());
  co_return answer_response(*answer);
}

struct RouteInfo {
  std::string_view method;
  std::string_view path;
  std::string_view summary;
  Access access = Access::authenticated;
  Effect effect = Effect::reads;
  Departure departure = Departure::ends_reading;
};

namespace detail {

template <class Query, class Body, class Answer, class Any>
Route make_route(RouteInfo info, Any operation) {
  Route route;
  route.method = info.method;
  route.path = info.path;
  route.summary = info.summary;
  route.access = info.access;
  route.effect = info.effect;
  route.departure = info.departure;
  route.query = type_hook<Query, Side::request>();
  route.body = type_hook<Body, Side::request>();
  route.answer = type_hook<Answer, Side::answer>();
  route.handle = [operation](engine::Engine& engine, Request request) {
    return run_operation<Query, Body, Answer>(operation, engine, std::move(request));
  };
  return route;
}

}  // namespace detail

template <class Query, class Body, class Answer>
Route make_route(RouteInfo info, Operation<Query, Body, Answer> operation) {
  return detail::make_route<Query, Body, Answer>(info, operation);
}

template <class Query, class Body, class Answer>
Route make_route(RouteInfo info, CallerOperation<Query, Body, Answer> operation) {
  return detail::make_route<Query, Body, Answer>(info, operation);
}

}  // namespace dumb::server
