#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/jobs/runner.hpp>
#include <map>
#include <optional>
#include <utility>

namespace dumb::jobs {

namespace asio = boost::asio;

class Runner::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, Log& log, RunnerOptions options)
      : executor_(std::move(executor)),
        log_(log),
        options_(std::move(options)),
        clock_(options_.clock == nullptr ? system_clock() : *options_.clock),
        table_(options_.limits),
        store_(options_.directory),
        timer_(executor_),
        cleanup_(executor_),
        changed_(executor_) {}

  void restore(std::vector<Job> history, const std::function<Failure(const Job&)>& interrupted) {
    for (Job& job : history) {
      const std::string id = job.job_id;
      const bool cut_short = job.active();
      const Failure failure = cut_short ? interrupted(job) : Failure{};
      table_.restore(std::move(job), failure, clock_.wall());
      if (cut_short) record(id);
    }
    clean_up();
  }

  void amend(const std::string& job_id, Failure interrupted) {
    if (table_.amend(job_id, std::move(interrupted))) record(job_id);
  }

  Result<Job> submit(Order order, Work work) {
    if (closed_) return Error(Errc::unavailable, "DUMB is shutting down");
    clean_up();
    const auto added = table_.add(std::move(order), clock_.wall());
    if (!added) return added.error();
    Job job = **added;
    work_[job.job_id] = {std::make_shared<Work>(std::move(work)), {}};
    record(job.job_id);
    start_next();
    return job;
  }

  Result<Table::Cancelled> cancel(const std::string& job_id, std::string_view code) {
    const auto cancelled = table_.cancel(job_id, code, clock_.wall());
    if (!cancelled) return cancelled;
    if (*cancelled == Table::Cancelled::requested) {
      work_[job_id].stop.request_stop();
    } else {
      over(job_id);
    }
    return cancelled;
  }

  asio::awaitable<void> shutdown() {
    co_await asio::this_coro::throw_if_cancelled(false);
    refuse();
    const SteadyTime end = system_clock().now() + options_.shutdown_limit;
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    while (!idle() && system_clock().now() < end) {
      changed_.expires_at(end);
      co_await changed_.async_wait(token);
    }
    if (!idle()) log_.warning("jobs have not ended in time; what they left is settled at the next start");
  }

  bool idle() const noexcept { return table_.active() == 0 && attempts_ == 0 && writes_ == 0; }
  const Table& table() const noexcept { return table_; }

  /// Nothing runs afterwards on other threads.
  void close() {
    refuse();
    closed_ = true;
    if (pool_) pool_->join();
    if (disk_) disk_->join();
  }

 private:
  struct Waiting {
    std::shared_ptr<Work> work;
    std::stop_source stop;
  };

  class Worker final : public Attempt {
   public:
    Worker(std::shared_ptr<Impl> owner, std::string job_id, std::stop_token stop)
        : owner_(std::move(owner)), job_id_(std::move(job_id)), stop_(std::move(stop)) {}
    const std::string& job_id() const noexcept override { return job_id_; }
    std::stop_token stop() const noexcept override { return stop_; }
    void progress(json::object progress) override {
      asio::post(owner_->executor_, [owner = owner_, id = job_id_, progress = std::move(progress)]() mutable {
        owner->progressed(id, std::move(progress));
      });
    }

   private:
    std::shared_ptr<Impl> owner_;
    std::string job_id_;
    std::stop_token stop_;
  };

  void refuse() {
    if (closed_) return;
    closed_ = true;
    timer_.cancel();
    cleanup_.cancel();
    std::vector<std::string> active;
    for (const Job* job : table_.all()) {
      if (job->active()) active.push_back(job->job_id);
    }
    for (const std::string& job_id : active) {
      if (const auto ended = cancel(job_id, "interrupted"); !ended) log_.debug(ended.error().to_string());
    }
  }

  void start_next() {
    while (!closed_) {
      const auto job_id = table_.next();
      if (!job_id) break;
      attempt(*job_id);
    }
  }

  void attempt(const std::string& job_id) {
    if (!pool_) pool_.emplace(options_.limits.running);
    const Waiting& waiting = work_[job_id];
    ++attempts_;
    auto task = [self = shared_from_this(), job_id, work = waiting.work, stop = waiting.stop.get_token()] {
      Worker worker(self, job_id, stop);
      Outcome outcome;
      try {
        outcome = (*work)(worker);
      } catch (const std::exception& broken) {
        outcome.end = Outcome::End::failed;
        outcome.failure = {broken.what(), "internal", std::nullopt};
      }
      asio::post(self->executor_, [self, job_id, outcome = std::move(outcome)]() mutable {
        self->finished(job_id, std::move(outcome));
      });
    };
    asio::post(*pool_, std::move(task));
  }

  void progressed(const std::string& job_id, json::object progress) {
    const Job* job = table_.find(job_id);
    if (job == nullptr || !job->active()) return;
    const bool first = job->status == Status::queued;
    table_.progressed(job_id, std::move(progress), clock_.wall());
    if (first) record(job_id);
  }

  void finished(const std::string& job_id, Outcome outcome) {
    --attempts_;
    if (table_.finish(job_id, std::move(outcome), clock_.wall())) {
      over(job_id);
      table_.retry();
    } else {
      retry_later();
    }
    start_next();
  }

  void over(const std::string& job_id) {
    work_.erase(job_id);
    record(job_id);
    if (options_.ended) options_.ended(*table_.find(job_id));
  }

  void retry_later() {
    if (closed_ || retrying_) return;
    retrying_ = true;
    timer_.expires_after(options_.retry_pause);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
      self->retrying_ = false;
      if (cancelled || self->closed_) return;
      self->table_.retry();
      self->start_next();
    });
  }

  void clean_up() {
    for (const std::string& job_id : table_.expire(clock_.wall())) {
      on_disk([store = store_, job_id] {
        store.remove(job_id);
        return Result<void>();
      });
    }
    if (closed_ || table_.all().empty()) return;
    cleanup_.expires_after(std::chrono::hours(1));
    cleanup_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
      if (!cancelled && !self->closed_) self->clean_up();
    });
  }

  void record(const std::string& job_id) {
    on_disk([store = store_, job = *table_.find(job_id)] { return store.save(job); });
  }

  /// In the order asked for, on one thread.
  template <class F>
  void on_disk(F work) {
    if (!disk_) disk_.emplace(1);
    ++writes_;
    asio::post(*disk_, [self = shared_from_this(), work = std::move(work)]() mutable {
      const Result<void> done = work();
      std::string failure = done ? std::string() : done.error().to_string();
      asio::post(self->executor_, [self, failure = std::move(failure)] {
        --self->writes_;
        if (!failure.empty()) self->log_.error("the history of jobs is not written: " + failure);
        self->changed_.cancel();
      });
    });
  }

  asio::any_io_executor executor_;
  Log& log_;
  RunnerOptions options_;
  const Clock& clock_;
  Table table_;
  Store store_;
  std::map<std::string, Waiting> work_;
  asio::steady_timer timer_;
  asio::steady_timer cleanup_;
  asio::steady_timer changed_;  // cancelled when something is over
  std::optional<asio::thread_pool> pool_;
  std::optional<asio::thread_pool> disk_;
  std::size_t attempts_ = 0;
  std::size_t writes_ = 0;
  bool retrying_ = false;
  bool closed_ = false;
};

Runner::Runner(asio::any_io_executor executor, Log& log, RunnerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), log, std::move(options))) {}

Runner::~Runner() {
  impl_->close();
}

void Runner::restore(std::vector<Job> history, const std::function<Failure(const Job&)>& interrupted) {
  impl_->restore(std::move(history), interrupted);
}

void Runner::amend(const std::string& job_id, Failure interrupted) {
  impl_->amend(job_id, std::move(interrupted));
}

Result<Job> Runner::submit(std::string operation, std::string process_name, json::object metadata,
                           Work work) {
  Order order{new_job_id(), std::move(process_name), std::move(operation), std::move(metadata)};
  return impl_->submit(std::move(order), std::move(work));
}

Result<Table::Cancelled> Runner::cancel(const std::string& job_id) {
  return impl_->cancel(job_id, "cancelled");
}

const Table& Runner::table() const noexcept {
  return impl_->table();
}

asio::awaitable<void> Runner::shutdown() {
  return impl_->shutdown();
}

bool Runner::idle() const noexcept {
  return impl_->idle();
}

}  // namespace dumb::jobs
