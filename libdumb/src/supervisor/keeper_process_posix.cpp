#include "supervisor/keeper_process_posix.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "supervisor/notify_posix.hpp"

namespace dumb::supervisor::keeper {
namespace {

constexpr std::size_t most_entries = 16384;
constexpr std::size_t most_peers = 8;
constexpr int look_round = 2000;  // ms, between looks at what nobody may want any more

struct Entry {
  Item item;
  int fd = -1;
  std::uint32_t said = 0;  ///< length of its text
};

/// Room that costs memory only where it is written to. The keeper is a fork of a program with threads, so it
/// has no heap.
template <class T>
T* reserve(std::size_t count) {
  void* const room = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) ::_exit(1);
  return static_cast<T*>(room);
}

short events_of(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0 ? entry.revents : short{0};
}

bool removed(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) != 0 || status.st_nlink == 0;
}

/// Whether a line of the datagram tells more than how the service is.
bool is_worth_keeping(const char* text, std::size_t size) {
  for (const char* word : {"READY=1", "STOPPING=1"}) {
    const std::size_t length = std::strlen(word);
    for (std::size_t at = 0; at + length <= size; ++at) {
      const bool begins = at == 0 || text[at - 1] == '\n';
      const bool ends = at + length == size || text[at + length] == '\n';
      if (begins && ends && std::memcmp(text + at, word, length) == 0) return true;
    }
  }
  return false;
}

class Keeper {
 public:
  Keeper(int listener, int first, int directory) : listener_(listener), directory_(directory) {
    entries_ = reserve<Entry>(most_entries);
    texts_ = reserve<std::array<char, most_text>>(most_entries);
    polled_ = reserve<pollfd>(most_entries + most_peers + 1);
    peers_[peer_count_++] = first;
  }

  [[noreturn]] void run() {
    for (;;) {
      const bool alone = peer_count_ == 0;
      if (alone && (count_ == 0 || removed(directory_))) ::_exit(0);
      ::poll(polled_, gather(alone), alone ? look_round : -1);
      // In the order of their coming: what one that was killed has sent counts before its successor asks.
      for (std::size_t i = 0; i < peer_count_;) i = serve(peers_[i]) ? i + 1 : leave(i);
      accept();
      if (alone) look_around();
    }
  }

 private:
  nfds_t gather(bool alone) {
    nfds_t count = 0;
    if (peer_count_ < most_peers) polled_[count++] = {listener_, POLLIN, 0};
    for (std::size_t i = 0; i < peer_count_; ++i) polled_[count++] = {peers_[i], POLLIN, 0};
    // A FIFO whose writers are gone would be reported again and again.
    for (std::size_t i = 0; alone && i < count_; ++i) {
      if (entries_[i].item.kind == Kind::notify || entries_[i].item.kind == Kind::process)
        polled_[count++] = {entries_[i].fd, POLLIN, 0};
    }
    return count;
  }

  void accept() {
    while (peer_count_ < most_peers) {
      const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      ucred who{};
      socklen_t size = sizeof who;
      const bool known = ::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
                         (who.uid == 0 || who.uid == ::geteuid());
      if (known) {
        peers_[peer_count_++] = peer;
      } else {
        ::close(peer);
      }
    }
  }

  std::size_t leave(std::size_t index) {
    ::close(peers_[index]);
    for (std::size_t i = index + 1; i < peer_count_; ++i) peers_[i - 1] = peers_[i];
    --peer_count_;
    return index;
  }

  /// False when it is gone.
  bool serve(int peer) {
    for (;;) {
      alignas(Head) std::array<char, most_bytes> bytes;
      std::array<int, most_items> fds;
      const Packet packet = receive_packet(peer, bytes.data(), bytes.size(), fds.data(), MSG_DONTWAIT);
      if (packet.size < 0) return errno == EAGAIN;
      Head head;
      const auto size = static_cast<std::size_t>(packet.size);
      if (size >= sizeof head) std::memcpy(&head, bytes.data(), sizeof head);
      const bool sound = size >= sizeof head && head.magic == magic && head.count <= most_items &&
                         size >= sizeof head + head.count * sizeof(Item);
      std::array<Item, most_items> items;
      if (sound) std::memcpy(items.data(), bytes.data() + sizeof head, head.count * sizeof(Item));
      if (sound && head.verb == Verb::end) ::_exit(0);
      std::size_t taken = 0;
      if (sound && head.verb == Verb::keep && head.count == packet.descriptors) {
        for (; taken < head.count; ++taken) keep(items[taken], fds[taken]);
      }
      for (std::size_t i = taken; i < packet.descriptors; ++i) ::close(fds[i]);
      if (packet.size == 0) return false;
      if (sound && head.verb == Verb::drop) {
        for (std::size_t i = 0; i < head.count; ++i) drop(items[i].number);
      }
      if (sound && head.verb == Verb::tell && !tell(peer)) return false;
    }
  }

  void keep(const Item& item, int fd) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (entries_[i].item.number != item.number || entries_[i].item.kind != item.kind) continue;
      ::close(std::exchange(entries_[i].fd, fd));
      return;
    }
    if (count_ == most_entries) {
      ::close(fd);
      return;
    }
    entries_[count_++] = {item, fd, 0};
  }

  void remove(std::size_t index) {
    ::close(entries_[index].fd);
    if (index != --count_) {
      entries_[index] = entries_[count_];
      texts_[index] = texts_[count_];
    }
  }

  void drop(std::int64_t number) {
    for (std::size_t i = count_; i-- > 0;) {
      if (entries_[i].item.number == number) remove(i);
    }
  }

  bool tell(int peer) {
    for (std::size_t i = 0; i < count_; ++i) {
      Entry& entry = entries_[i];
      std::array<char, sizeof(Head) + sizeof(Item) + most_text> bytes;
      const Head head{magic, Verb::held, 1, 0};
      std::memcpy(bytes.data(), &head, sizeof head);
      std::memcpy(bytes.data() + sizeof head, &entry.item, sizeof entry.item);
      std::memcpy(bytes.data() + sizeof head + sizeof entry.item, texts_[i].data(), entry.said);
      const std::size_t size = sizeof head + sizeof entry.item + entry.said;
      const bool passed = entry.item.kind == Kind::notify;
      if (!send_packet(peer, bytes.data(), size, &entry.fd, passed ? 1 : 0)) return false;
      entry.said = 0;
    }
    const Head head{magic, Verb::all_told, 0, 0};
    return send_packet(peer, &head, sizeof head, nullptr, 0);
  }

  /// A sender must not wait for a reader that is not there, so its socket is emptied; of what it says the
  /// last word on being ready counts.
  void listen_to(std::size_t index) {
    Entry& entry = entries_[index];
    for (;;) {
      std::array<char, 4096> text;
      pid_t sender = 0;
      const ssize_t got = receive_datagram(entry.fd, text.data(), text.size(), sender, Reading::taken);
      if (got < 0) return;
      const auto size = static_cast<std::size_t>(got);
      if (size > text.size() || !is_worth_keeping(text.data(), size)) continue;
      entry.said = static_cast<std::uint32_t>(size < most_text ? size : most_text);
      entry.item.sender = sender;
      std::memcpy(texts_[index].data(), text.data(), entry.said);
    }
  }

  void look_around() {
    for (std::size_t i = count_; i-- > 0;) {
      const int fd = entries_[i].fd;
      switch (entries_[i].item.kind) {
        case Kind::notify:
          listen_to(i);
          break;
        case Kind::process:
          if (events_of(fd) != 0) forget_process(entries_[i].item.number);
          i = i < count_ ? i : count_;
          break;
        default:
          if (removed(fd) || (events_of(fd) & (POLLIN | POLLHUP)) == POLLHUP) remove(i);
      }
    }
  }

  /// Of a process that has ended only its output may still matter.
  void forget_process(std::int64_t number) {
    for (std::size_t i = count_; i-- > 0;) {
      const Item& item = entries_[i].item;
      if (item.number == number && (item.kind == Kind::notify || item.kind == Kind::process)) remove(i);
    }
  }

  int listener_;
  int directory_;
  std::array<int, most_peers> peers_{};
  std::size_t peer_count_ = 0;
  Entry* entries_ = nullptr;
  std::array<char, most_text>* texts_ = nullptr;
  std::size_t count_ = 0;
  pollfd* polled_ = nullptr;
};

/// The heap of the program this is a fork of: as long as that changes its own, each page would be there
/// twice.
void give_up_heap() {
  const int fd = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 16384> text;
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() - 1 && (got = ::read(fd, text.data() + size, text.size() - 1 - size)) > 0)
    size += static_cast<std::size_t>(got);
  ::close(fd);
  text[size] = 0;
  const char* const heap = std::strstr(text.data(), "[heap]\n");
  if (heap == nullptr) return;
  const char* line = heap;
  while (line > text.data() && line[-1] != '\n') --line;
  char* end = nullptr;
  const auto from = std::strtoul(line, &end, 16);
  if (*end != '-') return;
  const auto to = std::strtoul(end + 1, nullptr, 16);
  if (to > from) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

void reset_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

[[noreturn]] void become_keeper(int listener, int first, int directory) {
  ::setsid();
  reset_signals();
  ::prctl(PR_SET_NAME, "dumb-keeper", 0, 0, 0);
  if (::chdir("/") != 0) ::_exit(1);
  const int nothing = ::open("/dev/null", O_RDWR);
  // Above those it is put on first, so that none is overwritten.
  std::array<int, 6> from{nothing, nothing, nothing, listener, first, directory};
  for (int& fd : from) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 16);
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] < 0 || ::dup2(from[i], static_cast<int>(i)) < 0) ::_exit(1);
  }
  if (::syscall(SYS_close_range, 6U, ~0U, 0U) != 0) {
    for (int fd = 6; fd < 65536; ++fd) ::close(fd);
  }
  give_up_heap();
  Keeper(3, 4, 5).run();
}

}  // namespace dumb::supervisor::keeper
