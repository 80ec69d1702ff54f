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

Result<void> launch(LaunchJob& job, LaunchDone& done) {
  Fifo output;
  Fifo error;
  if (job.captured) {
    for (auto [fifo, suffix] : {std::pair(&output, ".out"), std::pair(&error, ".err")}) {
      auto made = make_fifo(job.base.native() + suffix);
      if (!made) return made.error();
      *fifo = std::move(*made);
    }
    job.spec.standard_output = output.child_end.get();
    job.spec.standard_error = error.child_end.get();
  }
  done.group = make_group(job, done.warnings);
  const UniqueFd directory = done.group.open();
  job.spec.control_group = directory.get();
  auto child = spawn(job.spec);
  done.started_at = job.clock->wall();
  done.started_steady = job.clock->now();
  if (!child || !child->in_control_group) done.group.remove();
  if (!child) return child.error();
  done.child = std::move(*child);
  done.output = std::move(output.reader);
  done.failures = std::move(error.reader);
  return {};
}

}  // namespace

void tell_process(ChildRecord& record, const Child& child, WallTime started_at, SteadyTime started_steady) {
  using std::chrono::duration_cast;
  record.pid = child.pid;
  record.start_ticks = static_cast<std::int64_t>(child.start_ticks);
  record.started_at = std::chrono::duration<double>(started_at.time_since_epoch()).count();
  record.started_steady = duration_cast<std::chrono::nanoseconds>(started_steady.time_since_epoch()).count();
}

LaunchDone perform(LaunchJob job) {
  LaunchDone done;
  if (auto launched = launch(job, done); !launched) {
    done.error = launched.error();
    remove_launch_files(job.base);
    return done;
  }
  tell_process(job.record, done.child, done.started_at, done.started_steady);
  if (auto written = write_record(job.base, job.record); !written)
    done.warnings.push_back("is not recorded: " + written.error().to_string());
  return done;
}

}  // namespace dumb::supervisor
