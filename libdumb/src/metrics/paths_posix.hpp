#pragma once

#include <sys/statvfs.h>

#include <dumb/metrics/sampler.hpp>
#include <string>
#include <vector>

namespace dumb::metrics {

/// Used and usable blocks of a file system.
Share file_system_share(const struct statvfs& info);

/// The file systems below `paths`. Asks only where the answer cannot keep anybody waiting; the others are
/// taken from `known`, and named in `unasked`. Blocking.
PathUsages path_usages(const std::vector<Managed::Path>& paths,
                       const std::map<std::string, PathAnswer>& known, std::vector<std::string>& unasked);

}  // namespace dumb::metrics
