#include "logs/console_posix.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "logs/record.hpp"

namespace dumb::logs {
namespace {

constexpr std::size_t most_pending = 1U << 20U;

bool is_regular(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

bool writable(int fd, int wait_ms) {
  pollfd poll_for{fd, POLLOUT, 0};
  return ::poll(&poll_for, 1, wait_ms) == 1;
}

}  // namespace

void Console::append(std::string_view record, std::string_view color) {
  if (gone_) return;
  if (pending_.size() - begin_ + record.size() > most_pending) {
    ++dropped_;
    return;
  }
  if (!color.empty()) pending_ += color;
  pending_ += record;
  if (!color.empty()) pending_ += color_end;
  pending_ += '\n';
}

bool Console::flush() {
  const bool regular = begin_ < pending_.size() && is_regular(fd_);
  while (begin_ < pending_.size() && !gone_) {
    // A pipe that polls writable takes PIPE_BUF bytes without blocking. The descriptor cannot be made
    // non-blocking: it is shared with whoever started us.
    if (!regular && !writable(fd_, 0)) return false;
    const std::size_t left = pending_.size() - begin_;
    const std::size_t size = regular ? left : std::min<std::size_t>(left, PIPE_BUF);
    const ssize_t done = ::write(fd_, pending_.data() + begin_, size);
    if (done >= 0) {
      begin_ += static_cast<std::size_t>(done);
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      gone_ = errno == EPIPE || errno == EBADF || errno == EIO;
      begin_ = pending_.size();
    }
  }
  pending_.clear();
  begin_ = 0;
  return true;
}

void Console::drain(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!flush()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !writable(fd_, static_cast<int>(left.count()))) return;
  }
}

std::uint64_t Console::take_dropped() {
  return pending_.size() - begin_ < most_pending / 2 ? std::exchange(dropped_, 0) : 0;
}

}  // namespace dumb::logs
