#include "supervisor/launch_job_posix.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "supervisor/records_posix.hpp"

namespace dumb::supervisor {
namespace {

/// A FIFO and its two ends. The child holds it open for reading and writing, so that neither a missing reader
/// nor a new one is noticed by it, and what is unread stays in the kernel.
struct Fifo {
  UniqueFd reader;
  UniqueFd child_end;
};

Result<Fifo> make_fifo(const std::string& path) {
  int made = ::mkfifo(path.c_str(), 0600);
  if (made != 0 && errno == EEXIST && ::unlink(path.c_str()) == 0) made = ::mkfifo(path.c_str(), 0600);
  if (made != 0) return system_error(errno, "create a FIFO", path);
  Fifo fifo;
  fifo.reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  fifo.child_end.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fifo.reader || !fifo.child_end) return system_error(errno, "open a FIFO", path);
  ::fcntl(fifo.reader.get(), F_SETPIPE_SZ, 256 * 1024);  // room for an outage of the reader; may be refused
  return fifo;
}

/// A group for the process; an empty one when there is no hierarchy, or no room in it.
ControlGroup make_group(const LaunchJob& job, std::vector<std::string>& warnings) {
  if (job.group.empty() || job.groups == nullptr) return {};
  auto group = job.groups->make(job.group);
  if (group) return std::move(*group);
  warnings.push_back(group.error().to_string());
  return {};
}

Result<void> launch(LaunchJob& job, LaunchSite& site, LaunchDone& done) {
  job.spec.standard_output = site.child_output.get();
  job.spec.standard_error = site.child_failures.get();
  job.spec.control_group = site.group_directory.get();
  auto child = spawn(job.spec);
  done.started_at = job.clock->wall();
  done.started_steady = job.clock->now();
  if (!child) return child.error();
  if (child->in_control_group) done.group = std::exchange(site.group, ControlGroup());
  done.child = std::move(*child);
  done.output = std::move(site.output);
  done.failures = std::move(site.failures);
  site.base.reset();
  return {};
}

}  // namespace

LaunchSite::LaunchSite(LaunchSite&& other) noexcept
    : base(std::exchange(other.base, std::nullopt)),
      output(std::move(other.output)),
      failures(std::move(other.failures)),
      child_output(std::move(other.child_output)),
      child_failures(std::move(other.child_failures)),
      group(std::exchange(other.group, ControlGroup())),
      group_directory(std::move(other.group_directory)),
      warnings(std::move(other.warnings)) {}

LaunchSite::~LaunchSite() {
  group.remove();
  if (base) remove_launch_files(*base);
}

Result<LaunchSite> make_site(const LaunchJob& job) {
  LaunchSite site;
  site.base = job.base;
  if (job.captured) {
    auto output = make_fifo(job.base.native() + ".out");
    if (!output) return output.error();
    auto failures = make_fifo(job.base.native() + ".err");
    if (!failures) return failures.error();
    site.output = std::move(output->reader);
    site.child_output = std::move(output->child_end);
    site.failures = std::move(failures->reader);
    site.child_failures = std::move(failures->child_end);
  }
  site.group = make_group(job, site.warnings);
  site.group_directory = site.group.open();
  return site;
}

void tell_process(ChildRecord& record, const Child& child, WallTime started_at, SteadyTime started_steady) {
  using std::chrono::duration_cast;
  record.pid = child.pid;
  record.start_ticks = static_cast<std::int64_t>(child.start_ticks);
  record.started_at = std::chrono::duration<double>(started_at.time_since_epoch()).count();
  record.started_steady = duration_cast<std::chrono::nanoseconds>(started_steady.time_since_epoch()).count();
}

LaunchDone perform(LaunchJob job, LaunchSite site) {
  LaunchDone done;
  done.warnings = std::move(site.warnings);
  if (auto launched = launch(job, site, done); !launched) {
    done.error = launched.error();
    return done;
  }
  if (!job.record) return done;
  tell_process(*job.record, done.child, done.started_at, done.started_steady);
  if (auto written = write_record(job.base, *job.record); !written)
    done.warnings.push_back("is not recorded: " + written.error().to_string());
  return done;
}

LaunchDone perform(LaunchJob job) {
  auto site = make_site(job);
  if (site) return perform(std::move(job), std::move(*site));
  LaunchDone done;
  done.error = site.error();
  return done;
}

}  // namespace dumb::supervisor
