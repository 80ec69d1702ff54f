// What the operations keep in memory does not grow with the links.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::in_child;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;  // which keeps what was freed
#else
constexpr bool is_sanitized = false;
#endif

/// "VmHWM" or "VmRSS" of this process, in KiB.
long memory(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::atol(line.c_str() + key.size() + 1);
  }
  return 0;
}

/// Reads every page of the program and its libraries, so that what of them is used first while it is measured
/// does not count as growth.
void touch_programs() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%zx-%zx %4s", &begin, &end, rights) != 3) continue;
    if (rights[0] != 'r' || rights[1] == 'w' || line.find(" /") == std::string::npos) continue;
    for (std::uintptr_t page = begin; page < end; page += 4096)
      static_cast<void>(*reinterpret_cast<const volatile char*>(page));
  }
}

/// By how much a process grows while it does this, in KiB; negative when that cannot be told.
long growth(const std::function<bool()>& work) {
  const auto end = in_child([&] {
    touch_programs();
    std::ofstream peak("/proc/self/clear_refs");
    peak << "5" << std::flush;  // the peak counts from now on
    if (!peak) return std::string("-1");
    const long before = memory("VmRSS");
    if (!work()) return std::string("failed");
    return std::to_string(memory("VmHWM") - before);
  });
  REQUIRE(end.said != "failed");
  return std::atol(end.said.c_str());
}

}  // namespace

TEST_CASE("twenty thousand links are not kept in memory", "[symlinks][SYM-70][SYM-91]") {
  if (is_sanitized) return;
  const Farm farm;
  constexpr int links = 20'000;
  const std::string tail = "/" + std::string(500, 't') + "/";
  for (int i = 0; i < links; ++i) {
    const std::string directory = farm.disk("/l/" + std::to_string(i / 25));
    if (i % 25 == 0) std::filesystem::create_directories(directory);
    const std::string path = directory + "/" + std::to_string(i);
    REQUIRE(::symlink(("/old" + tail + std::to_string(i)).c_str(), path.c_str()) == 0);
  }
  // As text they take 12 MiB in a manifest.
  constexpr long limit = 8 * 1024;
  const auto rewritten = [&](bool dry_run) {
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/old", "/new"}}, dry_run));
    return report && report->changed == links;
  };
  const long dry = growth([&] { return rewritten(true); });
  if (dry < 0) {
    test::lacks("memory", "the peak of a process cannot be reset");
    return;
  }
  CHECK(dry < limit);
  CHECK(growth([&] {
          BackupRequest request;
          request.roots = {"/l"};
          request.backup_path = "s.json";
          const auto report = backup(farm.environment, request);
          return report && report->recorded_entries == links;
        }) < limit);
  CHECK(std::filesystem::file_size(farm.disk("/config/symlink-repair/snapshots/s.json")) > limit * 1024);
  CHECK(growth([&] {
          CompareRequest request;
          request.manifest_path = "s.json";
          const auto report = compare(farm.environment, request);
          return report && report->projected.skipped_unchanged == links;
        }) < limit);
  CHECK(growth([&] { return rewritten(false); }) < limit);
  farm.remove("/l");
  CHECK(growth([&] {
          RestoreRequest request;
          request.manifest_path = "s.json";
          request.dry_run = false;
          const auto report = restore(farm.environment, request);
          return report && report->restored == links;
        }) < limit);
}
