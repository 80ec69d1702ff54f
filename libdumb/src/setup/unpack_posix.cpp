#include "setup/unpack_posix.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

#include "setup/archive_reader_posix.hpp"
#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t reserve = std::uint64_t{64} << 20U;
constexpr mode_t dos_mode = 0664;  // what libarchive says of a zip entry that carries no mode

Error unsafe(std::string_view why, std::string_view name) {
  return failure(Failure::archive_unsafe,
                 fmt::format("the archive holds {}: \"{}\"", why, text::to_utf8(name)));
}

Error from_errno(int number, const std::string& what) {
  if (number == ENOSPC || number == EDQUOT) return failure(Failure::disk_full, "no space left for " + what);
  const Error error = system_error(number, "write", what);
  return failure(Failure::permission_denied, error.to_string());
}

/// Writes entries below one directory, by descriptors: no link is ever followed.
class TreeWriter {
 public:
  TreeWriter(const UnpackRequest& request, const std::atomic<bool>& stop) : request_(request), stop_(stop) {}

  Result<Unpacked> run(const fs::path& archive, const Layout& layout);

 private:
  Result<void> entry(ArchiveReader& reader, archive_entry* entry, const Layout& layout);
  Result<void> file(ArchiveReader& reader, archive_entry* entry, const std::string& place,
                    const Layout& layout);
  Result<void> content(ArchiveReader& reader, int fd, const std::string& place, std::string& head);
  Result<void> link(archive_entry* entry, const std::string& place);
  Result<void> hard_link(const std::string& target, const std::string& place, const Layout& layout);
  /// Opens the directory `place` lies in, making what is missing.
  Result<UniqueFd> parent(const std::string& place);
  Result<UniqueFd> descend(int directory, const std::string& name, const std::string& so_far);
  Result<void> own(int directory, const std::string& name);
  Result<void> count(std::size_t bytes);

  const UnpackRequest& request_;
  const std::atomic<bool>& stop_;
  UniqueFd tree_;
  Unpacked out_;
  std::set<std::string> written_;  // files and links of this archive
  std::set<std::string> links_;
};

std::string last_part(const std::string& place) {
  return place.substr(place.rfind('/') + 1);
}

Result<void> TreeWriter::own(int directory, const std::string& name) {
  if (!request_.uid) return {};
  if (::fchownat(directory, name.c_str(), *request_.uid, *request_.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return from_errno(errno, name);
  return {};
}

Result<UniqueFd> TreeWriter::descend(int directory, const std::string& name, const std::string& so_far) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) return fd;
    if (errno == ENOENT) {
      if (::mkdirat(directory, name.c_str(), 0755) != 0 && errno != EEXIST) return from_errno(errno, so_far);
      if (auto owned = own(directory, name); !owned) return owned.error();
      continue;
    }
    // A file or link of the release this tree began as a copy of gives way; one of this archive does not.
    if (written_.contains(so_far)) return unsafe("an entry below what is no directory", so_far);
    if (::unlinkat(directory, name.c_str(), 0) != 0) return from_errno(errno, so_far);
  }
  return from_errno(ENOTDIR, so_far);
}

Result<UniqueFd> TreeWriter::parent(const std::string& place) {
  UniqueFd at(::fcntl(tree_.get(), F_DUPFD_CLOEXEC, 0));
  std::string so_far;
  std::vector<std::string> parts = text::split(place, '/');
  parts.pop_back();
  for (const std::string& part : parts) {
    so_far += (so_far.empty() ? "" : "/") + part;
    auto next = descend(at.get(), part, so_far);
    if (!next) return next.error();
    at = std::move(*next);
  }
  return at;
}

Result<void> TreeWriter::count(std::size_t bytes) {
  out_.bytes += bytes;
  if (out_.bytes > request_.max_bytes)
    return failure(Failure::too_large, "the archive unpacks to more than is allowed");
  return {};
}

Result<void> TreeWriter::content(ArchiveReader& reader, int fd, const std::string& place, std::string& head) {
  while (true) {
    if (stop_) return failure(Failure::cancelled, "setup was cancelled");
    const auto bytes = reader.data();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return {};
    if (head.size() < 4) head += bytes->substr(0, 4);
    if (auto counted = count(bytes->size()); !counted) return counted.error();
    std::size_t done = 0;
    while (done < bytes->size()) {
      const ssize_t wrote = ::write(fd, bytes->data() + done, bytes->size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return from_errno(errno, place);
      done += static_cast<std::size_t>(wrote);
    }
  }
}

/// Removes what a new entry replaces; a directory of the earlier release goes with all it holds.
Result<void> make_way(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return from_errno(errno, name);
  std::error_code error;
  fs::remove_all(fmt::format("/proc/self/fd/{}/{}", directory, name), error);
  return error ? Result<void>(from_errno(error.value(), name)) : Result<void>();
}

Result<void> TreeWriter::file(ArchiveReader& reader, archive_entry* entry, const std::string& place,
                              const Layout& layout) {
  auto directory = parent(place);
  if (!directory) return directory.error();
  const std::string name = last_part(place);
  if (auto free = make_way(directory->get(), name); !free) return free.error();
  const UniqueFd fd(
      ::openat(directory->get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return from_errno(errno, place);
  std::string head;
  if (auto filled = content(reader, fd.get(), place, head); !filled) return filled.error();
  const mode_t given = archive_entry_perm(entry) & 0777U;
  std::optional<unsigned> mode = given;
  if (given == 0 || (reader.is_zip() && given == dos_mode)) mode.reset();
  if (::fchmod(fd.get(), file_mode(mode, place, head, layout)) != 0) return from_errno(errno, place);
  return own(directory->get(), name);
}

Result<void> TreeWriter::link(archive_entry* entry, const std::string& place) {
  const std::string target = ArchiveReader::target_of(entry);
  if (!stays_inside(place, target)) return unsafe("a link that leads out of it", place);
  auto directory = parent(place);
  if (!directory) return directory.error();
  const std::string name = last_part(place);
  if (auto free = make_way(directory->get(), name); !free) return free.error();
  if (::symlinkat(target.c_str(), directory->get(), name.c_str()) != 0) return from_errno(errno, place);
  links_.insert(place);
  return own(directory->get(), name);
}

Result<void> TreeWriter::hard_link(const std::string& target, const std::string& place,
                                   const Layout& layout) {
  const auto named = safe_name(target);
  if (!named) return named.error();
  const auto from = place_of(*named, EntryKind::file, layout);
  if (!from || !written_.contains(*from) || links_.contains(*from))
    return unsafe("a hard link to what is not in it", place);
  auto source = parent(*from);
  if (!source) return source.error();
  auto directory = parent(place);
  if (!directory) return directory.error();
  const std::string name = last_part(place);
  if (auto free = make_way(directory->get(), name); !free) return free.error();
  if (::linkat(source->get(), last_part(*from).c_str(), directory->get(), name.c_str(), 0) != 0)
    return from_errno(errno, place);
  return {};
}

Result<void> TreeWriter::entry(ArchiveReader& reader, archive_entry* entry, const Layout& layout) {
  const auto name = safe_name(ArchiveReader::name_of(entry));
  if (!name) return name.error();
  const std::string hard = ArchiveReader::hard_link_of(entry);
  const auto type = archive_entry_filetype(entry);
  if (hard.empty() && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
    return unsafe("what is no file, directory or link", *name);
  const EntryKind kind = !hard.empty() || type == AE_IFREG ? EntryKind::file
                         : type == AE_IFDIR                ? EntryKind::directory
                                                           : EntryKind::link;
  const auto place = place_of(*name, kind, layout);
  if (!place) return {};
  out_.tops.insert(place->substr(0, place->find('/')));
  if (kind == EntryKind::directory) {
    auto made = parent(*place + "/x");
    return made ? Result<void>() : Result<void>(made.error());
  }
  if (!written_.insert(*place).second) return unsafe("two entries of one name", *place);
  if (!hard.empty()) return hard_link(hard, *place, layout);
  return kind == EntryKind::link ? link(entry, *place) : file(reader, entry, *place, layout);
}

Result<Unpacked> TreeWriter::run(const fs::path& archive, const Layout& layout) {
  tree_.reset(::open(request_.tree.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!tree_) return from_errno(errno, request_.tree.native());
  ArchiveReader reader(archive);
  if (auto opened = reader.open(); !opened) return opened.error();
  while (true) {
    if (stop_) return failure(Failure::cancelled, "setup was cancelled");
    const auto next = reader.next();
    if (!next) return next.error();
    if (*next == nullptr) return std::move(out_);
    if (++out_.entries > request_.max_entries)
      return failure(Failure::too_large, "the archive holds more entries than are allowed");
    if (auto done = entry(reader, *next, layout); !done) return done.error();
  }
}

Result<std::string> head_of(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return from_errno(errno, path.native());
  std::string head(512, '\0');
  const ssize_t got = ::read(fd.get(), head.data(), head.size());
  head.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return head;
}

/// Takes one file out of an archive: what an outer archive or a Debian package wraps.
Result<void> extract_one(const fs::path& archive, const std::string& wanted, const fs::path& to,
                         std::uint64_t max_bytes, const std::atomic<bool>& stop) {
  ArchiveReader reader(archive);
  if (auto opened = reader.open(); !opened) return opened.error();
  while (true) {
    const auto entry = reader.next();
    if (!entry) return entry.error();
    if (*entry == nullptr) return failure(Failure::archive_corrupt, "the archive lacks " + wanted);
    const auto name = safe_name(ArchiveReader::name_of(*entry));
    if (!name) return name.error();
    if (!name->starts_with(wanted)) continue;
    const UniqueFd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return from_errno(errno, to.native());
    for (std::uint64_t size = 0;;) {
      if (stop) return failure(Failure::cancelled, "setup was cancelled");
      const auto bytes = reader.data();
      if (!bytes) return bytes.error();
      if (bytes->empty()) return {};
      size += bytes->size();
      if (size > max_bytes) return failure(Failure::too_large, "the archive unpacks to more than is allowed");
      for (std::size_t done = 0; done < bytes->size();) {
        const ssize_t wrote = ::write(fd.get(), bytes->data() + done, bytes->size() - done);
        if (wrote < 0) return from_errno(errno, to.native());
        done += static_cast<std::size_t>(wrote);
      }
    }
  }
}

Result<Unpacked> place_program(const UnpackRequest& request) {
  Unpacked out;
  const std::string name = request.single_name;
  if (name.empty()) return failure(Failure::archive_corrupt, "the download is no archive");
  const fs::path to = request.tree / name;
  std::error_code error;
  fs::copy_file(request.archive, to, fs::copy_options::overwrite_existing, error);
  if (error) return from_errno(error.value(), to.native());
  if (::chmod(to.c_str(), 0755) != 0) return from_errno(errno, to.native());
  if (request.uid && ::lchown(to.c_str(), *request.uid, *request.gid) != 0)
    return from_errno(errno, to.native());
  out.tops.insert(name);
  out.entries = 1;
  out.bytes = fs::file_size(to, error);
  return out;
}

Result<void> room_for(const UnpackRequest& request, std::uint64_t bytes) {
  struct statvfs info {};
  if (::statvfs(request.tree.c_str(), &info) != 0) return {};
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  if (free >= bytes + reserve) return {};
  return failure(Failure::disk_full,
                 fmt::format("{} bytes are needed and {} are free", bytes + reserve, free));
}

}  // namespace

Result<Unpacked> unpack(const UnpackRequest& request, const std::atomic<bool>& stop) {
  const auto head = head_of(request.archive);
  if (!head) return head.error();
  const FileKind kind = kind_of_file(*head);
  if (kind == FileKind::program) return place_program(request);
  if (kind == FileKind::text)
    return failure(Failure::archive_corrupt, "the download is a text and no archive");
  fs::path archive = request.archive;
  Layout layout = request.layout;
  if (kind == FileKind::deb) {
    const auto taken = extract_one(archive, "data.tar", request.scratch, request.max_bytes, stop);
    if (!taken) return taken.error();
    archive = request.scratch;
    layout.top = request.deb_prefix;
  }
  UnpackRequest looked = request;
  looked.archive = archive;
  auto found = survey(looked, stop);
  if (found && !found->inner.empty() && kind != FileKind::deb) {
    const auto taken = extract_one(archive, found->inner, request.scratch, request.max_bytes, stop);
    if (!taken) return taken.error();
    archive = looked.archive = request.scratch;
    found = survey(looked, stop);
  }
  if (!found) return found.error();
  if (request.strip_top) layout.top = found->top;
  if (auto room = room_for(request, found->bytes); !room) return room.error();
  TreeWriter writer(request, stop);
  auto written = writer.run(archive, layout);
  if (archive == request.scratch) ::unlink(request.scratch.c_str());
  return written;
}

}  // namespace dumb::setup
