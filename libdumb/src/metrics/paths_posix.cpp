#include "metrics/paths_posix.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <set>

namespace dumb::metrics {
namespace {

/// `blocks`, `free`, and those free for users, each of `size` bytes.
Share share_of(std::int64_t size, std::int64_t blocks, std::int64_t free, std::int64_t available) {
  Share share;
  share.total = blocks * size;
  share.used = (blocks - free) * size;
  const std::int64_t usable = share.used + available * size;
  if (usable > 0) share.percent = 100.0 * static_cast<double>(share.used) / static_cast<double>(usable);
  return share;
}

/// Some file systems have no number; their size tells them apart.
std::string key_of(std::uint64_t number, const Share& share) {
  return fmt::format("{:x}/{}", number, share.total);
}

PathAnswer ask(const std::filesystem::path& path) {
  PathAnswer answer;
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return answer;
  answer.usage = file_system_share(info);
  answer.file_system = key_of(info.f_fsid, *answer.usage);
  return answer;
}

}  // namespace

Share file_system_share(const struct statvfs& info) {
  return share_of(static_cast<std::int64_t>(info.f_frsize), static_cast<std::int64_t>(info.f_blocks),
                  static_cast<std::int64_t>(info.f_bfree), static_cast<std::int64_t>(info.f_bavail));
}

std::optional<PathAnswer> parse_path_answer(std::string_view text) {
  const std::vector<std::string> words = text::split(text::trim(text), ' ');
  if (words.size() != 5) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(words[0].data(), words[0].data() + words[0].size(), number, 16);
  if (error != std::errc() || end != words[0].data() + words[0].size()) return std::nullopt;
  std::array<std::int64_t, 4> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto value = text::to_int(words[i + 1]);
    if (!value) return std::nullopt;
    counts[i] = *value;
  }
  PathAnswer answer;
  answer.usage = share_of(counts[0], counts[1], counts[2], counts[3]);
  answer.file_system = key_of(number, *answer.usage);
  return answer;
}

PathUsages path_usages(const std::vector<Managed::Path>& paths,
                       const std::map<std::string, PathAnswer>& known, std::vector<std::string>& unasked) {
  PathUsages out;
  std::set<std::string> counted;
  for (const Managed::Path& path : paths) {
    PathAnswer answer;  // nothing is known: it may be there
    if (supervisor::is_plain_directory(path.real, "/")) {
      answer = ask(path.real);
    } else {
      unasked.push_back(path.real.native());
      if (const auto found = known.find(path.real.native()); found != known.end()) answer = found->second;
    }
    if (answer.usage && counted.insert(answer.file_system).second) out.used_total += answer.usage->used;
    out.paths.push_back({path.shown, answer.exists, answer.usage});
  }
  return out;
}

}  // namespace dumb::metrics
