#include "logs/main_log_posix.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "logs/record.hpp"

namespace dumb::logs {

void RecordClock::update() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  set(now.tv_sec);
}

void RecordClock::set(std::int64_t unix_seconds) {
  if (unix_seconds == seconds_) return;
  seconds_ = unix_seconds;
  time_ = local_time(unix_seconds);
  text_ = stamp(time_);
}

std::uint64_t Subscribers::add(std::function<void(const std::string&)> callback) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(
      {++last_, std::make_shared<const std::function<void(const std::string&)>>(std::move(callback))});
  any_ = true;
  return last_;
}

void Subscribers::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
  any_ = !entries_.empty();
}

void Subscribers::tell(const std::string& record) {
  if (!any_) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < entries_.size();) {
    const std::uint64_t id = entries_[i].id;
    const auto callback = entries_[i].callback;  // outlives a callback that removes itself
    (*callback)(record);
    if (i < entries_.size() && entries_[i].id == id) ++i;
  }
}

void begin_record(std::string& record, const std::string& stamp, Level level) {
  record = stamp;
  record += " - ";
  record += level_name(level);
  record += " - ";
}

MainLog::MainLog(MainLogOptions options) : options_(std::move(options)), console_(STDOUT_FILENO) {
  RecordClock clock;
  clock.update();
  open_file(clock.time());
}

void MainLog::open_file(const LocalTime& now) {
  auto path = options_.directory / fmt::format("{}-{}.log", options_.name, now.date.to_string());
  sink_ = std::make_unique<FileSink>(path, sink_options());
  if (!sink_->open(now)) {
    const std::string text = fmt::format("dumb: the main log is not written: {}\n", sink_->last_error());
    const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
    (void)done;
  }
  const std::lock_guard lock(path_mutex_);
  path_ = std::move(path);
}

void MainLog::configure(MainLogOptions options) {
  const bool moved = options.directory != options_.directory || options.name != options_.name;
  options_ = std::move(options);
  if (moved) {
    RecordClock clock;
    clock.update();
    sink_->flush(clock.time());
    const auto loss = sink_->take_loss();
    const std::filesystem::path before = sink_->file();
    open_file(clock.time());
    if (loss) tell_loss(before, *loss, clock);
  } else {
    sink_->set_options(sink_options());
  }
}

FileSinkOptions MainLog::sink_options() const {
  return {options_.max_size, options_.keep, options_.days, options_.uid, options_.gid};
}

void MainLog::add(Level level, const std::string& record, const LocalTime& time) {
  sink_->add(record, time);
  if (options_.standard_output)
    console_.append(record, options_.color ? color_of(level) : std::string_view());
  subscribers_.tell(record);
}

void MainLog::add_own(Level level, std::string_view message, const RecordClock& clock) {
  std::string record;
  begin_record(record, clock.text(), level);
  append_message(record, message);
  if (sink_->writes_for(record.size(), clock.time())) sink_->flush(clock.time());
  add(level, record, clock.time());
}

bool MainLog::flush(RecordClock& clock) {
  sink_->flush(clock.time());
  if (const auto loss = sink_->take_recovered()) {
    add_own(Level::error, fmt::format("{} lines of this log were lost: {}", loss->lines, loss->reason),
            clock);
    sink_->flush(clock.time());
  }
  if (!untold_.empty()) tell_losses(clock);
  if (sink_->file() != path_) {
    const std::lock_guard lock(path_mutex_);
    path_ = sink_->file();
  }
  const bool all = console_.flush();
  if (const std::uint64_t dropped = console_.take_dropped(); dropped != 0) {
    add_own(Level::warning,
            fmt::format("standard output did not keep up, {} records are missing there", dropped), clock);
    sink_->flush(clock.time());
  }
  return all;
}

void MainLog::tell_loss(const std::filesystem::path& file, const Loss& loss, const RecordClock& clock) {
  constexpr std::size_t most = 1000;  // of an outage that lasts, with services that come and go
  if (untold_.size() < most)
    untold_.push_back(fmt::format("{} lines of {} were lost: {}", loss.lines, file.native(), loss.reason));
  sink_->flush(clock.time());
  tell_losses(clock);
}

/// One at a time is written before the next is forgotten.
void MainLog::tell_losses(const RecordClock& clock) {
  while (!untold_.empty() && !sink_->losing()) {
    add_own(Level::error, untold_.front(), clock);
    sink_->flush(clock.time());
    if (!sink_->losing()) untold_.erase(untold_.begin());
  }
}

std::filesystem::path MainLog::file() const {
  const std::lock_guard lock(path_mutex_);
  return path_;
}

}  // namespace dumb::logs
