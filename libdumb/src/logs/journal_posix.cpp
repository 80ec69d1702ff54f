#include "logs/journal_posix.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace dumb::logs {
namespace {

constexpr std::uint64_t room = 256U << 10U;  ///< an emptied spool is cut when it is larger
constexpr std::uint64_t punch = 1024U
                                << 10U;  ///< one with a line that never ends gives back this much at once
constexpr std::uint64_t page = 4096;
constexpr std::uint64_t magic = 0x316c6e724a626d44;  // "DmbJrnl1"
constexpr std::size_t most_path = 512;
constexpr std::size_t cursor_size = 4096;
const char* const suffixes[] = {".out.spool", ".err.spool"};

/// A kill is an interrupt of this thread: what it has stored is in memory, in the order of the program. Only
/// the compiler must keep that order.
void keep_order() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

UniqueFd open_own(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

std::optional<std::uint64_t> size_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

struct Journal::Cursor {
  struct Position {
    std::uint64_t offset;
    std::uint32_t level;
    std::uint32_t continued;
  };
  struct File {
    std::uint64_t device, inode, size, length;
    char path[most_path];
  };
  std::uint64_t magic;
  std::uint32_t state;  ///< bit 0: which positions are valid; bit 1: the files are being written
  std::uint32_t files;
  Position positions[2][streams];
  File file[most_files];
  std::uint32_t line_seen;  ///< note_line() was called
};

namespace {

// Bits of the state word.
constexpr std::uint32_t which = 1;
constexpr std::uint32_t writing = 2;

}  // namespace

/// Finishes or takes back a write that was under way. True when there was one.
bool settle_cursor(Journal::Cursor& cursor) {
  if ((cursor.state & writing) == 0) return false;
  struct Found {
    UniqueFd fd;
    std::uint64_t size = 0;
    const Journal::Cursor::File* plan = nullptr;
  };
  std::vector<Found> found;
  bool whole = true;
  for (std::size_t i = 0; i < std::min<std::size_t>(cursor.files, Journal::most_files); ++i) {
    const auto& plan = cursor.file[i];
    if (std::memchr(plan.path, 0, sizeof plan.path) == nullptr) continue;  // no path that begin() stored
    Found one{UniqueFd(::open(plan.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)), 0, &plan};
    struct stat status {};
    const bool same = one.fd && ::fstat(one.fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                      status.st_dev == plan.device && status.st_ino == plan.inode;
    if (!same) continue;  // moved away by somebody: nothing can be told of it any more
    one.size = static_cast<std::uint64_t>(status.st_size);
    whole = whole && one.size >= plan.size + plan.length;
    found.push_back(std::move(one));
  }
  if (!whole) {
    for (const Found& one : found) {
      const bool grown = one.size > one.plan->size && one.size <= one.plan->size + one.plan->length;
      if (!grown) continue;
      const int done = ::ftruncate(one.fd.get(), static_cast<off_t>(one.plan->size));
      (void)done;
    }
  }
  keep_order();
  cursor.state = (cursor.state & which) ^ (whole ? which : 0U);
  return true;
}

namespace {

struct Mapping {
  void* base = MAP_FAILED;
  bool fresh = false;
};

Mapping map_cursor(int fd) {
  Mapping mapping;
  const auto size = size_of(fd);
  if (!size) return mapping;
  mapping.fresh = *size != cursor_size;
  if (mapping.fresh && (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, cursor_size) != 0)) return mapping;
  // Reserved now: a full file system must not end this program by SIGBUS later.
  if (mapping.fresh && ::posix_fallocate(fd, 0, cursor_size) != 0) return mapping;
  mapping.base = ::mmap(nullptr, cursor_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return mapping;
}

}  // namespace

bool Journal::exists(const std::filesystem::path& base) {
  return ::access((base.native() + ".cursor").c_str(), F_OK) == 0;
}

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& base) {
  static_assert(sizeof(Cursor) <= cursor_size);
  std::unique_ptr<Journal> journal(new Journal());
  const std::string path = base.native() + ".cursor";
  const UniqueFd fd = open_own(path);
  if (!fd) return system_error(errno, "open", path);
  const Mapping mapping = map_cursor(fd.get());
  if (mapping.base == MAP_FAILED) return system_error(errno, "map", path);
  journal->cursor_ = static_cast<Cursor*>(mapping.base);
  Cursor& cursor = *journal->cursor_;
  const bool fresh = mapping.fresh || cursor.magic != magic;
  if (fresh) {
    std::memset(mapping.base, 0, cursor_size);
    keep_order();
    cursor.magic = magic;
  } else {
    settle_cursor(cursor);
  }
  for (std::size_t stream = 0; stream < streams; ++stream) {
    const std::string spool = base.native() + suffixes[stream];
    journal->spools_[stream] = open_own(spool);
    if (!journal->spools_[stream]) return system_error(errno, "open", spool);
    if (fresh && ::ftruncate(journal->spools_[stream].get(), 0) != 0)
      return system_error(errno, "empty", spool);
    const auto size = size_of(journal->spools_[stream].get());
    if (!size) return system_error(errno, "inspect", spool);
    auto& position = cursor.positions[cursor.state & which][stream];
    if (position.offset > *size) position.offset = 0;  // killed while it was emptied
    journal->size_[stream] = *size;
    journal->read_[stream] = position.offset;
    journal->punched_[stream] = position.offset / page * page;
  }
  return journal;
}

Journal::~Journal() {
  if (cursor_ != nullptr) ::munmap(cursor_, cursor_size);
}

StreamPosition Journal::position(std::size_t stream) const {
  const auto& now = cursor_->positions[cursor_->state & which][stream];
  const auto level = static_cast<Level>(std::min<std::uint32_t>(now.level, 4));
  return {now.offset, level, now.continued != 0};
}

ssize_t Journal::read(std::size_t stream, int fifo, char* block, std::size_t size) {
  if (std::string& rescued = rescued_[stream]; !rescued.empty()) {
    const std::size_t got = rescued.copy(block, size);
    rescued.erase(0, got);
    return static_cast<ssize_t>(got);
  }
  if (broken_) return ::read(fifo, block, size);
  const int spool = spools_[stream].get();
  if (read_[stream] == size_[stream]) {
    loff_t at = static_cast<loff_t>(size_[stream]);
    const ssize_t moved = ::splice(fifo, nullptr, spool, &at, size, SPLICE_F_NONBLOCK);
    if (moved > 0) size_[stream] += static_cast<std::uint64_t>(moved);
    if (moved < 0 && errno != EAGAIN && errno != EINTR) {
      // No room for the spool, or a file system that cannot do it: never a reason to stop reading.
      give_up();
      return ::read(fifo, block, size);
    }
    if (moved <= 0) return moved;
  }
  const std::uint64_t left = size_[stream] - read_[stream];
  const ssize_t got =
      ::pread(spool, block, std::min<std::uint64_t>(size, left), static_cast<off_t>(read_[stream]));
  if (got > 0) read_[stream] += static_cast<std::uint64_t>(got);
  return got;
}

void Journal::begin(const std::array<StreamPosition, streams>& positions,
                    const std::vector<PlannedWrite>& writes) {
  if (broken_) return;
  Cursor& cursor = *cursor_;
  const std::uint32_t next = (cursor.state & which) ^ which;
  for (std::size_t stream = 0; stream < streams; ++stream) {
    const StreamPosition& from = positions[stream];
    cursor.positions[next][stream] = {from.offset, static_cast<std::uint32_t>(from.level),
                                      from.continued ? 1U : 0U};
  }
  cursor.files = 0;
  for (const PlannedWrite& write : writes) {
    const std::string& path = write.file.native();
    if (cursor.files == most_files || path.size() >= most_path) continue;
    auto& file = cursor.file[cursor.files++];
    file.device = write.device;
    file.inode = write.inode;
    file.size = write.size;
    file.length = write.length;
    std::memcpy(file.path, path.c_str(), path.size() + 1);
  }
  keep_order();
  cursor.state = (cursor.state & which) | writing;
  keep_order();
}

void Journal::commit() {
  if (broken_) return;
  keep_order();
  cursor_->state = (cursor_->state & which) ^ which;
  keep_order();
}

/// The spools are emptied, or a later run would write again what is written from now on; what one of them
/// still holds is kept in memory until it is read.
void Journal::give_up() {
  broken_ = true;
  for (std::size_t stream = 0; stream < streams; ++stream) {
    std::string& rescued = rescued_[stream];
    rescued.resize(size_[stream] - read_[stream]);
    std::size_t done = 0;
    while (done < rescued.size()) {
      const ssize_t got = ::pread(spools_[stream].get(), rescued.data() + done, rescued.size() - done,
                                  static_cast<off_t>(read_[stream] + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    rescued.resize(done);
    size_[stream] = read_[stream] = 0;
    const int emptied = ::ftruncate(spools_[stream].get(), 0);
    (void)emptied;
  }
}

bool Journal::trim(std::size_t stream) {
  if (broken_) return false;
  auto& position = cursor_->positions[cursor_->state & which][stream];
  const std::uint64_t done = position.offset;
  const int spool = spools_[stream].get();
  if (done == size_[stream] && done == read_[stream]) {
    if (done < room || ::ftruncate(spool, 0) != 0) return false;
    keep_order();
    position.offset = 0;
    size_[stream] = read_[stream] = punched_[stream] = 0;
    return true;
  }
  if (done < punched_[stream] + punch) return false;
  const std::uint64_t to = done / page * page;
  // Where it is not supported the spool shrinks when a block ends with a line.
  const int punched =
      ::fallocate(spool, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(punched_[stream]),
                  static_cast<off_t>(to - punched_[stream]));
  (void)punched;
  punched_[stream] = to;
  return false;
}

void Journal::note_line() {
  cursor_->line_seen = 1;
}

bool Journal::line_seen(const std::filesystem::path& base) {
  const UniqueFd fd(::open((base.native() + ".cursor").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd || size_of(fd.get()) != cursor_size) return false;
  void* const mapped = ::mmap(nullptr, cursor_size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return false;
  const auto& cursor = *static_cast<const Cursor*>(mapped);
  const bool seen = cursor.magic == magic && cursor.line_seen != 0;
  ::munmap(mapped, cursor_size);
  return seen;
}

void Journal::remove(const std::filesystem::path& base) {
  for (const char* suffix : {".cursor", ".out.spool", ".err.spool"}) {
    ::unlink((base.native() + suffix).c_str());
  }
}

std::size_t settle_journals(const std::filesystem::path& directory) {
  std::size_t unfinished = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".cursor") continue;
    const UniqueFd fd(::open(entry->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    const auto size = fd ? size_of(fd.get()) : std::nullopt;
    if (size != cursor_size) continue;
    void* const base = ::mmap(nullptr, cursor_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (base == MAP_FAILED) continue;
    auto& cursor = *static_cast<Journal::Cursor*>(base);
    if (cursor.magic == magic && settle_cursor(cursor)) ++unfinished;
    ::munmap(base, cursor_size);
  }
  return unfinished;
}

}  // namespace dumb::logs
