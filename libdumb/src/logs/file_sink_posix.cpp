#include "logs/file_sink_posix.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <dumb/base/atomic_file.hpp>

#include "logs/rotation.hpp"

namespace dumb::logs {
namespace {

constexpr std::size_t batch = 64U << 10U;
constexpr mode_t file_mode = 0664;

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().native());
  }
  return names;
}

}  // namespace

LocalTime local_time(std::int64_t unix_seconds) {
  const std::time_t seconds = unix_seconds;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return {{parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday}, parts.tm_hour, parts.tm_min, parts.tm_sec};
}

FileSink::FileSink(std::filesystem::path file, FileSinkOptions options)
    : file_(std::move(file)), options_(std::move(options)) {}

bool FileSink::open(const LocalTime& now) {
  if (!ensure_open(now)) return false;
  const std::filesystem::path directory = file_.parent_path();
  for (const std::string& name :
       plan_pruning(names_in(directory), file_.filename().native(), options_.keep)) {
    ::unlink((directory / name).c_str());
  }
  remove_expired(now);
  return true;
}

void FileSink::remove_expired(const LocalTime& now) {
  if (options_.days <= 0) return;
  const std::filesystem::path directory = file_.parent_path();
  for (const std::string& name :
       plan_expiry(names_in(directory), file_.filename().native(), now.date, options_.days)) {
    ::unlink((directory / name).c_str());
  }
}

bool FileSink::ensure_open(const LocalTime& now) {
  if (fd_) return true;
  if (failed_ == now) return false;  // tried within this second
  const auto made = file::make_directories(file_.parent_path(), 0755, options_.uid, options_.gid);
  if (!open_file()) {
    fail(made ? errno : made.error().code().value(), "open", now);
    return false;
  }
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) {
    fail(errno, "look at", now);
    return false;
  }
  regular_ = S_ISREG(status.st_mode);
  size_ = regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
  opened_ = size_ == 0 ? now.date : local_time(status.st_mtime).date;
  // The name tells the day of a dated file better than its last change, which a backup may have moved.
  if (const auto date = parse_log_name(file_.filename().native()).date) opened_ = *date;
  checked_ = now;
  return true;
}

bool FileSink::open_file() {
  constexpr int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  // As root for another user, whose directory this may be: a link in place of the file could lead anywhere.
  const int links = ::geteuid() == 0 && options_.uid.value_or(0) != 0 ? O_NOFOLLOW : 0;
  fd_.reset(::open(file_.c_str(), flags | links));
  if (fd_ || errno != ENOENT) return static_cast<bool>(fd_);
  fd_.reset(::open(file_.c_str(), flags | O_CREAT | O_EXCL | O_NOFOLLOW, file_mode));
  if (!fd_) return false;
  // Past the umask, and for the user the services run as. Failing that the file is still a log.
  (void)::fchmod(fd_.get(), file_mode);
  if (options_.uid || options_.gid) {
    const int done = ::fchown(fd_.get(), options_.uid.value_or(static_cast<uid_t>(-1)),
                              options_.gid.value_or(static_cast<gid_t>(-1)));
    (void)done;
  }
  return true;
}

void FileSink::append(std::string_view record, const LocalTime& now) {
  add(record, now);
  if (pending_.size() >= batch) flush(now);
}

bool FileSink::writes_for(std::size_t bytes, const LocalTime& now) const {
  if (pending_.empty()) return false;
  return pending_.size() >= batch ||
         must_rotate(opened_, now.date, size_ + pending_.size(), bytes + 1, options_.max_size);
}

std::optional<PlannedWrite> FileSink::plan_write(const LocalTime& now) {
  if (pending_.empty()) return std::nullopt;
  follow(now);
  struct stat status {};
  if (!ensure_open(now) || !regular_ || ::fstat(fd_.get(), &status) != 0) return std::nullopt;
  return PlannedWrite{file_, status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                      pending_.size()};
}

void FileSink::add(std::string_view record, const LocalTime& now) {
  const std::uint64_t size = size_ + pending_.size();
  if (must_rotate(opened_, now.date, size, record.size() + 1, options_.max_size)) {
    flush(now);
    if (fd_ && must_rotate(opened_, now.date, size_, record.size() + 1, options_.max_size)) rotate(now);
  }
  pending_ += record;
  pending_ += '\n';
}

void FileSink::flush(const LocalTime& now) {
  if (pending_.empty()) return;
  follow(now);
  if (!ensure_open(now)) {
    lose(pending_);
    pending_.clear();
    return;
  }
  std::size_t written = 0;
  int failed = 0;
  while (written < pending_.size() && failed == 0) {
    const ssize_t done = ::write(fd_.get(), pending_.data() + written, pending_.size() - written);
    if (done >= 0) {
      written += static_cast<std::size_t>(done);
    } else if (errno != EINTR) {
      failed = errno;
    }
  }
  if (failed == 0) {
    if (regular_) size_ += written;
    if (lost_ != 0) recovered_ = Loss{lost_, error_};
    lost_ = 0;
  } else {
    // Whole lines only: the torn one is taken back.
    const std::size_t last = written == 0 ? std::string::npos : pending_.rfind('\n', written - 1);
    const std::size_t whole = last == std::string::npos ? 0 : last + 1;
    if (regular_ && whole != written) {
      struct stat status {};
      const bool known = ::fstat(fd_.get(), &status) == 0;
      const auto end = status.st_size - static_cast<off_t>(written - whole);
      if (known) {
        const int done = ::ftruncate(fd_.get(), std::max<off_t>(end, 0));
        (void)done;
      }
    }
    lose(std::string_view(pending_).substr(whole));
    fail(failed, "write", now);
  }
  pending_.clear();
  if (pending_.capacity() > 4 * batch) pending_.shrink_to_fit();
}

/// Once a second: opens the file again when its name leads elsewhere, and takes note of its size.
void FileSink::follow(const LocalTime& now) {
  if (!fd_ || !regular_ || checked_ == now) return;
  checked_ = now;
  struct stat mine {};
  struct stat named {};
  if (::fstat(fd_.get(), &mine) != 0) return;
  const bool same =
      ::stat(file_.c_str(), &named) == 0 && named.st_dev == mine.st_dev && named.st_ino == mine.st_ino;
  size_ = static_cast<std::uint64_t>(mine.st_size);
  if (!same) fd_.reset();
}

void FileSink::rotate(const LocalTime& now) {
  if (blocked_ == now) return;
  const std::filesystem::path directory = file_.parent_path();
  const std::string active = file_.filename().native();
  const bool dated = parse_log_name(active).date.has_value();
  if (!regular_ || (size_ == 0 && !dated)) {
    opened_ = now.date;
    return;
  }
  const RotationPlan plan = plan_rotation(names_in(directory), active, now.date, options_.keep);
  for (const std::string& name : plan.removals) ::unlink((directory / name).c_str());
  for (const Rename& rename : plan.renames) {
    if (::rename((directory / rename.from).c_str(), (directory / rename.to).c_str()) != 0) {
      fail(errno, "rotate", now);
      blocked_ = now;
      break;
    }
  }
  fd_.reset();
  failed_.reset();
  file_ = directory / plan.active;
  ensure_open(now);
  remove_expired(now);
  // Whatever became of the renames: this is today's file now, or every record would try again.
  opened_ = now.date;
}

void FileSink::fail(int number, std::string_view what, const LocalTime& now) {
  error_ = system_error(number, fmt::format("{} {}", what, file_.native())).message();
  failed_ = now;
  fd_.reset();
}

void FileSink::lose(std::string_view unwritten) {
  lost_ += static_cast<std::uint64_t>(std::count(unwritten.begin(), unwritten.end(), '\n'));
}

std::optional<Loss> FileSink::take_recovered() {
  return std::exchange(recovered_, std::nullopt);
}

std::optional<Loss> FileSink::take_loss() {
  if (lost_ == 0) return take_recovered();
  return Loss{std::exchange(lost_, 0), error_};
}

}  // namespace dumb::logs
