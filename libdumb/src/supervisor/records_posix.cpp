#include "supervisor/records_posix.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/logs/log_service.hpp>
#include <optional>
#include <random>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffixes[] = {".out",    ".err",   ".out.spool", ".err.spool",
                                         ".cursor", ".child", ".child.new"};

/// The stem and number of a launch's file, "name-12.out".
struct LaunchFile {
  std::string stem;
  std::int64_t number = 0;
};
std::optional<LaunchFile> launch_file(std::string_view name) {
  const auto suffix = std::find_if(std::begin(suffixes), std::end(suffixes),
                                   [&](std::string_view s) { return name.ends_with(s); });
  if (suffix == std::end(suffixes)) return std::nullopt;
  std::string_view stem = name.substr(0, name.find('.'));
  const std::size_t dash = stem.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = text::to_int(stem.substr(dash + 1));
  if (!number || *number <= 0) return std::nullopt;
  return LaunchFile{std::string(stem), *number};
}

bool is_id(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <class Visit>
void each_file(const fs::path& directory, Visit visit) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    visit(*entry);
  }
}

}  // namespace

std::string run_directory_id(const fs::path& directory) {
  const fs::path file = directory / "id";
  if (const auto text = file::read(file, 64); text && is_id(text::trim(*text)))
    return std::string(text::trim(*text));
  std::random_device random;
  std::string bytes(8, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xFFU);
  std::string id = text::hex_encode(bytes);
  file::WriteOptions options;
  options.mode = 0600;
  if (!file::write_atomic(file, id + "\n", options)) return {};
  return id;
}

Result<void> write_record(const fs::path& base, const ChildRecord& record) {
  return replace_file(base.native() + ".child", print_record(record));
}

Result<void> replace_file(const fs::path& target, std::string_view text) {
  const std::string& path = target.native();
  const std::string fresh = path + ".new";
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(errno, "create", fresh);
  errno = ENOSPC;  // what a short write means
  const bool whole = ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!whole || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(fresh.c_str());
    return system_error(number, "write", path);
  }
  return {};
}

void remove_launch_files(const fs::path& base) {
  // The state file first: what it names is over, whatever else is still there.
  ::unlink((base.native() + ".child").c_str());
  remove_output_files(base);
}

void remove_output_files(const fs::path& base) {
  ::unlink((base.native() + ".out").c_str());
  ::unlink((base.native() + ".err").c_str());
  logs::remove_journal(base);
}

Records read_records(const fs::path& directory) {
  Records out;
  each_file(directory, [&](const fs::directory_entry& entry) {
    const auto launch = launch_file(entry.path().filename().native());
    if (!launch) return;
    out.highest = std::max(out.highest, launch->number);
    if (entry.path().extension() != ".child") return;
    const auto text = file::read(entry.path(), 1U << 20U);
    auto record = text ? parse_record(*text) : Result<ChildRecord>(text.error());
    const bool named = record && file_stem(record->process_name, record->number) == launch->stem;
    if (named) {
      out.records.push_back(std::move(*record));
    } else {
      out.unreadable.push_back(entry.path().filename().native());
    }
  });
  std::sort(out.unreadable.begin(), out.unreadable.end());
  std::sort(out.records.begin(), out.records.end(),
            [](const ChildRecord& a, const ChildRecord& b) { return a.number < b.number; });
  return out;
}

std::vector<Candidate> list_candidates() {
  std::vector<Candidate> out;
  const auto processes = scan_processes();
  if (!processes) return out;
  for (const ProcStat& process : *processes) {
    if (process.session != process.pid || process.state == 'X') continue;
    Candidate candidate;
    candidate.pid = process.pid;
    candidate.start_ticks = static_cast<std::int64_t>(process.start_ticks);
    const std::string own = "/proc/" + std::to_string(process.pid);
    if (const auto environment = file::read(own + "/environ", 4U << 20U))
      candidate.seen = find_mark(*environment);
    for (const char* stream : {"/fd/1", "/fd/2"}) {
      std::error_code error;
      const fs::path target = fs::read_symlink(own + stream, error);
      if (!error) candidate.streams.push_back(target.filename().native());
    }
    out.push_back(std::move(candidate));
  }
  return out;
}

void remove_other_launches(const fs::path& directory, const std::vector<std::string>& kept) {
  std::vector<fs::path> stale;
  each_file(directory, [&](const fs::directory_entry& entry) {
    const auto launch = launch_file(entry.path().filename().native());
    if (launch && std::find(kept.begin(), kept.end(), launch->stem) == kept.end())
      stale.push_back(entry.path());
  });
  for (const fs::path& file : stale) ::unlink(file.c_str());
}

}  // namespace dumb::supervisor
