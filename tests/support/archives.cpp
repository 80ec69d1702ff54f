#include "support/archives.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <openssl/sha.h>

#include <stdexcept>

namespace dumb::test {
namespace {

la_ssize_t collect(archive*, void* to, const void* bytes, size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void check(int status, archive* writer) {
  if (status < ARCHIVE_WARN) throw std::runtime_error(archive_error_string(writer));
}

void add(archive* writer, const ArchiveEntry& what) {
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, what.name.c_str());
  archive_entry_set_perm(entry, static_cast<__LA_MODE_T>(what.mode));
  archive_entry_set_filetype(entry, what.device         ? AE_IFCHR
                                    : what.directory    ? AE_IFDIR
                                    : what.link.empty() ? AE_IFREG
                                                        : AE_IFLNK);
  if (!what.link.empty()) archive_entry_set_symlink(entry, what.link.c_str());
  if (!what.hard_link.empty()) archive_entry_set_hardlink(entry, what.hard_link.c_str());
  archive_entry_set_size(entry, static_cast<la_int64_t>(what.content.size()));
  check(archive_write_header(writer, entry), writer);
  if (!what.content.empty()) archive_write_data(writer, what.content.data(), what.content.size());
  archive_entry_free(entry);
}

std::string make(const std::vector<ArchiveEntry>& entries, bool zip) {
  std::string out;
  archive* writer = archive_write_new();
  if (zip) {
    check(archive_write_set_format_zip(writer), writer);
  } else {
    check(archive_write_add_filter_gzip(writer), writer);
    check(archive_write_set_format_pax_restricted(writer), writer);
  }
  check(archive_write_open(writer, &out, nullptr, &collect, nullptr), writer);
  for (const ArchiveEntry& entry : entries) add(writer, entry);
  check(archive_write_close(writer), writer);
  archive_write_free(writer);
  return out;
}

}  // namespace

std::string make_zip(const std::vector<ArchiveEntry>& entries) {
  return make(entries, true);
}
std::string make_tar_gz(const std::vector<ArchiveEntry>& entries) {
  return make(entries, false);
}

std::string sha256_hex(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string out;
  for (const unsigned char byte : digest) {
    static constexpr char digits[] = "0123456789abcdef";
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

}  // namespace dumb::test
