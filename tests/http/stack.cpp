#include "stack.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <stdexcept>

#include "golden.hpp"
#include "support/catch.hpp"

namespace dumb::test {

namespace asio = boost::asio;

json::object child_block(std::string_view process_name, const std::vector<std::string>& arguments) {
  json::object block;
  block["enabled"] = false;
  block["process_name"] = process_name;
  json::array command;
  command.emplace_back(test_child());
  for (const std::string& argument : arguments) command.emplace_back(argument);
  block["command"] = std::move(command);
  return block;
}

Stack::Stack(const json::object& services, const std::vector<std::string>& allowed_hosts,
             const json::object& catalog, server::Limits limits) {
  json::object document;
  json::object& dumb = document["dumb"].emplace_object();
  dumb["frontend"].emplace_object()["enabled"] = false;
  json::array hosts;
  for (const std::string& host : allowed_hosts) hosts.emplace_back(host);
  dumb["api_service"].emplace_object()["allowed_hosts"] = std::move(hosts);
  for (const auto& [key, block] : services) document[key] = block;
  for (const auto& [key, service] : catalog)
    write_text(root_ / ("catalog/" + std::string(key) + ".json"), jsonx::print(service));
  write_text(root_ / "config/dumb_config.json", jsonx::print(document));
  // Services run as another user when the tests run as root.
  std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
  loop_.run([this, limits, overlaid = !catalog.empty()] {
    engine::Options options;
    if (overlaid) options.catalog_directory = "/catalog";
    options.root = Root(root_.path());
    options.environment = {{"PATH", "/usr/bin:/bin"}};
    options.log_to_standard_output = false;
    auto opened = engine::Engine::open(loop_.context(), std::move(options));
    if (!opened) throw std::runtime_error(opened.error().to_string());
    engine_ = std::move(*opened);
    api_ = std::make_unique<server::Api>(*engine_, server::ApiOptions{});
    http_ = std::make_unique<server::HttpServer>(
        loop_.context().get_executor(),
        [this](server::Request request) { return api_->answer(std::move(request)); }, limits, engine_->log());
    http_->set_upgrader([this](const server::Request& request) { return api_->upgrade(request); });
    const auto listening = http_->listen("127.0.0.1", 0);
    if (!listening) throw std::runtime_error(listening.error().to_string());
    port_ = http_->port();
  });
}

Stack::~Stack() {
  loop_.await([this] { return engine_->shutdown(); });
  loop_.await([this] { return http_->stop(); });
  loop_.run([this] {
    http_.reset();
    api_.reset();
    engine_.reset();
  });
}

server::HttpServer::Statistics Stack::statistics() {
  server::HttpServer::Statistics out;
  loop_.run([&] { out = http_->statistics(); });
  return out;
}

void Stack::stop_serving() {
  loop_.await([this] { return http_->stop(); });
}

void Stack::begin_shutdown() {
  loop_.await([this] { return engine_->shutdown(); });
}

json::value Stack::stored() const {
  return parsed(read_text(root_ / "config/dumb_config.json"));
}

Answer Stack::operate(std::string_view operation, std::string_view process_name) {
  json::object body;
  body["process_name"] = process_name;
  return post("/process/" + std::string(operation), jsonx::print_compact(body));
}

std::future<Answer> Stack::operate_later(std::string_view operation, std::string_view process_name) {
  return std::async(std::launch::async,
                    [this, operation = std::string(operation), name = std::string(process_name)] {
                      return operate(operation, name);
                    });
}

std::string Stack::state(std::string_view process_name) {
  const Answer answer = get("/process/service-status?process_name=" + text::percent_encode(process_name));
  if (answer.status != 200) return "HTTP " + std::to_string(answer.status);
  return jsonx::string_at(parsed(answer.body).as_object(), "state");
}

json::value steady(const json::value& document, const Stack& stack) {
  if (const auto* object = document.if_object()) {
    json::object out;
    for (const auto& [key, member] : *object) {
      constexpr std::array<std::string_view, 12> numbers{
          "next_restart_time", "next_try_time",  "pid",          "started_at",      "last_exit_time",
          "last_restart_time", "completed_at",   "took_seconds", "elapsed_seconds", "critical_seconds",
          "waited_seconds",    "running_seconds"};
      const bool varies = std::find(numbers.begin(), numbers.end(), std::string_view(key)) != numbers.end();
      if (key == "updated_at") {
        out.emplace(key, "TIME");
      } else {
        out.emplace(key, varies && member.is_number() ? json::value(0) : steady(member, stack));
      }
    }
    return out;
  }
  if (const auto* array = document.if_array()) {
    json::array out;
    for (const json::value& element : *array) out.push_back(steady(element, stack));
    return out;
  }
  if (document.is_string()) {
    const std::string_view text(document.get_string());
    const bool machine = text.find(test_child()) != std::string_view::npos ||
                         text.find(stack.root().path().native()) != std::string_view::npos;
    if (machine) return json::value("PATH");
  }
  return document;
}

}  // namespace dumb::test
