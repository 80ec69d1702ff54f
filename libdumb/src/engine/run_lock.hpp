#pragma once

#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>

namespace dumb::engine {

/// Keeps a second supervisor away from a run directory for as long as the descriptor is open; the kernel
/// gives it free when this program ends, however that happens. The directory is made when it is missing.
/// Fails with Errc::conflict when it is held; an empty descriptor means that the directory cannot be written,
/// which is no failure of its own.
Result<UniqueFd> lock_run_directory(const std::filesystem::path& directory);

}  // namespace dumb::engine
