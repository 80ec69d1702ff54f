#pragma once

#include <dumb/base/result.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "supervisor/record.hpp"

/// State files and the processes they name, in the run directory and in /proc.
namespace dumb::supervisor {

/// The id of a run directory, made when it has none. Empty when it cannot be kept.
std::string run_directory_id(const std::filesystem::path& directory);

/// Replaces a file in one step. It has to survive this program, not the machine, so nothing is synced: a
/// child's start must not wait for a disk.
Result<void> replace_file(const std::filesystem::path& path, std::string_view text);

/// Replaces the state file `<base>.child`.
Result<void> write_record(const std::filesystem::path& base, const ChildRecord& record);

/// Removes the FIFOs, the journal and the state file of a launch.
/// All of it but the state file.
void remove_output_files(const std::filesystem::path& base);
void remove_launch_files(const std::filesystem::path& base);

struct Records {
  std::vector<ChildRecord> records;
  std::vector<std::string> unreadable;  ///< names of state files that are torn or of another version
  std::int64_t highest = 0;             ///< number of any file there
};
Records read_records(const std::filesystem::path& directory);

/// Every process that leads its session, with its mark as far as this program may read it.
std::vector<Candidate> list_candidates();

/// Removes what is left of launches that are not in `kept` (file_stem() of each).
void remove_other_launches(const std::filesystem::path& directory, const std::vector<std::string>& kept);

}  // namespace dumb::supervisor
