#include "supervisor/keeper_asio.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cstring>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <utility>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {

using namespace keeper;
using boost::system::error_code;

namespace {

constexpr auto replacement_pause = std::chrono::seconds(1);
constexpr std::chrono::milliseconds farewell{1000};

bool is_own_keeper(const ProcStat& process) {
  if (process.parent != ::getpid() || process.pid != process.session) return false;
  const auto name = file::read("/proc/" + std::to_string(process.pid) + "/comm", 64);
  return name && text::trim(*name) == "dumb-keeper";
}

/// That of an earlier run is somebody else's child.
void reap_keeper() {
  const auto processes = scan_processes();
  if (!processes) return;
  for (const ProcStat& process : *processes) {
    if (!is_own_keeper(process)) continue;
    for (auto left = farewell; left.count() > 0; --left) {
      if (::waitpid(process.pid, nullptr, WNOHANG) != 0) break;
      ::poll(nullptr, 0, 1);
    }
  }
}

struct Message {
  alignas(Head) std::array<char, sizeof(Head) + most_items * sizeof(Item)> bytes{};
  std::array<int, most_items> fds{};
  std::uint32_t count = 0;

  void add(const Item& item, int fd = -1) {
    std::memcpy(bytes.data() + sizeof(Head) + count * sizeof(Item), &item, sizeof item);
    fds[count++] = fd;
  }
  bool send(int socket, Verb verb) {
    const Head head{keeper::magic, verb, count, 0};
    std::memcpy(bytes.data(), &head, sizeof head);
    return send_packet(socket, bytes.data(), sizeof head + count * sizeof(Item), fds.data(),
                       verb == Verb::keep ? count : 0);
  }
};

}  // namespace

Keeper::Keeper(const boost::asio::any_io_executor& executor, std::filesystem::path run_directory, Log& log,
               std::function<void()> lost)
    : executor_(executor),
      run_directory_(std::move(run_directory)),
      log_(log),
      lost_(std::move(lost)),
      socket_(executor),
      pause_(executor) {}

void Keeper::open() {
  wanted_ = true;
  if (begin(connect_keeper(run_directory_)) && ask()) return watch();
  close();
  wanted_ = true;
  notify_.clear();
  found_.clear();
  auto started = start_keeper(run_directory_);
  if (started && begin(std::move(*started))) return watch();
  log_.warning("output of a service that ends while DUMB is away will be lost: " +
               (started ? std::string("the keeper cannot be watched") : started.error().to_string()));
}

bool Keeper::begin(UniqueFd socket) {
  if (!socket) return false;
  error_code error;
  socket_.assign(socket.get(), error);
  if (error) return false;
  socket.release();
  return true;
}

/// What it holds of an earlier run. False when it does not say so in time.
bool Keeper::ask() {
  const int fd = socket_.native_handle();
  if (!Message().send(fd, Verb::tell)) return false;
  for (;;) {
    alignas(Head) std::array<char, most_bytes> bytes;
    std::array<int, most_items> fds;
    const Packet packet = receive_packet(fd, bytes.data(), bytes.size(), fds.data(), 0);
    UniqueFd passed(packet.size > 0 && packet.descriptors > 0 ? fds[0] : -1);
    Head head;
    Item item;
    if (packet.size < static_cast<ssize_t>(sizeof head)) return false;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.magic != keeper::magic) return false;
    if (head.verb == Verb::all_told) return true;
    const std::size_t size = static_cast<std::size_t>(packet.size);
    if (head.verb != Verb::held || size < sizeof head + sizeof item) return false;
    std::memcpy(&item, bytes.data() + sizeof head, sizeof item);
    found_.push_back(item.number);
    if (item.kind != Kind::notify || !passed) continue;
    NotifySocket& socket = notify_[item.number];
    socket.fd = std::move(passed);
    const std::size_t head_size = sizeof head + sizeof item;
    if (size > head_size)
      socket.said = Datagram{item.sender, std::string(bytes.data() + head_size, size - head_size)};
  }
}

NotifySocket Keeper::take_notify(std::int64_t number) {
  const auto found = notify_.find(number);
  if (found == notify_.end()) return {};
  NotifySocket socket = std::move(found->second);
  notify_.erase(found);
  return socket;
}

void Keeper::keep_only(const std::vector<std::int64_t>& numbers) {
  for (const std::int64_t number : std::exchange(found_, {})) {
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) drop(number);
  }
  notify_.clear();
}

void Keeper::keep(std::int64_t number, Kind kind, int fd) {
  if (!wanted_ || fd < 0) return;
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return;
  kept_.push_back({Item{number, kind, 0}, std::move(copy)});
  flush_soon();
}

void Keeper::drop(std::int64_t number) {
  if (!wanted_) return;
  std::erase_if(kept_, [&](const Kept& kept) { return kept.item.number == number; });
  dropped_.push_back(number);
  flush_soon();
}

void Keeper::flush_soon() {
  if (std::exchange(due_, true)) return;
  boost::asio::post(executor_, [self = shared_from_this()] { self->flush(); });
}

void Keeper::flush() {
  due_ = false;
  if (!socket_.is_open()) {
    kept_.clear();
    dropped_.clear();
    return;
  }
  const bool sent = send_dropped() && send_kept();
  kept_.clear();
  dropped_.clear();
  if (!sent) replace_soon();
}

bool Keeper::send_dropped() {
  for (std::size_t at = 0; at < dropped_.size();) {
    Message message;
    for (; at < dropped_.size() && message.count < most_items; ++at)
      message.add(Item{dropped_[at], Kind::output, 0});
    if (!message.send(socket_.native_handle(), Verb::drop)) return false;
  }
  return true;
}

bool Keeper::send_kept() {
  for (std::size_t at = 0; at < kept_.size();) {
    Message message;
    for (; at < kept_.size() && message.count < most_items; ++at)
      message.add(kept_[at].item, kept_[at].fd.get());
    if (!message.send(socket_.native_handle(), Verb::keep)) return false;
  }
  return true;
}

/// It says nothing unasked: what is readable is its end.
void Keeper::watch() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [weak = weak_from_this()](const error_code& error) {
                       const auto self = weak.lock();
                       if (!error && self) self->replace_soon();
                     });
}

void Keeper::replace_soon() {
  error_code ignored;
  socket_.close(ignored);
  if (!wanted_) return;
  log_.warning("the keeper of what services write while DUMB is away has ended; another one is started");
  pause_.expires_after(replacement_pause);
  pause_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (error || !self || !self->wanted_) return;
    self->open();
    if (self->socket_.is_open()) self->lost_();
  });
}

void Keeper::leave() {
  if (wanted_) flush();
  close();
}

/// Who has been told to end is gone when this returns, also from the list of processes.
void Keeper::end() {
  if (socket_.is_open() && Message().send(socket_.native_handle(), Verb::end)) {
    pollfd gone{socket_.native_handle(), 0, 0};
    ::poll(&gone, 1, static_cast<int>(farewell.count()));
    reap_keeper();
  }
  close();
}

void Keeper::close() {
  wanted_ = false;
  error_code ignored;
  socket_.close(ignored);
  pause_.cancel();
  kept_.clear();
  dropped_.clear();
}

}  // namespace dumb::supervisor
