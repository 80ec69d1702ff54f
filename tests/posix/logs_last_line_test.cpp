// What a child prints last is what tells why it ended: it must reach the log however short the child lives.
#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <dumb/base/text.hpp>
#include <set>

#include "support/service_stack.hpp"

namespace asio = boost::asio;
using namespace dumb;
using namespace std::chrono_literals;
using Stack = test::ServiceStack;

namespace {

constexpr int workers = 6;
constexpr int turns = 50;

/// Runs one service again and again; each run prints its number, some of them without a line end, some on
/// standard error, and ends at once.
asio::awaitable<bool> run_turns(Stack& stack, std::string name, int first) {
  for (int turn = 0; turn < turns; ++turn) {
    const int number = first + turn;
    const std::string text = "number=" + std::to_string(number) + ";";
    std::vector<std::string> arguments{number % 3 == 0 ? "--error" : "--text", text, "--exit", "0"};
    if (number % 5 == 0) {
      std::string bytes;
      for (const char c : text) bytes += fmt::format("{:02x}", c);
      arguments = {"--raw", bytes, "--exit", "0"};
    }
    stack.services[name] = {.arguments = std::move(arguments), .one_shot = true};
    auto starting = stack.supervisor.start(name);
    const auto started = co_await std::move(starting);
    if (!started) co_return false;
  }
  co_return true;
}

}  // namespace

TEST_CASE("no last line is lost in 300 quick exits while others print a lot", "[logs][supervisor][LIF-105]") {
  Stack stack;
  stack.services["loud"] = {.arguments = {"--print-bytes", "300000000"}};
  REQUIRE(stack.start("loud"));
  int finished = 0;
  int well = 0;
  for (int worker = 0; worker < workers; ++worker) {
    auto turn = run_turns(stack, "quick" + std::to_string(worker), worker * turns);
    asio::co_spawn(stack.context, std::move(turn), [&](std::exception_ptr error, bool good) {
      ++finished;
      well += !error && good ? 1 : 0;
    });
  }
  REQUIRE(test::run_until(
      stack.context, [&] { return finished == workers; }, 100s));
  CHECK(well == workers);
  stack.supervisor.kill("loud");
  stack.finish();
  stack.logs.flush();
  std::multiset<int> seen;
  for (int worker = 0; worker < workers; ++worker) {
    for (const std::string& line : text::split(stack.log_of("quick" + std::to_string(worker)), '\n')) {
      const std::size_t at = line.find("number=");
      if (at != std::string::npos && line.ends_with(';')) seen.insert(std::stoi(line.substr(at + 7)));
    }
  }
  CHECK(seen.size() == workers * turns);
  for (int number = 0; number < workers * turns; ++number) {
    CAPTURE(number);
    CHECK(seen.count(number) == 1);
  }
}
