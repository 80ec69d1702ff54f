#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dumb/auth/service.hpp>
#include <dumb/supervisor/helper.hpp>
#include <exception>
#include <thread>

#include "api.hpp"
#include "daemon.hpp"
#include "footprint_posix.hpp"
#include "handover_posix.hpp"
#include "http_server.hpp"
#include "signals_posix.hpp"

namespace dumb::server {

namespace asio = boost::asio;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr auto settling = std::chrono::seconds(1);
constexpr auto farewell = std::chrono::milliseconds(60);  // for clients that keep their connection

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
        signals_(context, SIGTERM, SIGINT, SIGHUP),
        handover_(context),
        settled_(context) {
    http_.set_upgrader([this](const Request& request) { return api_.upgrade(request); });
    signals_.add(SIGUSR2);
    let_signals_in();
    engine_.auth();  // opens the user store
  }

  Result<void> listen(const std::string& host, std::uint16_t port, UniqueFd inherited) {
    return inherited ? http_.listen(host, port, std::move(inherited)) : http_.listen(host, port);
  }
  std::string url() const { return http_.url(); }
  /// The start is over: a moment later, when its last files are written, what only it needed is given back.
  void settle() {
    settled_.expires_after(settling);
    settled_.async_wait([](const boost::system::error_code& error) {
      if (!error) give_back_memory_of_start();
    });
  }

  void run(const Arguments& arguments) {
    arguments_ = arguments;
    spawn(watch_signals(), "signals");
    watch_successors();
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
      if (leaving_) {
        pending_ = number;  // children are in other hands already: the program that comes next has to obey
        continue;
      }
      if (number == SIGUSR2) {
        if (!stopping_) spawn(renew(), "replacing this program");
      } else if (number == SIGHUP) {
        if (!stopping_ && !engine_.reload()) continue;  // the engine has said why and keeps what it had
      } else if (!stopping_) {
        stopping_ = true;
        spawn(shut_down(), "shutdown");
      } else {
        engine_.kill_now();
      }
    }
  }

  // ---- handing over ----

  void watch_successors() {
    auto socket = open_handover_socket(engine_.root().map("/run/dumb"));
    boost::system::error_code error;
    if (socket) handover_.assign(socket->get(), error);
    if (!socket || error) {
      engine_.log().warning("--replace will not work: " +
                            (socket ? error.message() : socket.error().to_string()));
      return;
    }
    socket->release();
    spawn(await_successor(), "handover");
  }

  asio::awaitable<void> await_successor() {
    for (;;) {
      const auto [error] = co_await handover_.async_wait(asio::posix::descriptor_base::wait_read, token);
      if (error) co_return;
      auto peer = std::make_shared<UniqueFd>(accept_successor(handover_.native_handle()));
      if (*peer) {
        spawn(serve_successor(std::move(peer)), "handover");
        continue;
      }
      // Out of descriptors, it stays in the queue: without a pause this would spin.
      asio::steady_timer pause(context_);
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(token);
    }
  }

  asio::awaitable<void> serve_successor(std::shared_ptr<UniqueFd> peer) {
    auto waiting = engine_.await_down();
    co_await std::move(waiting);
    if (!is_there(peer->get())) co_return;
    if (stopping_ || leaving_) {
      send_refusal(peer->get(), stopping_ ? "it is being stopped" : "it hands over to another one already");
      co_return;
    }
    auto leaving = leave();
    const auto listener = co_await std::move(leaving);
    if (pending_ != 0) print_line("dumb-server: a signal came too late; the one that took over goes on");
    // Nothing is destroyed: it would end what goes on.
    if (send_listener(peer->get(), listener->get())) std::_Exit(0);
    print_line("dumb-server: the one that wanted to take over is gone; this program goes on");
    go_on_as(program_, listener->get());
  }

  asio::awaitable<void> renew() {
    const std::string program = program_;
    supervisor::HelperSpec trial;
    trial.launch.argv = {program, "--version"};
    trial.launch.directory = "/";
    trial.owner = "dumb-server";
    trial.timeout = std::chrono::seconds(10);
    auto trying = supervisor::run_helper(std::move(trial));
    const auto works = co_await std::move(trying);
    if (!works || !works->status.success()) {
      engine_.log().error(program + " does not run; this program stays: " +
                          (works ? works->status.to_string() : works.error().to_string()));
      co_return;
    }
    auto waiting = engine_.await_down();
    co_await std::move(waiting);
    if (stopping_ || leaving_) co_return;
    if (!engine_.reload()) {
      engine_.log().error("this program stays: its successor could not use the configuration");
      co_return;
    }
    auto leaving = leave();
    const auto listener = co_await std::move(leaving);
    go_on_as(program, listener->get());
  }

  /// `program` in place of this one, over the same children and connections.
  [[noreturn]] void go_on_as(const std::string& program, int listener) {
    std::vector<std::string> words = arguments_.words;
    words.insert(words.begin(), program);
    words.insert(words.end(), {"--listening-fd", std::to_string(listener)});
    hold_signals();
    if (pending_ != 0) leave_signal(pending_);
    const Error failed = replace_program(program, words, listener);
    std::fputs(fmt::format("dumb-server: {}\n", failed.to_string()).c_str(), stderr);
    std::_Exit(1);  // the children go on, and the next start takes them over
  }

  /// Accepts no more, lets go of the children and answers who is connected.
  asio::awaitable<std::shared_ptr<UniqueFd>> leave() {
    leaving_ = true;
    auto listener = std::make_shared<UniqueFd>();
    auto parting = http_.see_off(farewell);
    co_await std::move(parting);
    const auto let_go = [this, listener] { *listener = http_.release(); };
    auto handing = engine_.hand_over(let_go);
    const auto handed = co_await std::move(handing);
    if (!handed) engine_.log().error(handed.error().to_string());
    auto answering = http_.finish(farewell);
    co_await std::move(answering);
    co_return listener;
  }

  asio::awaitable<void> shut_down() {
    auto services = engine_.shutdown();
    co_await std::move(services);
    auto serving = http_.stop();
    co_await std::move(serving);
    if (!engine_.quiet()) std::_Exit(0);  // destroying the engine would wait for a file system that hangs
    context_.stop();
  }

  asio::io_context& context_;
  engine::Engine& engine_;
  Api api_;
  HttpServer http_;
  asio::signal_set signals_;
  asio::posix::stream_descriptor handover_;
  asio::steady_timer settled_;
  Arguments arguments_;
  const std::string program_ = own_program();
  bool stopping_ = false;
  bool leaving_ = false;
  int pending_ = 0;  // a signal that came while leaving
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
  make_room_for_descriptors();
  asio::io_context context{1};
  engine::Options options;
  options.root = Root(arguments.root);
  if (arguments.config) options.config_file_as_is = *arguments.config;
  options.environment = std::move(environment);
  options.host = arguments.host;
  options.keeper = true;
  Daemon* running = nullptr;
  options.started = [&running] {
    if (running != nullptr) running->settle();
  };
  if (arguments.port) options.port = *arguments.port;
  UniqueFd inherited(arguments.listening.value_or(-1));
  if (inherited) ::fcntl(inherited.get(), F_SETFD, FD_CLOEXEC);
  if (arguments.replace) {
    options.take_over = [&inherited, directory = options.root.map("/run/dumb")]() -> Result<void> {
      auto listener = take_over(directory);
      if (!listener) return listener.error();
      inherited = std::move(*listener);
      return {};
    };
  }
  const std::string file = arguments.config.value_or(options.root.map(options.config_file)).native();
  auto engine = engine::Engine::open(context, std::move(options));
  if (!engine) {
    std::fputs(describe_open_error(engine.error(), file).c_str(), stderr);
    return 1;
  }
  Daemon daemon(context, **engine);
  running = &daemon;
  const auto port = static_cast<std::uint16_t>((*engine)->port());
  auto listening = daemon.listen((*engine)->host(), port, std::move(inherited));
  // One that was executing itself anew when this one asked for it still holds the port, until it finds that
  // it has come too late.
  for (int i = 0; i < 40 && !listening && arguments.replace; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    listening = daemon.listen((*engine)->host(), port, {});
  }
  if (!listening) {
    std::fputs(fmt::format("dumb-server: {}\n", listening.error().message()).c_str(), stderr);
    return 1;
  }
  print_line("dumb-server listening on " + daemon.url());
  daemon.run(arguments);
  return 0;
}

}  // namespace dumb::server
