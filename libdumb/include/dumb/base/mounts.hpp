#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dumb {

/// One line of a mountinfo file.
struct Mount {
  std::filesystem::path point;  ///< octal escapes decoded
  std::string type;             ///< "fuse.rclone"
  std::string source;
  std::string root{};    ///< which directory of the file system stands there
  std::string device{};  ///< "8:1"; equal for two mounts of one file system
};

/// Lines of a mountinfo file (proc(5), /proc/pid/mountinfo); malformed lines are skipped. Pure.
std::vector<Mount> parse_mountinfo(std::string_view text);

}  // namespace dumb
