#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/logs/log_reader.hpp>

#include "logs/reading.hpp"

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

}  // namespace

Result<Chunk> read_chunk(const std::filesystem::path& file, const ReadRequest& request) {
  // Non-blocking, so that a FIFO somebody configured as a log does not hold a worker.
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return Chunk();
    return system_error(errno, "open the log", file.native());
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error(errno, "look at the log", file.native());
  if (!S_ISREG(status.st_mode)) return Chunk();

  Chunk chunk;
  chunk.size = static_cast<std::uint64_t>(status.st_size);
  chunk.file_id = identity(fd.get(), status);
  const ReadStart start = choose_start(request, chunk.size, *chunk.file_id);
  chunk.reset = start.reset;
  const std::uint64_t before = std::min(start.offset, longest_partial + 1);
  const std::uint64_t base = start.offset - before;
  const Result<std::string> bytes = read_range(fd.get(), base, chunk.size, file.native());
  if (!bytes) return bytes.error();
  const auto lead = std::min(static_cast<std::size_t>(before), bytes->size());
  Piece piece = choose_lines(*bytes, lead, base == 0);
  if (start.find_marker)
    piece.begin = last_marker(std::string_view(*bytes).substr(0, piece.end), piece.begin);
  chunk.cursor = base + piece.end;
  chunk.chunk = text::to_utf8(std::string_view(*bytes).substr(piece.begin, piece.end - piece.begin));
  return chunk;
}

}  // namespace dumb::logs
