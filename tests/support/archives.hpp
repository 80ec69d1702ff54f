#pragma once

#include <string>
#include <vector>

namespace dumb::test {

/// One entry of an archive made for a test.
struct ArchiveEntry {
  std::string name;
  std::string content{};
  unsigned mode = 0644;
  std::string link{};       ///< target of a symlink; the entry is one then
  std::string hard_link{};  ///< name of the entry it is a hard link to
  bool directory = false;
  bool device = false;  ///< a character device
};

/// The bytes of an archive; entries appear as they are given, whatever they are called.
std::string make_zip(const std::vector<ArchiveEntry>& entries);
std::string make_tar_gz(const std::vector<ArchiveEntry>& entries);
/// SHA-256 in lower-case hex.
std::string sha256_hex(const std::string& bytes);

}  // namespace dumb::test
