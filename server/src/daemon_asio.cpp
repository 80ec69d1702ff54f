#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "api.hpp"
#include "daemon.hpp"
#include "http_server.hpp"

namespace dumb::server {

namespace asio = boost::asio;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

std::string machine_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

/// In one piece: the log writes to the same descriptor from its own thread.
void print_line(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::perror("dumb-server: standard output");
}

class Daemon {
 public:
  Daemon(asio::io_context& context, engine::Engine& engine)
      : context_(context),
        engine_(engine),
        api_(engine, ApiOptions{.own_name = machine_name()}),
        http_(
            context.get_executor(), [this](Request request) { return api_.answer(std::move(request)); }, {},
            engine.log()),
        signals_(context, SIGTERM, SIGINT, SIGHUP) {}

  Result<void> listen(const std::string& host, std::uint16_t port) { return http_.listen(host, port); }
  std::string url() const { return http_.url(); }

  void run() {
    spawn(watch_signals(), "signals");
    spawn(engine_.boot(), "boot");
    context_.run();
  }

 private:
  void spawn(asio::awaitable<void> work, std::string name) {
    asio::co_spawn(context_, std::move(work),
                   [this, name = std::move(name)](const std::exception_ptr& failure) {
                     if (!failure) return;
                     try {
                       std::rethrow_exception(failure);
                     } catch (const std::exception& error) {
                       engine_.log().error(fmt::format("{} failed: {}", name, error.what()));
                     }
                   });
  }

  asio::awaitable<void> watch_signals() {
    for (;;) {
      const auto [error, number] = co_await signals_.async_wait(token);
      if (error) co_return;
      if (number == SIGHUP) {
        if (!stopping_ && !engine_.reload()) continue;  // the engine has said why and keeps what it had
      } else if (!stopping_) {
        stopping_ = true;
        spawn(shut_down(), "shutdown");
      } else {
        engine_.kill_now();
      }
    }
  }

  asio::awaitable<void> shut_down() {
    auto services = engine_.shutdown();
    co_await std::move(services);
    auto serving = http_.stop();
    co_await std::move(serving);
    context_.stop();
  }

  asio::io_context& context_;
  engine::Engine& engine_;
  Api api_;
  HttpServer http_;
  asio::signal_set signals_;
  bool stopping_ = false;
};

}  // namespace

std::string describe_open_error(const Error& error, const std::string& file) {
  if (error.problems().empty()) {
    const std::string text = error.to_string();
    const bool names_file = text.find(file) != std::string::npos;
    return names_file ? fmt::format("dumb-server: {}\n", text)
                      : fmt::format("dumb-server: {}: {}\n", file, text);
  }
  std::string out;
  for (const Problem& problem : error.problems()) {
    const std::string place = problem.where.empty() ? std::string() : problem.where + " ";
    out += fmt::format("dumb-server: {}: {}{}\n", file, place, problem.message);
  }
  return out;
}

int run_daemon(const Arguments& arguments, config::Environment environment) {
  asio::io_context context{1};
  engine::Options options;
  options.root = Root(arguments.root);
  if (arguments.config) options.config_file_as_is = *arguments.config;
  options.environment = std::move(environment);
  options.host = arguments.host;
  if (arguments.port) options.port = *arguments.port;
  const std::string file = arguments.config.value_or(options.root.map(options.config_file)).native();
  auto engine = engine::Engine::open(context, std::move(options));
  if (!engine) {
    std::fputs(describe_open_error(engine.error(), file).c_str(), stderr);
    return 1;
  }
  Daemon daemon(context, **engine);
  const auto listening = daemon.listen((*engine)->host(), static_cast<std::uint16_t>((*engine)->port()));
  if (!listening) {
    std::fputs(fmt::format("dumb-server: {}\n", listening.error().message()).c_str(), stderr);
    return 1;
  }
  print_line("dumb-server listening on " + daemon.url());
  daemon.run();
  return 0;
}

}  // namespace dumb::server
