#include "own_asio.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// A handler with a payload, so that memory which is handed out wrongly shows.
struct Count {
  int* calls;
  std::array<unsigned char, 200> payload = {};

  void operator()(boost::system::error_code error = {}) const {
    if (!error) ++*calls;
  }
};

}  // namespace

bool own_asio_works() {
  asio::io_context context;
  auto strand = asio::make_strand(context);
  asio::io_context::strand old_strand(context);
  asio::steady_timer timer(context, std::chrono::milliseconds(1));
  int calls = 0;
  for (int i = 0; i < 100; ++i) {
    asio::post(strand, Count{&calls});
    old_strand.post(Count{&calls}, std::allocator<void>());
  }
  timer.async_wait(Count{&calls});

  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  tcp::socket client(context);
  tcp::socket server(context);
  std::string received(5, ' ');
  acceptor.async_accept(server, [&](boost::system::error_code error) {
    if (!error)
      asio::async_write(server, asio::buffer("hello", 5), [](boost::system::error_code, std::size_t) {});
  });
  client.async_connect(acceptor.local_endpoint(), [&](boost::system::error_code error) {
    if (error) return;
    auto done = [&calls](boost::system::error_code failed, std::size_t) { Count{&calls}(failed); };
    asio::async_read(client, asio::buffer(received), done);
  });
  context.run();
  return calls == 202 && received == "hello";
}
