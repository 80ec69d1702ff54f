#pragma once

#include <dumb/symlinks/rules.hpp>

#include "symlinks/run_posix.hpp"

namespace dumb::symlinks {

/// Opens roots; those that do not exist are noted (and kept, for locks), those inside another one left out.
Result<void> open_trees(const Context& context, const std::vector<std::string>& roots,
                        std::vector<Tree>& trees, std::vector<std::string>& missing,
                        std::vector<ErrorItem>& errors, std::uint64_t& total);

/// Adds one carried-out change to the report of a repair.
void count_applied(RepairReport& report, Meter& meter, std::size_t limit, const Rewriter& rewriter,
                   const Change& change, const Done& done);

/// Finishes the run of a manifest (SYM-78).
Result<RepairReport> resume(const Context& context, const RepairRequest& request, const Control& control);

/// What of a request to resume can be told without reading the manifest.
Result<void> check_resume(const Context& context, const RepairRequest& request);

/// A manifest that was read once and found whole.
struct OpenManifest {
  UniqueFd file;
  Contents contents;
  std::uint64_t size = 0;
  std::string path;  ///< as requests spell it
};
/// Opens and checks the whole file; `each` sees every element. Errc::invalid_argument when it is no manifest.
Result<OpenManifest> open_checked(
    const Context& context, const std::string& path, const std::stop_token& stop,
    const std::function<void(const Element&, ManifestReader::Array)>& each = {});
/// The trees a manifest speaks of: its roots and both sides of its migrations.
Result<std::vector<Tree>> trees_of(const Context& context, const Contents& contents);
/// Whether the trees that the head of a manifest names are free; Errc::conflict when not. No more of it is
/// read: a job that waits for its trees asks again and again.
Result<void> check_free(const Context& context, const Control& control, const std::string& operation,
                        const std::string& path);
/// Whether a path of a manifest may be touched: absolute, without "..", in no denied place and, from version
/// 2 on, inside the manifest's own trees.
bool is_admitted(const Contents& contents, std::string_view path);

/// Totals and sorted lists of a run that is over (SYM-28).
void finish(RepairReport& report);

}  // namespace dumb::symlinks
