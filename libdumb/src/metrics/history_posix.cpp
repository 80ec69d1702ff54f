#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/metrics/history.hpp>
#include <tuple>

namespace dumb::metrics {
namespace {

constexpr std::size_t piece_size = std::size_t{256} << 10U;
constexpr std::size_t longest_line = std::size_t{8} << 20U;

/// One line, newest first; false ends the reading.
bool visit_line(std::string_view line, const std::function<bool(json::object)>& visit) {
  if (line.empty()) return true;
  auto parsed = jsonx::parse(line);
  if (!parsed || !parsed->is_object()) return true;
  return visit(std::move(parsed->get_object()));
}

bool read_piece(int fd, std::uint64_t offset, std::string& piece) {
  std::size_t done = 0;
  while (done < piece.size()) {
    const ssize_t got =
        ::pread(fd, piece.data() + done, piece.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

bool read_backwards(const std::filesystem::path& path, const std::function<bool(json::object)>& visit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return true;
  auto left = static_cast<std::uint64_t>(info.st_size);
  std::string rest;       // the beginning of it may be missing
  bool overlong = false;  // what `rest` would be is no snapshot
  while (left > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_size));
    std::string piece(size, '\0');
    left -= size;
    if (!read_piece(fd.get(), left, piece)) return true;
    std::size_t end = piece.size();
    for (std::size_t at = piece.rfind('\n'); at != std::string::npos;
         at = at == 0 ? std::string::npos : piece.rfind('\n', at - 1)) {
      const std::string line = piece.substr(at + 1, end - at - 1) + rest;
      rest.clear();
      const bool skip = std::exchange(overlong, false);
      if (!skip && !visit_line(line, visit)) return false;
      end = at;
    }
    rest.insert(0, piece, 0, end);
    if (rest.size() > longest_line) {
      rest.clear();
      overlong = true;
    }
  }
  return overlong || visit_line(rest, visit);
}

/// Opens for appending; a torn last line is ended.
Result<UniqueFd> open_for_append(const std::filesystem::path& path, std::uint64_t& size) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return system_error(errno, "open", path.native());
  size = static_cast<std::uint64_t>(info.st_size);
  char last = '\n';
  if (size > 0 && ::pread(fd.get(), &last, 1, info.st_size - 1) != 1) {
    return system_error(errno, "read", path.native());
  }
  if (last == '\n') return fd;
  if (::write(fd.get(), "\n", 1) != 1) return system_error(errno, "write", path.native());
  ++size;
  return fd;
}

Result<void> write_whole(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return system_error(errno, "write", path.native());
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

}  // namespace

std::vector<HistoryFile> list_history(const std::filesystem::path& directory) {
  std::vector<HistoryFile> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    auto file = parse_file_name(at->path().filename().native());
    std::error_code unreadable;
    if (!file || !at->is_regular_file(unreadable)) continue;
    const auto size = at->file_size(unreadable);
    file->size = unreadable ? 0 : size;
    out.push_back(*file);
  }
  std::sort(out.begin(), out.end(), [](const HistoryFile& a, const HistoryFile& b) {
    return std::tie(a.day, a.index) < std::tie(b.day, b.index);
  });
  return out;
}

void read_history(const std::filesystem::path& directory, const std::function<bool(json::object)>& visit) {
  const std::vector<HistoryFile> files = list_history(directory);
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (!read_backwards(directory / file_name(*file), visit)) return;
  }
}

Result<void> HistoryWriter::choose_file(std::size_t line_size, schedule::Day today,
                                        const HistorySettings& settings,
                                        const std::filesystem::path& directory) {
  if (auto made = file::make_directories(directory); !made) return made;
  if (!current_ || current_->day != today || directory_ != directory) {
    directory_ = directory;
    current_ = HistoryFile{today, 0, 0};
    const std::vector<HistoryFile> files = list_history(directory);
    for (const HistoryFile& file : files) {
      if (file.day == today) current_ = file;
    }
  }
  const bool full = settings.max_file_bytes > 0 && current_->size > 0 &&
                    current_->size + line_size > static_cast<std::uint64_t>(settings.max_file_bytes);
  if (full) current_ = HistoryFile{today, current_->index + 1, 0};
  return {};
}

Result<void> HistoryWriter::append(std::string_view line, schedule::Instant now, const schedule::Zone& zone,
                                   const HistorySettings& settings, const std::filesystem::path& directory) {
  const schedule::Day today = schedule::local_of(now, zone).day;
  if (auto chosen = choose_file(line.size() + 1, today, settings, directory); !chosen) return chosen;
  const std::filesystem::path path = directory / file_name(*current_);
  auto fd = open_for_append(path, current_->size);
  if (!fd) return fd.error();
  const std::string whole = std::string(line) + "\n";
  if (auto written = write_whole(fd->get(), whole, path); !written) return written;
  current_->size += whole.size();
  if (pruned_at_ && now - *pruned_at_ < 60 && now >= *pruned_at_) return {};
  pruned_at_ = now;
  const std::vector<HistoryFile> files = list_history(directory);
  const std::vector<HistoryFile> old = to_prune(files, *current_, today, settings);
  for (const HistoryFile& file : old) ::unlink((directory / file_name(file)).c_str());
  return {};
}

}  // namespace dumb::metrics
