// INTERIM, until log_service_asio.cpp, log_reader_posix.cpp and redact.cpp land: whoever adds them deletes this file.
#include <dumb/base/clock.hpp>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_reader.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/logs/redact.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <atomic>
#include <cstdio>
#include <future>
#include <map>
#include <thread>

namespace dumb::logs {
namespace asio = boost::asio;

class LogService::Impl {
 public:
  struct Stream {
    explicit Stream(asio::io_context& io) : fd(io) {}
    asio::posix::stream_descriptor fd;
    std::string partial, tail;
    std::array<char, 65536> buffer{};
  };
  struct Capture {
    std::string name;
    bool to_main = true;
    int file = -1;
    std::shared_ptr<Stream> streams[2];
  };
  Impl(MainLogOptions o) : options(std::move(o)) {
    std::filesystem::create_directories(options.directory);
    file = options.directory / (options.name + "-interim.log");
    fd = ::open(file.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0664);
    thread = std::thread([this] { io.run(); });
  }
  ~Impl() {
    guard.reset();
    asio::post(io, [this] { captures.clear(); });
    thread.join();
    if (fd >= 0) ::close(fd);
  }
  void record(Level level, const std::string& m) {
    const std::string line = "Jan  1, 2026 00:00:00 - " + std::string(level_name(level)) + " - " + Redactor(secrets)(m) + "\n";
    if (::write(fd, line.data(), line.size()) < 0) return;
    if (options.standard_output && ::write(1, line.data(), line.size()) < 0) return;
    for (auto& [id, f] : subs) f(line.substr(0, line.size() - 1));
  }
  void read(std::uint64_t id, int which) {
    auto found = captures.find(id);
    if (found == captures.end()) return;
    auto s = found->second.streams[which];
    s->fd.async_wait(asio::posix::descriptor_base::wait_read, [this, id, which, s](boost::system::error_code e) {
      if (e || !captures.contains(id)) return;
      if (drain(captures[id], which)) read(id, which);
    });
  }
  bool drain(Capture& c, int which) {
    auto& s = *c.streams[which];
    for (;;) {
      const ssize_t n = ::read(s.fd.native_handle(), s.buffer.data(), s.buffer.size());
      if (n == 0) return false;
      if (n < 0) return true;
      s.partial.append(s.buffer.data(), static_cast<size_t>(n));
      size_t at = 0;
      for (size_t e = s.partial.find('\n'); e != std::string::npos; e = s.partial.find('\n', at)) {
        line(c, s, s.partial.substr(at, e - at));
        at = e + 1;
      }
      s.partial.erase(0, at);
    }
  }
  void line(Capture& c, Stream& s, const std::string& raw) {
    const std::string t = text::to_utf8(raw);
    s.tail += t + "\n";
    if (s.tail.size() > 4096) s.tail.erase(0, s.tail.size() - 2048);
    if (c.file >= 0 && ::write(c.file, (t + "\n").data(), t.size() + 1) < 0) return;
    if (c.to_main) record(Level::info, c.name + " subprocess: " + t);
  }
  MainLogOptions options;
  std::filesystem::path file;
  int fd = -1;
  std::vector<std::string> secrets;
  asio::io_context io;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard{asio::make_work_guard(io)};
  std::thread thread;
  std::map<std::uint64_t, Capture> captures;
  std::map<std::uint64_t, std::function<void(const std::string&)>> subs;
  std::atomic<std::uint64_t> next{1};
};

LogService::LogService(MainLogOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
LogService::~LogService() = default;
void LogService::write(Level level, std::string_view message) {
  asio::post(impl_->io, [this, level, m = std::string(message)] { impl_->record(level, m); });
}
void LogService::configure(MainLogOptions options) { asio::post(impl_->io, [this, options] { impl_->options = options; }); }
void LogService::set_secrets(std::vector<std::string> secrets) { asio::post(impl_->io, [this, secrets] { impl_->secrets = secrets; }); }
CaptureId LogService::attach(CaptureSpec spec) {
  const auto id = impl_->next++;
  auto shared = std::make_shared<CaptureSpec>(std::move(spec));
  asio::post(impl_->io, [this, id, shared] {
    auto& c = impl_->captures[id];
    c.name = shared->process_name;
    c.to_main = shared->to_main_log;
    if (!shared->file.empty()) {
      std::error_code e;
      std::filesystem::create_directories(shared->file.parent_path(), e);
      c.file = ::open(shared->file.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0664);
    }
    for (int i : {0, 1}) {
      c.streams[i] = std::make_shared<Impl::Stream>(impl_->io);
      auto& fd = i == 0 ? shared->standard_output : shared->standard_error;
      ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
      c.streams[i]->fd.assign(fd.release());
      impl_->read(id, i);
    }
  });
  return id;
}
void LogService::set_threshold(CaptureId, Level) {}
void LogService::finish(CaptureId id, std::chrono::milliseconds, std::function<void(std::string)> done) {
  asio::post(impl_->io, [this, id, done] {
    auto found = impl_->captures.find(id);
    std::string tail;
    if (found != impl_->captures.end()) {
      for (int i : {0, 1}) {
        auto& s = *found->second.streams[i];
        impl_->drain(found->second, i);
        if (!s.partial.empty()) impl_->line(found->second, s, std::exchange(s.partial, {}));
        boost::system::error_code e;
        s.fd.close(e);
      }
      tail = found->second.streams[1]->tail.empty() ? found->second.streams[0]->tail : found->second.streams[1]->tail;
      if (found->second.file >= 0) ::close(found->second.file);
      impl_->captures.erase(found);
    }
    done(std::string(text::trim(tail)));
  });
}
std::uint64_t LogService::subscribe(std::function<void(const std::string&)> f) {
  const auto id = impl_->next++;
  asio::post(impl_->io, [this, id, f] { impl_->subs[id] = f; });
  return id;
}
void LogService::unsubscribe(std::uint64_t id) { asio::post(impl_->io, [this, id] { impl_->subs.erase(id); }); }
void LogService::flush() {
  std::promise<void> p;
  asio::post(impl_->io, [&] { p.set_value(); });
  p.get_future().wait();
}
std::filesystem::path LogService::main_file() const { return impl_->file; }
}  // namespace dumb::logs
