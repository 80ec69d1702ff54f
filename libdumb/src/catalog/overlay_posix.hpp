#pragma once

#include <dumb/base/error.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace dumb::catalog {

struct OverlayFile {
  std::string name;  ///< base name
  std::string text;
};

/// The *.json files of a directory, by name; those that cannot be read, and a directory that is missing,
/// become problems. Nothing for an empty path.
std::vector<OverlayFile> read_overlay(const std::filesystem::path& directory, std::vector<Error>& problems);

}  // namespace dumb::catalog
