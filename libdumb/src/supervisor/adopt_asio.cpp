// A unit's process and this program's next run: what is written down, and how it is taken over.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <utility>

#include "supervisor/records_posix.hpp"
#include "supervisor/unit_asio.hpp"

namespace dumb::supervisor {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// The reading end of a FIFO that the child holds open. One that is missing is made anew: the spool beside it
/// may hold what was read of the old one.
UniqueFd open_fifo(const std::string& path) {
  constexpr int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW;
  UniqueFd fd(::open(path.c_str(), flags));
  if (!fd && errno == ENOENT && ::mkfifo(path.c_str(), 0600) == 0) fd.reset(::open(path.c_str(), flags));
  struct stat status {};
  if (fd && (::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode))) fd.reset();
  return fd;
}

}  // namespace

/// What is known of its launch but for the process.
ChildRecord Unit::record() const {
  ChildRecord record;
  record.boot = shared_.boot;
  record.root = shared_.directory_id;
  record.process_name = name_;
  record.config_key = plan_.config_key;
  record.instance = plan_.instance;
  record.number = static_cast<std::int64_t>(number_);
  record.mark = mark_;
  record.config_hash = plan_.config_hash;
  record.one_shot = plan_.one_shot;
  record.ready = written_ready_;
  record.ending = written_ending_;
  record.completed = written_completed_;
  record.notify_address = notify_address_;
  record.captured = !plan_.discard_output;
  record.to_main_log = plan_.to_main_log;
  record.log_file = plan_.log_file.native();
  record.access_file = plan_.access_file.native();
  record.format = static_cast<std::int64_t>(plan_.format);
  record.file_level = std::string(level_name(plan_.file_threshold));
  record.note = shared_.source->note_of(name_);
  return record;
}

/// A file that cannot be written costs nothing now; a later run finds the child by its mark then.
void Unit::write_down() {
  if (!child_.pidfd) return;
  ChildRecord record = this->record();
  tell_process(record, child_, *started_at_, *started_steady_);
  if (auto written = write_record(fifo_base_, record); !written) {
    shared_.logs->warning(name_ + " is not recorded: " + written.error().to_string());
  }
}

/// What its launch was like; what only concerns the watch of its readiness is as configured now.
void Unit::restore(const Finding& finding) {
  const ChildRecord& record = finding.record;
  auto plan = shared_.source->launch_plan(name_);
  plan_ = plan ? std::move(*plan) : LaunchPlan();
  order_ = number_ = static_cast<std::uint64_t>(record.number);
  mark_ = record.mark;
  fifo_base_ = shared_.options.run_directory / file_stem(record.process_name, record.number);
  written_completed_ = false;
  started_at_ = shared_.clock->wall();
  started_steady_ = shared_.clock->now();
  if (!finding.recorded) {
    // Its mark is all there is; the kernel knows since when it lives.
    const Duration age = age_of(static_cast<std::uint64_t>(record.start_ticks));
    *started_at_ -= duration_cast<WallTime::duration>(age);
    *started_steady_ -= age;
    return;
  }
  // Work done for another configuration is to be done again.
  written_completed_ = record.completed && plan_.config_hash == record.config_hash;
  plan_.config_key = record.config_key;
  plan_.instance = record.instance;
  plan_.config_hash = record.config_hash;
  plan_.one_shot = record.one_shot;
  plan_.discard_output = !record.captured;
  plan_.to_main_log = record.to_main_log;
  plan_.log_file = record.log_file;
  plan_.access_file = record.access_file;
  plan_.format = static_cast<logs::LineFormat>(std::clamp<std::int64_t>(record.format, 0, 3));
  plan_.file_threshold = parse_level(record.file_level).value_or(Level::info);
  started_at_ = WallTime(duration_cast<WallTime::duration>(std::chrono::duration<double>(record.started_at)));
  const SteadyTime began{duration_cast<SteadyTime::duration>(nanoseconds(record.started_steady))};
  started_steady_ = std::min(began, *started_steady_);
}

/// The control group an earlier run put it into, and no other that it may be in. Its remains are looked for
/// where it would have been made.
ControlGroup Unit::found_group(const Finding& finding) const {
  const auto mark = parse_mark(finding.record.mark);
  if (!mark || shared_.options.containment != Containment::automatic) return {};
  const std::string group =
      text::slug(name_) + "-" + std::to_string(mark->supervisor) + "-" + std::to_string(mark->number);
  if (child_.pidfd)
    return group_of(child_.pid, shared_.options.run_directory, group).value_or(ControlGroup());
  if (!shared_.groups) return {};
  const std::filesystem::path directory = shared_.groups.directory() / group;
  std::error_code error;
  return std::filesystem::is_directory(directory, error) ? ControlGroup(directory) : ControlGroup();
}

void Unit::keep_notify() {
  if (!notify_.fd || !child_.pidfd) return;
  const auto number = static_cast<std::int64_t>(number_);
  shared_.keeper->keep(number, keeper::Kind::notify, notify_.fd.get());
  shared_.keeper->keep(number, keeper::Kind::process, child_.pidfd.get());
}

void Unit::keep_again() {
  if (!processes_ || plan_.discard_output) return;
  const auto number = static_cast<std::int64_t>(number_);
  shared_.keeper->keep(number, keeper::Kind::output, open_fifo(fifo_base_.native() + ".out").get());
  shared_.keeper->keep(number, keeper::Kind::failures, open_fifo(fifo_base_.native() + ".err").get());
}

void Unit::adopt(const Finding& finding) {
  const ChildRecord& record = finding.record;
  restore(finding);
  child_ = Child{};
  child_.pid = static_cast<pid_t>(record.pid);
  child_.start_ticks = static_cast<std::uint64_t>(record.start_ticks);
  adopted_ = came_before_ = true;
  if (finding.alive) child_.pidfd = open_process(child_.pid, child_.start_ticks);
  const auto stat = child_.pidfd ? read_stat(child_.pid) : std::nullopt;
  foreign_ = !stat || stat->parent != ::getpid();
  if (!foreign_) remember_child(child_.pid);  // this program has replaced itself: it is still the parent
  processes_ = make_unit_processes(membership(), found_group(finding), *shared_.table);
  written_ready_ = record.ready;
  written_ending_ = record.ending;
  told_once_ = record.ready;
  notify_address_ = record.notify_address;
  event::Adopted adopted{child_.pid, std::nullopt, {}, plan_.one_shot, started_steady_, record.ending};
  launches_ = std::max<std::int64_t>(launches_, 1);
  if (plan_.readiness) {
    const Duration gone = shared_.clock->now() - *started_steady_;
    const bool asks_log = std::holds_alternative<readiness::LogLine>(plan_.readiness->how);
    const bool ready = record.ready || (asks_log && logs::awaited_line_seen(fifo_base_));
    adopted.ready = ready;
    adopted.ready_within = std::max<Duration>(plan_.readiness->start_timeout - gone, milliseconds(0));
    told_ready_ = record.ready;
    if (asks_log) {
      awaited_line_ = std::make_shared<OneShot<bool>>(shared_.executor);
      if (ready) awaited_line_->set(true);
    }
    if (std::holds_alternative<readiness::Notify>(plan_.readiness->how) && !notify_address_.empty()) {
      notify_ = shared_.keeper->take_notify(record.number);
      if (!notify_.fd) {
        if (auto socket = open_notify_socket(notify_address_)) notify_ = std::move(*socket);
      }
    }
  }
  shared_.source->adopted(name_, record.config_key, record.note);
  keep_notify();
  if (!plan_.discard_output) {
    keep_again();
    begin_capture(open_fifo(fifo_base_.native() + ".out"), open_fifo(fifo_base_.native() + ".err"));
  }
  const bool watched = child_.pidfd && watch_pidfd(child_);
  feed(adopted);
  if (watched) {
    if (!finding.recorded) write_down();
    await_exit();
  } else {
    const ExitStatus known = written_completed_ ? ExitStatus{ExitStatus::Kind::code, 0} : ExitStatus{};
    feed(event::Exited{known, shared_.clock->wall()});
  }
}

}  // namespace dumb::supervisor
