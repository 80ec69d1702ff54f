// Latencies of one request at a fixed rate, with connections that stay open.
//
//   dumb-bench-api-rate PORT TARGET PER-SECOND SECONDS [CONNECTIONS]
//
// A request counts from the moment it was due, unless this program itself woke up late: an answer that holds
// up those behind it on its connection is charged with their wait. Prints milliseconds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "api_rate: %s\n", what.c_str());
  std::exit(1);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("nobody listens");
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

/// Sends the request and reads the whole answer, which must be a 200 with a Content-Length.
void exchange(int fd, const std::string& request, std::string& answer) {
  if (::write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size()))
    fail("cannot send");
  answer.clear();
  std::size_t wanted = std::string::npos;
  char buffer[8192];
  while (answer.size() < wanted) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) fail("the connection ended");
    answer.append(buffer, static_cast<std::size_t>(count));
    const std::size_t head = answer.find("\r\n\r\n");
    if (wanted != std::string::npos || head == std::string::npos) continue;
    if (!answer.starts_with("HTTP/1.1 200 ")) fail("not 200: " + answer.substr(0, 200));
    constexpr std::string_view field = "\r\nContent-Length: ";
    const std::size_t at = answer.find(field);
    if (at == std::string::npos) fail("no Content-Length");
    wanted = head + 4 + static_cast<std::size_t>(std::atol(answer.c_str() + at + field.size()));
  }
}

void run_connection(int port, const std::string& request, Clock::time_point first, Clock::duration interval,
                    Clock::time_point end, std::vector<double>& latencies) {
  const int fd = connect_to(port);
  std::string answer;
  auto free_since = first;  // when the answer before was there
  for (auto due = first; due < end; due += interval) {
    std::this_thread::sleep_until(due);
    const auto counted_from = free_since > due ? due : Clock::now();
    exchange(fd, request, answer);
    free_since = Clock::now();
    latencies.push_back(std::chrono::duration<double, std::milli>(free_since - counted_from).count());
  }
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) fail("usage: dumb-bench-api-rate PORT TARGET PER-SECOND SECONDS [CONNECTIONS]");
  const int port = std::atoi(argv[1]);
  const double rate = std::atof(argv[3]);
  const double seconds = std::atof(argv[4]);
  const int connections = argc > 5 ? std::max(1, std::atoi(argv[5])) : 8;
  const std::string request = "GET " + std::string(argv[2]) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(connections / rate));
  const auto begin = Clock::now() + std::chrono::milliseconds(50);
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<std::vector<double>> latencies(static_cast<std::size_t>(connections));
  std::vector<std::thread> threads;
  for (int i = 0; i < connections; ++i) {
    threads.emplace_back(run_connection, port, request, begin + interval * i / connections, interval, end,
                         std::ref(latencies[static_cast<std::size_t>(i)]));
  }
  std::vector<double> all;
  for (int i = 0; i < connections; ++i) {
    threads[static_cast<std::size_t>(i)].join();
    const auto& own = latencies[static_cast<std::size_t>(i)];
    all.insert(all.end(), own.begin(), own.end());
  }
  if (all.empty()) fail("no request was made");
  std::sort(all.begin(), all.end());
  const auto quantile = [&](double share) {
    return all[std::min(all.size() - 1, static_cast<std::size_t>(share * static_cast<double>(all.size())))];
  };
  std::printf("requests %zu rate %.1f p50 %.3f p99 %.3f p999 %.3f max %.3f\n", all.size(),
              static_cast<double>(all.size()) / seconds, quantile(0.5), quantile(0.99), quantile(0.999),
              all.back());
}
