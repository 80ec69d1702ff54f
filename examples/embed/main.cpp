// Supervises two processes: a web server, and a ticker that waits until it answers.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <dumb/engine/engine.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace asio = boost::asio;

constexpr auto config = R"({
  "dumb": {"frontend": {"enabled": false}},
  "web": {"enabled": true, "process_name": "Web", "host": "127.0.0.1", "port": 18099,
          "command": "/usr/bin/python3 -m http.server --bind {host} {port}"},
  "ticker": {"enabled": true, "process_name": "Ticker", "wait_for_url": "http://127.0.0.1:18099/",
             "command": ["/bin/sh", "-c", "while date; do sleep 1; done"]}
})";

asio::awaitable<void> supervise(dumb::engine::Engine& engine) {
  co_await engine.boot();  // the web server first, the ticker when it answers
  for (auto name : {"Web", "Ticker"}) std::cout << name << " is " << engine.status(name)->state << '\n';
  const std::string web = "Web";
  const auto reply = co_await engine.restart(web);
  std::cout << "Web: " << (reply ? reply->status : reply.error().to_string()) << '\n';
  co_await engine.shutdown();  // returns when nothing that was started is left
}

int main() {
  dumb::engine::Options options;
  options.root = dumb::Root(std::filesystem::temp_directory_path() / "dumb-embed");  // all lies beneath it
  options.log_to_standard_output = false;
  std::filesystem::create_directories(options.root.map("/config"));
  std::ofstream(options.root.map("/config/dumb_config.json")) << config;

  asio::io_context context;
  auto engine = dumb::engine::Engine::open(context, options);
  if (!engine) return std::cerr << engine.error().to_string() << '\n', 1;
  auto done = asio::co_spawn(context, supervise(**engine), asio::use_future);
  context.run();
  done.get();
}
