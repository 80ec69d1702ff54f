#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/logs/log_reader.hpp>
#include <optional>
#include <set>
#include <vector>

#include "logs/reading.hpp"
#include "logs/rotation.hpp"

namespace dumb::logs {
namespace {

/// Device and inode, and the time of birth where the file system tells it: inode numbers are used again.
std::string identity(int fd, const struct stat& status) {
  struct statx more {};
  long long born = 0;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &more) == 0 && (more.stx_mask & STATX_BTIME) != 0) {
    born = more.stx_btime.tv_sec * 1'000'000'000LL + more.stx_btime.tv_nsec;
  }
  return fmt::format("{:x}-{:x}-{:x}", status.st_dev, status.st_ino, born);
}

Result<std::string> read_range(int fd, std::uint64_t begin, std::uint64_t end, const std::string& where) {
  std::string bytes(end - begin, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + have, bytes.size() - have, static_cast<off_t>(begin + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "read the log", where);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

struct Opened {
  UniqueFd fd;
  std::uint64_t size = 0;
  std::string id;
};

/// A regular file; non-blocking, so that a FIFO somebody configured as a log does not hold a worker.
Result<std::optional<Opened>> open_log(const std::filesystem::path& file, int flags) {
  Opened log;
  log.fd.reset(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags));
  if (!log.fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Opened>();
    return system_error(errno, "open the log", file.native());
  }
  struct stat status {};
  if (::fstat(log.fd.get(), &status) != 0) return system_error(errno, "look at the log", file.native());
  if (!S_ISREG(status.st_mode)) return std::optional<Opened>();
  log.size = static_cast<std::uint64_t>(status.st_size);
  log.id = identity(log.fd.get(), status);
  return std::optional(std::move(log));
}

/// The files a client has missed, oldest first: the one with the identity `id`, which has been rotated away,
/// and those after it but for the active one. Empty when it is not there any more, or when a rotation was
/// under way while they were looked for.
std::vector<Opened> open_missed(const std::filesystem::path& file, const Opened& active,
                                const std::string& id) {
  std::vector<std::string> listing;
  std::error_code error;
  const std::filesystem::path directory = file.parent_path();
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    listing.push_back(entry->path().filename().native());
  }
  std::vector<Opened> newest_first;
  std::set<std::string> seen{active.id};
  for (const std::string& name : list_rotated(listing, file.filename().native())) {
    // The service may own the directory: a link it made leads nowhere.
    auto log = open_log(directory / name, O_NOFOLLOW);
    if (!log || !*log || !seen.insert((*log)->id).second) return {};
    newest_first.push_back(std::move(**log));
    if (newest_first.back().id != id) continue;
    std::reverse(newest_first.begin(), newest_first.end());
    return newest_first;
  }
  return {};
}

/// Everything behind a cursor that has been rotated away, as whole lines, and the newest of those files.
struct Missed {
  std::string text;
  std::string id;
  std::uint64_t size = 0;
};

/// nullopt when that cannot be told or would, with the active file, be more than a client gets at once.
std::optional<Missed> read_missed(const std::filesystem::path& file, const ReadRequest& request,
                                  const Opened& active) {
  if (!request.cursor || *request.cursor < 0 || !request.file_id || *request.file_id == active.id)
    return std::nullopt;
  std::vector<Opened> missed;
  for (int attempt = 0; attempt < 3 && missed.empty(); ++attempt)
    missed = open_missed(file, active, *request.file_id);
  auto cursor = static_cast<std::uint64_t>(*request.cursor);
  if (missed.empty() || cursor > missed.front().size) return std::nullopt;
  std::uint64_t total = active.size;
  for (const Opened& log : missed) total += log.size;
  if (total - cursor > longest_chunk) return std::nullopt;
  Missed out;
  std::string& text = out.text;
  for (const Opened& log : missed) {
    const Result<std::string> bytes = read_range(log.fd.get(), cursor, log.size, file.native());
    if (!bytes) return std::nullopt;
    text += *bytes;
    if (!bytes->empty() && bytes->back() != '\n') text += '\n';  // nothing follows in that file
    cursor = 0;
  }
  out.id = missed.back().id;
  out.size = missed.back().size;
  return out;
}

}  // namespace

Result<Chunk> read_chunk(const std::filesystem::path& file, const ReadRequest& request) {
  const auto opened = open_log(file, 0);
  if (!opened) return opened.error();
  if (!*opened) {
    // Between the two steps of a rotation.
    if (auto missed = read_missed(file, request, Opened()))
      return Chunk{missed->size, missed->size, text::to_utf8(missed->text), false, std::move(missed->id)};
    return Chunk();
  }
  const Opened& log = **opened;
  Chunk chunk;
  chunk.size = log.size;
  chunk.file_id = log.id;
  const auto missed = read_missed(file, request, log);
  const ReadStart start = missed ? ReadStart{0, false, false} : choose_start(request, chunk.size, log.id);
  chunk.reset = start.reset;
  const std::uint64_t before = std::min(start.offset, longest_partial + 1);
  const std::uint64_t base = start.offset - before;
  const Result<std::string> bytes = read_range(log.fd.get(), base, chunk.size, file.native());
  if (!bytes) return bytes.error();
  const auto lead = std::min(static_cast<std::size_t>(before), bytes->size());
  Piece piece = choose_lines(*bytes, lead, base == 0);
  if (start.find_marker)
    piece.begin = last_marker(std::string_view(*bytes).substr(0, piece.end), piece.begin);
  chunk.cursor = base + piece.end;
  const std::string_view lines = std::string_view(*bytes).substr(piece.begin, piece.end - piece.begin);
  chunk.chunk = text::to_utf8(missed ? missed->text + std::string(lines) : std::string(lines));
  return chunk;
}

}  // namespace dumb::logs
