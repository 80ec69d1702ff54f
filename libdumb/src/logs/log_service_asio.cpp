#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <ctime>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/logs/redact.hpp>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "logs/capture_asio.hpp"
#include "logs/main_log_posix.hpp"

namespace dumb::logs {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr std::size_t most_queued = 1U
                                    << 16U;  ///< records of the program itself that wait for the log thread
constexpr auto console_retry = 20ms;
constexpr auto console_farewell = 1000ms;

/// Signals belong to the threads that expect them. Also, SIGPIPE must not end the program.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

/// Members above the line are shared and guarded by the mutex or atomic; those below belong to the log
/// thread.
class LogService::Impl {
 public:
  explicit Impl(MainLogOptions options)
      : threshold_(options.threshold),
        main_(std::move(options)),
        console_timer_(io_),
        context_{io_,
                 main_,
                 clock_,
                 [this] { return redactor(); },
                 [this] { flush_main(); },
                 std::vector<char>(64U << 10U)},
        work_(io_.get_executor()) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    asio::post(io_, [this] { stop(); });
    thread_.join();
  }

  void write(Level level, std::string_view message) {
    if (level < threshold_.load(std::memory_order_relaxed)) return;
    const std::int64_t now = std::time(nullptr);
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= most_queued) {
      ++unqueued_;
    } else {
      enqueue(Record{level, now, std::string(message)});
    }
  }

  void configure(MainLogOptions options) {
    threshold_ = options.threshold;
    const std::lock_guard lock(mutex_);
    enqueue(std::move(options));
  }

  void set_secrets(std::vector<std::string> secrets) {
    Redactor next(std::move(secrets));
    const std::lock_guard lock(mutex_);
    redactor_ = std::move(next);
  }

  CaptureId attach(CaptureSpec spec) {
    const CaptureId id = ++last_capture_;
    asio::post(io_, [this, id, spec = std::move(spec)]() mutable {
      const auto capture = std::make_shared<Capture>(context_, std::move(spec));
      captures_.emplace(id, capture);
      capture->start();
    });
    return id;
  }

  void set_threshold(CaptureId id, Level level) {
    asio::post(io_, [this, id, level] {
      if (const auto found = captures_.find(id); found != captures_.end())
        found->second->set_threshold(level);
    });
  }

  void finish(CaptureId id, std::chrono::milliseconds limit, std::function<void(std::string)> done) {
    asio::post(io_, [this, id, limit, done = std::move(done)]() mutable {
      const auto found = captures_.find(id);
      if (found == captures_.end()) {
        if (done) done({});
        return;
      }
      const std::shared_ptr<Capture> capture = found->second;
      capture->finish(
          limit, [this, id] { captures_.erase(id); }, std::move(done));
    });
  }

  void flush() {
    if (std::this_thread::get_id() == thread_.get_id()) return flush_everything();
    std::promise<void> done;
    asio::post(io_, [this, &done] {
      flush_everything();
      done.set_value();
    });
    done.get_future().wait();
  }

  void detach_all() {
    std::promise<void> done;
    asio::post(io_, [this, &done] {
      drain_queue();  // what is still in FIFOs is for whoever goes on
      const auto captures = captures_;
      for (const auto& [id, capture] : captures) capture->detach();
      captures_.clear();
      flush_main();
      done.set_value();
    });
    done.get_future().wait();
  }

  Subscribers& subscribers() { return main_.subscribers(); }
  std::filesystem::path main_file() const { return main_.file(); }

 private:
  struct Record {
    Level level;
    std::int64_t time;
    std::string message;
  };

  /// With the mutex held. New settings stand in the queue too, so that they divide the records before from
  /// those after them.
  void enqueue(std::variant<Record, MainLogOptions> entry) {
    queue_.push_back(std::move(entry));
    if (queue_.size() == 1) asio::post(io_, [this] { drain_queue(); });
  }

  void run() {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        // A subscriber that throws, or no memory for one record: logging goes on.
        const std::string text = fmt::format("dumb: log thread: {}\n", error.what());
        const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
        (void)done;
      }
    }
  }

  Redactor redactor() const {
    const std::lock_guard lock(mutex_);
    return redactor_;
  }

  void drain_queue() {
    std::vector<std::variant<Record, MainLogOptions>> entries;
    std::uint64_t unqueued = 0;
    Redactor redact;
    {
      const std::lock_guard lock(mutex_);
      entries.swap(queue_);
      unqueued = std::exchange(unqueued_, 0);
      redact = redactor_;
    }
    for (auto& entry : entries) {
      if (auto* options = std::get_if<MainLogOptions>(&entry)) {
        apply(std::move(*options));
      } else {
        add(std::get<Record>(entry), redact);
      }
    }
    clock_.update();
    if (unqueued != 0) {
      main_.add_own(Level::warning,
                    fmt::format("{} records of this program were lost: too many at once", unqueued), clock_);
    }
    if (!entries.empty() || unqueued != 0) flush_main();
  }

  void add(const Record& record, const Redactor& redact) {
    clock_.set(record.time);
    const bool valid = text::is_utf8(record.message);
    main_.add_own(record.level, redact.lines(valid ? record.message : text::to_utf8(record.message)), clock_);
  }

  void apply(MainLogOptions options) {
    clock_.update();
    main_.flush(clock_);
    main_.configure(std::move(options));
    for (const auto& [id, capture] : captures_) capture->set_options(main_.sink_options());
  }

  void flush_main() {
    if (main_.flush(clock_) || console_waits_ || stopping_) return;
    console_waits_ = true;
    console_timer_.expires_after(console_retry);
    console_timer_.async_wait([this](const boost::system::error_code& error) {
      console_waits_ = false;
      if (!error) flush_main();
    });
  }

  void flush_everything() {
    drain_queue();
    const auto captures = captures_;
    for (const auto& [id, capture] : captures) capture->poll();
    flush_main();
  }

  void stop() {
    flush_everything();
    const auto captures = captures_;
    for (const auto& [id, capture] : captures) capture->close();
    captures_.clear();
    stopping_ = true;
    console_timer_.cancel();
    drain_queue();
    main_.flush(clock_);
    main_.drain_console(console_farewell);
    work_.reset();
  }

  mutable std::mutex mutex_;
  std::vector<std::variant<Record, MainLogOptions>> queue_;
  std::uint64_t unqueued_ = 0;
  Redactor redactor_;
  std::atomic<Level> threshold_;
  std::atomic<CaptureId> last_capture_{0};
  asio::io_context io_{1};
  // ---- log thread ----
  RecordClock clock_;
  MainLog main_;
  asio::steady_timer console_timer_;
  bool console_waits_ = false;
  bool stopping_ = false;
  CaptureContext context_;
  std::map<CaptureId, std::shared_ptr<Capture>> captures_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

LogService::LogService(MainLogOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
LogService::~LogService() = default;

void LogService::write(Level level, std::string_view message) {
  impl_->write(level, message);
}
void LogService::configure(MainLogOptions options) {
  impl_->configure(std::move(options));
}
void LogService::set_secrets(std::vector<std::string> secrets) {
  impl_->set_secrets(std::move(secrets));
}
CaptureId LogService::attach(CaptureSpec spec) {
  return impl_->attach(std::move(spec));
}
void LogService::set_threshold(CaptureId id, Level level) {
  impl_->set_threshold(id, level);
}
void LogService::finish(CaptureId id, std::chrono::milliseconds limit,
                        std::function<void(std::string tail)> done) {
  impl_->finish(id, limit, std::move(done));
}
void LogService::detach_all() {
  impl_->detach_all();
}
std::uint64_t LogService::subscribe(std::function<void(const std::string& line)> callback) {
  return impl_->subscribers().add(std::move(callback));
}
void LogService::unsubscribe(std::uint64_t id) {
  impl_->subscribers().remove(id);
}
void LogService::flush() {
  impl_->flush();
}
std::filesystem::path LogService::main_file() const {
  return impl_->main_file();
}

void settle_captures(const std::filesystem::path& directory) {
  settle_journals(directory);
}
bool awaited_line_seen(const std::filesystem::path& journal) {
  return Journal::line_seen(journal);
}
void remove_journal(const std::filesystem::path& journal) {
  Journal::remove(journal);
}

}  // namespace dumb::logs
