#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <system_error>

#include "config/overrides.hpp"

namespace dumb::config {

SecretFiles read_secret_files(const std::filesystem::path& directory) {
  static constexpr std::uint64_t largest = 1U << 20U;
  SecretFiles out;
  if (directory.empty()) return out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code unknown;
    if (it->is_directory(unknown)) continue;
    // Anything but a file (a FIFO would block) counts as unreadable.
    std::optional<std::string> content;
    if (it->is_regular_file(unknown)) {
      if (auto bytes = file::read(it->path(), largest)) content = std::string(text::trim(*bytes));
    }
    out.emplace(it->path().filename().native(), std::move(content));
  }
  return out;
}

}  // namespace dumb::config
