#include "supervisor/left_helpers_posix.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <map>
#include <set>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool carries(pid_t pid, const std::string& entry) {
  const auto environment = file::read("/proc/" + std::to_string(pid) + "/environ", 4U << 20U);
  if (!environment) return false;
  return ('\0' + *environment + '\0').find('\0' + entry + '\0') != std::string::npos;
}

/// Helpers lead a session, as all children do. Besides them only what has lost its leader is asked: the
/// environment of a process is not free to read.
std::vector<ProcStat> find_helpers(const std::string& entry) {
  std::vector<ProcStat> found;
  const auto processes = scan_processes();
  if (!processes) return found;
  const auto ended = [](const ProcStat& process) { return process.state == 'Z' || process.state == 'X'; };
  std::set<pid_t> leaders;
  for (const ProcStat& process : *processes) {
    if (process.pid == process.session && !ended(process)) leaders.insert(process.pid);
  }
  std::set<pid_t> sessions;  // of helpers
  for (const ProcStat& process : *processes) {
    const bool asked = process.pid == process.session || !leaders.contains(process.session);
    if (process.pid == ::getpid() || ended(process) || !asked || !carries(process.pid, entry)) continue;
    if (process.pid == process.session) sessions.insert(process.session);
    found.push_back(process);
  }
  for (const ProcStat& process : *processes) {
    if (process.pid != process.session && sessions.contains(process.session) && !ended(process))
      found.push_back(process);
  }
  return found;
}

}  // namespace

std::vector<std::string> end_left_helpers(std::string_view root, milliseconds patience) {
  if (root.empty()) return {};
  const std::string entry = std::string(helper_variable) + "=" + std::string(root);
  const auto deadline = steady_clock::now() + patience;
  std::map<pid_t, std::string> names;
  std::vector<ProcStat> left = find_helpers(entry);
  while (!left.empty()) {
    for (const ProcStat& process : left) {
      const UniqueFd pidfd = open_process(process.pid, process.start_ticks);
      if (!pidfd) continue;
      const auto name = file::read("/proc/" + std::to_string(process.pid) + "/comm", 4096);
      names.emplace(process.pid, name ? std::string(text::trim(*name)) : std::string());
      signal_process(pidfd, SIGKILL);
    }
    if (steady_clock::now() >= deadline) break;
    ::poll(nullptr, 0, 5);
    left = find_helpers(entry);
  }
  std::vector<std::string> sentences;
  for (const auto& [pid, name] : names) {
    const bool survives =
        std::any_of(left.begin(), left.end(), [pid = pid](const ProcStat& one) { return one.pid == pid; });
    sentences.push_back("pid " + std::to_string(pid) + " (" + name +
                        ") is a helper that an earlier run left " +
                        (survives ? "and survives SIGKILL" : "and was ended"));
  }
  return sentences;
}

}  // namespace dumb::supervisor
