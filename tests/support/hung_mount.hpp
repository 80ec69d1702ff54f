#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "support/support.hpp"

namespace dumb::test {

/// A mount whose file system takes every request up and answers none: whoever asks it anything sleeps
/// uninterruptibly, SIGKILL or not, until it is released.
class HungMount {
 public:
  /// `point` is made. nullptr where file systems in user space cannot be mounted.
  static std::unique_ptr<HungMount> make(const std::filesystem::path& point) {
    std::filesystem::create_directories(point);
    UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!device) return nullptr;
    const std::string options =
        "fd=" + std::to_string(device.get()) + ",rootmode=40755,user_id=0,group_id=0,allow_other";
    if (::mount("dumb-test", point.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return nullptr;
    std::unique_ptr<HungMount> mount(new HungMount(point, std::move(device)));
    return mount->greeted() ? std::move(mount) : nullptr;
  }
  ~HungMount() { release(); }
  HungMount(const HungMount&) = delete;
  HungMount& operator=(const HungMount&) = delete;

  const std::filesystem::path& point() const { return point_; }
  /// How many requests wait for an answer that does not come.
  int asked() const { return asked_; }
  /// Everybody who waits gets an error, and the mount is gone.
  void release() {
    if (!device_) return;
    stop_ = true;
    reader_.join();
    device_.reset();  // ends the connection
    ::umount2(point_.c_str(), MNT_DETACH);
  }

 private:
  HungMount(std::filesystem::path point, UniqueFd device)
      : point_(std::move(point)), device_(std::move(device)), reader_([this] { read(); }) {}

  bool greeted() {
    return eventually([this] { return greeted_.load(); });
  }
  void read() {
    std::array<char, 1U << 18U> buffer;
    while (!stop_) {
      pollfd waiting{device_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 5) <= 0) continue;
      const ssize_t got = ::read(device_.get(), buffer.data(), buffer.size());
      if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
      fuse_in_header request{};
      std::memcpy(&request, buffer.data(), sizeof request);
      if (request.opcode == FUSE_INIT) {
        greet(request);
      } else if (request.opcode != FUSE_INTERRUPT && request.opcode != FUSE_FORGET) {
        ++asked_;
      }
    }
  }
  void greet(const fuse_in_header& request) {
    struct {
      fuse_out_header head;
      fuse_init_out body;
    } answer{};
    answer.head.len = sizeof answer;
    answer.head.unique = request.unique;
    answer.body.major = FUSE_KERNEL_VERSION;
    answer.body.minor = FUSE_KERNEL_MINOR_VERSION;
    answer.body.max_write = 4096;
    greeted_ = ::write(device_.get(), &answer, sizeof answer) == static_cast<ssize_t>(sizeof answer);
  }

  std::filesystem::path point_;
  UniqueFd device_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> greeted_{false};
  std::atomic<int> asked_{0};
  std::thread reader_;
};

}  // namespace dumb::test
