// The keeper without a supervisor around it.
#include "supervisor/keeper_asio.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstring>

#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using keeper::Kind;
namespace asio = boost::asio;

namespace {

struct Words final : Log {
  void write(Level, std::string_view message) override { text += std::string(message) + "\n"; }
  std::string text;
};

struct Run {
  explicit Run(const std::filesystem::path& directory)
      : keeper(std::make_shared<Keeper>(context.get_executor(), directory, log, [this] { ++lost; })) {
    keeper->open();
  }
  /// As a kill would: whatever was handed over in this turn is.
  void vanish() {
    context.poll();
    keeper->close();
  }
  asio::io_context context;
  Words log;
  int lost = 0;
  std::shared_ptr<Keeper> keeper;
};

/// A FIFO with a byte stream in it, all of its ends but the given one closed.
UniqueFd fifo_with(const std::filesystem::path& path, const std::string& text) {
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return reader;
}

std::string read_anew(const std::filesystem::path& path) {
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  std::string text(64, '\0');
  const ssize_t got = ::read(reader.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

bool answers(const std::filesystem::path& directory) {
  return static_cast<bool>(keeper::connect_keeper(directory));
}

void say(const std::string& address, const std::string& text) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  std::memcpy(&place.sun_path[1], address.data() + 1, address.size() - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&place), size) == 0);
  REQUIRE(::send(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("bytes in a FIFO without writers survive the reader", "[supervisor][LIF-174]") {
  test::TempDir dir;
  Run first(dir.path());
  {
    const UniqueFd reader = fifo_with(dir / "a", "hello");
    first.keeper->keep(7, Kind::output, reader.get());
    first.context.poll();
  }
  first.vanish();
  Run second(dir.path());
  SECTION("until it is dropped") {
    CHECK(read_anew(dir / "a") == "hello");
    second.keeper->drop(7);
    second.vanish();
  }
  SECTION("however many runs come") {
    second.vanish();
    Run third(dir.path());
    CHECK(read_anew(dir / "a") == "hello");
    third.keeper->keep_only({});
    third.vanish();
  }
  CHECK(test::eventually([&] { return !answers(dir.path()); }));
}

TEST_CASE("a FIFO that was removed, or is empty and has no writer, is not held for a run to come",
          "[supervisor][LIF-174]") {
  test::TempDir dir;
  Run first(dir.path());
  const UniqueFd full = fifo_with(dir / "a", "hello");
  const UniqueFd empty = fifo_with(dir / "b", "x");
  REQUIRE(read_anew(dir / "b") == "x");
  first.keeper->keep(1, Kind::output, full.get());
  first.keeper->keep(2, Kind::failures, empty.get());
  first.context.poll();
  std::filesystem::remove(dir / "a");
  REQUIRE(answers(dir.path()));
  first.vanish();
  CHECK(test::eventually([&] { return !answers(dir.path()); }));
}

TEST_CASE("what is said on a notify socket while nobody listens is told to the next run",
          "[supervisor][LIF-138][LIF-174]") {
  test::TempDir dir;
  Run first(dir.path());
  auto socket = open_notify_socket();
  REQUIRE(socket);
  const std::string address = socket->address;
  UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  first.keeper->keep(3, Kind::notify, socket->fd.get());
  first.keeper->keep(3, Kind::process, self.get());
  first.context.poll();
  socket->fd.reset();
  say(address, "STATUS=between");
  first.vanish();
  say(address, "READY=1\nSTATUS=well");
  // More than a socket holds: the sender must not wait for a reader.
  for (int i = 0; i < 2000; ++i) say(address, "WATCHDOG=1");
  Run second(dir.path());
  NotifySocket found = second.keeper->take_notify(3);
  REQUIRE(found.fd);
  std::string heard = found.said ? found.said->text : std::string();
  if (found.said) CHECK(found.said->sender == ::getpid());
  while (const auto datagram = receive_datagram(found.fd.get())) heard += "\n" + datagram->text;
  CHECK_THAT(heard, ContainsSubstring("READY=1\nSTATUS=well"));
  CHECK_FALSE(second.keeper->take_notify(3).fd);
  // It is the same socket still.
  say(address, "READY=1");
  CHECK(receive_datagram(found.fd.get())->text == "READY=1");
  second.keeper->end();
  CHECK(test::eventually([&] { return !answers(dir.path()); }));
}

TEST_CASE("more than one message holds is kept", "[supervisor][LIF-174]") {
  test::TempDir dir;
  constexpr int many = 300;
  Run first(dir.path());
  for (int i = 0; i < many; ++i) {
    const UniqueFd reader = fifo_with(dir / std::to_string(i), "hello");
    first.keeper->keep(i + 1, Kind::output, reader.get());
  }
  first.vanish();
  Run second(dir.path());
  int found = 0;
  for (int i = 0; i < many; ++i) found += read_anew(dir / std::to_string(i)) == "hello";
  CHECK(found == many);
  second.keeper->end();
  CHECK(test::eventually([&] { return !answers(dir.path()); }));
}

TEST_CASE("a keeper that ends is replaced, and given again what it shall hold", "[supervisor][LIF-174]") {
  test::TempDir dir;
  Run run(dir.path());
  {
    Run other(dir.path());  // a keeper serves several; this one orders its end
    other.keeper->end();
  }
  REQUIRE(test::run_until(run.context, [&] { return run.lost == 1; }));
  CHECK_THAT(run.log.text, ContainsSubstring("another one is started"));
  const UniqueFd reader = fifo_with(dir / "a", "hello");
  run.keeper->keep(1, Kind::output, reader.get());
  run.vanish();
  CHECK(answers(dir.path()));
  Run last(dir.path());
  last.keeper->end();
  CHECK(test::eventually([&] { return !answers(dir.path()); }));
}
