#pragma once

#include <span>
#include <string_view>

/// Data files compiled into the library (see cmake/DumbEmbed.cmake).
namespace dumb::embedded {

struct File {
  std::string_view name;  ///< base name, e.g. "rclone.json"
  std::string_view text;
};

/// The service catalogue, sorted by file name.
std::span<const File> catalog() noexcept;

}  // namespace dumb::embedded
