// What the walk meets: kinds it is not told, names that come and go, trees deeper than a path may be long.
#include <dirent.h>

#include <cstring>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

/// A file system that tells no kinds of entries, as some do.
class UntoldCalls final : public SystemCalls {
 public:
  std::function<int(const char* name)> inspect;
  std::function<void(const char* name)> before_read;
  int inspected = 0;

  ssize_t list(int fd, void* buffer, std::size_t size) override {
    const ssize_t got = SystemCalls::list(fd, buffer, size);
    auto* at = static_cast<char*>(buffer);
    for (char* entry = at; tell_kinds == false && entry < at + got;) {
      std::uint16_t length = 0;
      std::memcpy(&length, entry + 16, sizeof length);
      entry[18] = DT_UNKNOWN;
      entry += length;
    }
    return got;
  }
  int stat(int directory, const char* name, struct stat* info, int flags) override {
    if (*name != '\0') {
      ++inspected;
      const int number = inspect ? inspect(name) : 0;
      if (number != 0) return -number;
    }
    return SystemCalls::stat(directory, name, info, flags);
  }
  ssize_t read_link(int directory, const char* name, char* buffer, std::size_t size) override {
    if (before_read) before_read(name);
    return SystemCalls::read_link(directory, name, buffer, size);
  }

  bool tell_kinds = false;
};

BackupReport saved(const Farm& farm) {
  return farm.backup({"/l"}, "s.json");
}

}  // namespace

TEST_CASE("kinds that the listing does not tell are asked for, one call for each name",
          "[symlinks][SYM-82]") {
  Farm farm;
  farm.link("/l/d/a", "/x");
  farm.link("/l/b", "/x");
  farm.file("/l/d/f");
  UntoldCalls calls;
  farm.environment.calls = &calls;
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}, true));
  CHECK(report.changed == 2);
  CHECK(report.errors_total == 0);
  CHECK(calls.inspected == 4);
  calls.tell_kinds = true;
  calls.inspected = 0;
  CHECK(farm.repair(farm.request({"/l"}, {{"/x", "/y"}}, true)).changed == 2);
  CHECK(calls.inspected == 0);
}

TEST_CASE("a name whose kind cannot be told is no silent gap", "[symlinks][SYM-32][SYM-84]") {
  for (const int number : {EIO, EACCES, ESTALE, ENOENT}) {
    Farm farm;
    farm.link("/l/a", "/x");
    farm.link("/l/b", "/x");
    UntoldCalls calls;
    calls.inspect = [&](const char* name) { return name == std::string_view("b") ? number : 0; };
    farm.environment.calls = &calls;
    const auto report = saved(farm);
    CHECK(report.recorded_entries == 1);
    CHECK(report.complete == (number == ENOENT));
    if (number == ENOENT) continue;
    REQUIRE(report.errors.size() == 1);
    CHECK(report.errors[0].link_path == "/l/b");
    CHECK(report.errors[0].code == errno_name(number));
  }
}

TEST_CASE("a link that goes or becomes a file while it is looked at is ignored", "[symlinks][SYM-84]") {
  for (const bool file : {false, true}) {
    Farm farm;
    farm.link("/l/a", "/x");
    farm.link("/l/b", "/x");
    UntoldCalls calls;
    calls.tell_kinds = true;
    calls.before_read = [&](const char* name) {
      if (name != std::string_view("b")) return;
      farm.remove("/l/b");
      if (file) farm.file("/l/b");
    };
    farm.environment.calls = &calls;
    const auto report = saved(farm);
    CHECK(report.scanned_symlinks == 1);
    CHECK(report.recorded_entries == 1);
    CHECK(report.complete);
  }
}

TEST_CASE("every link below the roots counts once, whatever becomes of it", "[symlinks][SYM-28]") {
  Farm farm;
  farm.link("/l/a", "/x/1");
  farm.link("/l/b", "/x/2");
  farm.link("/l/c", "/other");
  test::FaultCalls calls;
  calls.before = [](std::string_view call, const char* name) {
    return call == "read_link" && name == std::string_view("b") ? EIO : 0;
  };
  farm.environment.calls = &calls;
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}, true));
  CHECK(report.scanned_symlinks == 3);
  CHECK(report.changed + report.skipped_unchanged + report.errors_total == 3);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].link_path == "/l/b");
}

TEST_CASE("a link that cannot be read counts in a migration as well", "[symlinks][SYM-28][SYM-84]") {
  Farm farm;
  farm.link("/a/d/1", "/x/1");
  farm.link("/a/d/2", "/x/2");
  farm.link("/a/3", "/x/3");
  test::FaultCalls calls;
  calls.before = [](std::string_view call, const char* name) {
    return call == "read_link" && (name == std::string_view("2") || name == std::string_view("3")) ? EIO : 0;
  };
  farm.environment.calls = &calls;
  RepairRequest request = farm.migration("/a", "/b", true);
  const auto report = farm.repair(request);
  CHECK(report.scanned_symlinks == 3);
  CHECK(report.moved == 1);
  CHECK(report.errors_total == 2);
  // Where the same links are rewritten too they count once.
  request.roots = std::vector<std::string>{"/a"};
  request.rewrite_rules = std::vector<RewriteRule>{{"/x", "/y"}};
  CHECK(farm.repair(request).scanned_symlinks == 3);
}

TEST_CASE("a broken link is skipped before its new target is judged", "[symlinks][SYM-18]") {
  const bool dry = GENERATE(true, false);
  const Farm farm;
  farm.file("/s/f");
  farm.link("/l/broken", farm.disk("/gone"));
  farm.link("/l/sound", farm.disk("/s/f"));
  const std::string tall(4094, 't');
  RepairRequest request = farm.request({"/l"}, {{farm.disk(""), "/" + tall}}, dry);
  request.include_broken = false;
  const auto report = farm.repair(request);
  CHECK(report.skipped_nonexistent_target == 1);
  CHECK(report.changed == 0);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].link_path == "/l/sound");
  CHECK(report.errors[0].code == "ENAMETOOLONG");
  // Without that the same two are errors.
  request.include_broken = true;
  CHECK(farm.repair(request).errors_total == 2);
}

TEST_CASE("a tree deeper than a path may be long is walked, changed and undone", "[symlinks][SYM-83]") {
  const Farm farm;
  farm.directory("/l");
  // Made step by step: no call takes a path as long as this one.
  const std::string part(200, 'd');
  int at = ::open(farm.disk("/l").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(at >= 0);
  for (int depth = 0; depth < 30; ++depth) {
    REQUIRE(::mkdirat(at, part.c_str(), 0755) == 0);
    const int next = ::openat(at, part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = next;
    REQUIRE(at >= 0);
  }
  REQUIRE(::symlinkat("/x/deep", at, "link") == 0);
  const auto target = [&] {
    char buffer[64];
    const ssize_t size = ::readlinkat(at, "link", buffer, sizeof buffer);
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  };
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(report.changed == 1);
  CHECK(report.errors_total == 0);
  CHECK(target() == "/y/deep");
  CHECK(saved(farm).recorded_entries == 1);
  CHECK(farm.restore(*report.auto_manifest).restored == 1);
  CHECK(target() == "/x/deep");
  ::close(at);
}
