// What the clients of the live channels get.
#include "engine/feeds.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <ctime>
#include <vector>

#include "logs/main_log_posix.hpp"

namespace dumb::engine {

namespace asio = boost::asio;
using realtime::LineOutbox;
using realtime::Message;
using Time = std::chrono::steady_clock::time_point;

namespace {

/// How long a built status stands when nothing is known to have changed.
constexpr std::chrono::milliseconds status_age{200};

Message missing_lines(std::size_t count) {
  logs::RecordClock clock;
  clock.update();
  std::string record;
  logs::begin_record(record, clock.text(), Level::warning);
  record += fmt::format("{} lines are missing here: this connection did not keep up", count);
  return std::make_shared<const std::string>(std::move(record));
}

}  // namespace

LineRelay::LineRelay(asio::io_context& context, std::function<void()> deliver)
    : context_(context), deliver_(std::move(deliver)), lines_({}, nullptr) {}

void LineRelay::add(const std::string& line) {
  auto message = std::make_shared<const std::string>(line);
  {
    const std::lock_guard lock(mutex_);
    lines_.put(std::move(message));
    if (std::exchange(posted_, true)) return;
  }
  asio::post(context_, [self = shared_from_this()] { self->deliver_(); });
}

LineRelay::Batch LineRelay::take() {
  Batch batch;
  const std::lock_guard lock(mutex_);
  posted_ = false;
  batch.dropped = lines_.take_dropped();
  while (Message line = lines_.take()) batch.lines.push_back(std::move(line));
  return batch;
}

/// What all feeds have in common: the hub, the client's right to be there, and its readiness.
class FeedBase : public Feed {
 public:
  FeedBase(std::shared_ptr<FeedHub> hub, realtime::Request request)
      : hub_(std::move(hub)), request_(std::move(request)) {}

  std::optional<std::string> refusal() override {
    if (!hub_->parts_) return std::nullopt;
    auth::Service& auth = hub_->parts_->auth();
    if (session_) {
      if (auth.may_stay(*session_)) return std::nullopt;
      return "the access token is not valid any more";
    }
    auto session = auth.begin_session(request_.token);
    if (!session) return "a valid access token is needed: " + session.error().message();
    session_ = std::move(*session);
    return std::nullopt;
  }
  std::string_view answer(std::string_view text) const override {
    return realtime::is_ping(text) ? "pong" : std::string_view();
  }

 protected:
  void tell() const {
    if (ready_) ready_();
  }
  std::shared_ptr<FeedHub> hub_;
  realtime::Request request_;
  std::function<void()> ready_;

 private:
  std::optional<auth::Session> session_;
};

class FeedHub::LogFeed final : public FeedBase {
 public:
  using FeedBase::FeedBase;
  ~LogFeed() override { hub_->remove(*this); }
  void begin(std::function<void()> ready) override {
    ready_ = std::move(ready);
    hub_->add(*this);
  }
  Message take() override { return lines_.take(); }

  void add(const LineRelay::Batch& batch) {
    lines_.add_dropped(batch.dropped);
    for (const Message& line : batch.lines) lines_.put(line);
    tell();
  }

 private:
  LineOutbox lines_{{}, &missing_lines};
};

class FeedHub::StatusFeed final : public FeedBase, public std::enable_shared_from_this<StatusFeed> {
 public:
  StatusFeed(std::shared_ptr<FeedHub> hub, realtime::Request request, asio::io_context& context)
      : FeedBase(std::move(hub), std::move(request)), pacer_(request_.interval), timer_(context) {}
  ~StatusFeed() override { hub_->status_feeds_.erase(this); }
  void begin(std::function<void()> ready) override {
    ready_ = std::move(ready);
    hub_->status_feeds_.insert(this);
    send();
  }
  Message take() override { return outbox_.take(); }

  void changed() {
    pacer_.changed();
    schedule();
  }

 private:
  void send() {
    if (Message message = hub_->status_message(request_.health)) outbox_.put(std::move(message));
    pacer_.sent(asio::steady_timer::clock_type::now());
    schedule();
    tell();
  }
  void schedule() {
    timer_.expires_at(pacer_.due());  // cancels the wait before
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& cancelled) {
      const auto self = weak.lock();
      if (cancelled || !self) return;
      // Not so when it was set anew while this wait, already over, was on its way here.
      if (self->timer_.expiry() <= asio::steady_timer::clock_type::now()) self->send();
    });
  }

  realtime::LatestOutbox outbox_;
  realtime::Pacer pacer_;
  asio::steady_timer timer_;
};

class FeedHub::MetricsFeed final : public FeedBase, public std::enable_shared_from_this<MetricsFeed> {
 public:
  MetricsFeed(std::shared_ptr<FeedHub> hub, realtime::Request request, asio::io_context& context)
      : FeedBase(std::move(hub), std::move(request)), timer_(context) {}

  void begin(std::function<void()> ready) override {
    ready_ = std::move(ready);
    if (!request_.bootstrap && !request_.history) return look();
    hub_->get_first_metrics(request_, [weak = weak_from_this()](Message message) {
      const auto self = weak.lock();
      if (!self) return;
      self->first_ = std::move(message);
      self->look();
      self->tell();
    });
  }
  /// What the channel begins with is never replaced.
  Message take() override { return first_ ? std::exchange(first_, nullptr) : outbox_.take(); }

 private:
  void look() {
    timer_.expires_after(request_.interval);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& cancelled) {
      const auto self = weak.lock();
      if (!cancelled && self) self->look();
    });
    // What others have just had taken is as good, but not the one this client had last.
    const auto age = std::min(std::chrono::milliseconds(1000), request_.interval / 2);
    hub_->get_snapshot(age, [weak = weak_from_this()](const Message& snapshot) {
      const auto self = weak.lock();
      if (!self || !snapshot || snapshot == self->last_) return;
      self->last_ = snapshot;
      self->outbox_.put(
          std::make_shared<const std::string>(R"({"type":"snapshot","data":)" + *snapshot + '}'));
      self->tell();
    });
  }

  Message first_;
  Message last_;  ///< nobody is told the same twice
  realtime::LatestOutbox outbox_;
  asio::steady_timer timer_;
};

FeedHub::FeedHub(Parts parts) : parts_(std::move(parts)) {}

FeedHub::~FeedHub() {
  close();
}

std::shared_ptr<Feed> FeedHub::logs(realtime::Request request) {
  return std::make_shared<LogFeed>(shared_from_this(), std::move(request));
}

std::shared_ptr<Feed> FeedHub::status(realtime::Request request) {
  return std::make_shared<StatusFeed>(shared_from_this(), std::move(request), parts_->context);
}

std::shared_ptr<Feed> FeedHub::metrics(realtime::Request request) {
  return std::make_shared<MetricsFeed>(shared_from_this(), std::move(request), parts_->context);
}

void FeedHub::get_snapshot(std::chrono::milliseconds age, Parts::Deliver deliver) {
  if (parts_) parts_->snapshot(age, std::move(deliver));
}

void FeedHub::get_first_metrics(realtime::Request request, Parts::Deliver deliver) {
  if (parts_) parts_->first_metrics(std::move(request), std::move(deliver));
}

void FeedHub::add(LogFeed& feed) {
  log_feeds_.insert(&feed);
  if (subscription_ != 0 || !parts_) return;
  auto deliver = [weak = weak_from_this()] {
    if (const auto hub = weak.lock()) hub->deliver_lines();
  };
  relay_ = std::make_shared<LineRelay>(parts_->context, std::move(deliver));
  subscription_ = parts_->log.subscribe([relay = relay_](const std::string& line) { relay->add(line); });
}

void FeedHub::remove(LogFeed& feed) {
  log_feeds_.erase(&feed);
  if (!log_feeds_.empty() || subscription_ == 0 || !parts_) return;
  parts_->log.unsubscribe(std::exchange(subscription_, 0));
  relay_.reset();
}

void FeedHub::deliver_lines() {
  if (!relay_) return;
  const LineRelay::Batch batch = relay_->take();
  for (LogFeed* feed : log_feeds_) feed->add(batch);
}

Message FeedHub::status_message(bool health) {
  if (!parts_) return nullptr;
  std::optional<Built>& built = built_[health ? 1 : 0];
  const Time now = std::chrono::steady_clock::now();
  if (!built || now - built->at >= status_age)
    built = Built{std::make_shared<const std::string>(parts_->status_text(health)), now};
  return built->message;
}

void FeedHub::changed() {
  built_[0].reset();
  built_[1].reset();
  if (status_feeds_.empty() || telling_ || !parts_) return;
  telling_ = true;
  // Later: what has just changed may change further before this thread is idle.
  asio::post(parts_->context, [weak = weak_from_this()] {
    const auto hub = weak.lock();
    if (!hub) return;
    hub->telling_ = false;
    for (StatusFeed* feed : hub->status_feeds_) feed->changed();
  });
}

void FeedHub::close() {
  if (!parts_) return;
  if (subscription_ != 0) parts_->log.unsubscribe(std::exchange(subscription_, 0));
  relay_.reset();
  parts_.reset();
}

}  // namespace dumb::engine
