#include "setup/archive_reader_posix.hpp"

#include <fmt/format.h>
#include <dumb/base/text.hpp>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

constexpr std::size_t block = 1U << 20U;

std::string text_or_empty(const char* utf8, const char* plain) {
  if (utf8 != nullptr) return utf8;
  return plain != nullptr ? plain : "";
}

bool looks_like_archive(std::string_view name) {
  const std::string lower = text::lower(name);
  for (const char* end : {".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst"}) {
    if (lower.ends_with(end)) return true;
  }
  return false;
}

}  // namespace

Error ArchiveReader::corrupt() const {
  const char* why = archive_error_string(archive_.get());
  return failure(
      Failure::archive_corrupt,
      fmt::format("the archive cannot be read: {}", why != nullptr ? text::to_utf8(why) : "it is damaged"));
}

Result<void> ArchiveReader::open() {
  archive_.reset(archive_read_new());
  archive* reader = archive_.get();
  archive_read_support_filter_all(reader);
  archive_read_support_format_tar(reader);
  archive_read_support_format_zip_seekable(reader);
  archive_read_support_format_ar(reader);
  if (archive_read_open_filename(reader, path_.c_str(), block) != ARCHIVE_OK) return corrupt();
  return {};
}

Result<archive_entry*> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(archive_.get(), &entry);
  if (status == ARCHIVE_EOF) return nullptr;
  // A name that cannot be shown in this locale is a warning; what could not be read is not.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return corrupt();
  return entry;
}

Result<std::string_view> ArchiveReader::data() {
  const void* bytes = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  while (true) {
    const int status = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
    if (status == ARCHIVE_EOF) return std::string_view();
    if (status != ARCHIVE_OK) return corrupt();
    if (size > 0) return std::string_view(static_cast<const char*>(bytes), size);
  }
}

bool ArchiveReader::is_zip() const {
  return (archive_format(archive_.get()) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP;
}

std::string ArchiveReader::name_of(archive_entry* entry) {
  return text_or_empty(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
}
std::string ArchiveReader::target_of(archive_entry* entry) {
  return text_or_empty(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry));
}
std::string ArchiveReader::hard_link_of(archive_entry* entry) {
  return text_or_empty(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry));
}

Result<Survey> survey(const UnpackRequest& request, const std::atomic<bool>& stop) {
  ArchiveReader reader(request.archive);
  if (auto opened = reader.open(); !opened) return opened.error();
  Survey out;
  CommonTop top;
  std::uint64_t entries = 0;
  std::uint64_t files = 0;
  std::string only;
  while (true) {
    if (stop) return failure(Failure::cancelled, "setup was cancelled");
    const auto entry = reader.next();
    if (!entry) return entry.error();
    if (*entry == nullptr) break;
    if (++entries > request.max_entries || reader.unpacked() > request.max_bytes)
      return failure(Failure::too_large, "the archive holds more than is allowed");
    const auto name = safe_name(ArchiveReader::name_of(*entry));
    if (!name) return name.error();
    top.add(*name);
    if (archive_entry_filetype(*entry) != AE_IFREG) continue;
    ++files;
    only = *name;
    out.bytes += static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(*entry)));
  }
  if (entries == 0) return failure(Failure::archive_corrupt, "the archive is empty");
  out.top = top.top();
  if (files == 1 && looks_like_archive(only)) out.inner = only;
  return out;
}

}  // namespace dumb::setup
