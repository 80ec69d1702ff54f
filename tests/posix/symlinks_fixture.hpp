#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <climits>
#include <cstdlib>
#include <dumb/symlinks/operations.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

/// A temporary directory in memory where there is one: these tests sync file systems all the time.
class FastDir {
 public:
  FastDir() {
    std::string name = (::access("/dev/shm", W_OK) == 0 ? std::string("/dev/shm") : std::string("/tmp")) +
                       "/dumb-farm-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~FastDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FastDir(const FastDir&) = delete;
  FastDir& operator=(const FastDir&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A stack below a temporary directory, with link trees in it. Paths are as requests spell them: "/l/a".
class Farm {
 public:
  Farm() {
    environment.root = Root(dir_.path());
    environment.threads = 2;
    environment.locks = std::make_shared<symlinks::Locks>();
    std::filesystem::create_directories(dir_.path() / "config");
  }

  std::string disk(const std::string& path) const { return dir_.path().native() + path; }

  void link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(disk(path)).parent_path());
    REQUIRE(::symlink(target.c_str(), disk(path).c_str()) == 0);
  }
  void directory(const std::string& path) const { std::filesystem::create_directories(disk(path)); }
  void file(const std::string& path, const std::string& text = "media") const {
    write_text(disk(path), text);
  }
  void remove(const std::string& path) const { std::filesystem::remove_all(disk(path)); }
  void retarget(const std::string& path, const std::string& target) const {
    remove(path);
    link(path, target);
  }

  /// The target of a link; "(none)" when nothing is there, "(other)" for what is no link.
  std::string target(const std::string& path) const {
    char buffer[PATH_MAX];
    const ssize_t size = ::readlink(disk(path).c_str(), buffer, sizeof buffer);
    if (size >= 0) return {buffer, static_cast<std::size_t>(size)};
    return errno == EINVAL ? "(other)" : "(none)";
  }

  /// Everything below a path: links with target, owner and time, files with their text, directories.
  std::map<std::string, std::string> tree(const std::string& path) const {
    std::map<std::string, std::string> out;
    namespace fs = std::filesystem;
    if (!fs::exists(fs::symlink_status(disk(path)))) return out;
    for (const auto& entry : fs::recursive_directory_iterator(disk(path))) {
      struct stat info {};
      ::lstat(entry.path().c_str(), &info);
      std::string what = "directory";
      if (S_ISLNK(info.st_mode)) {
        what = "-> " + fs::read_symlink(entry.path()).native() + " " + std::to_string(info.st_uid) + ":" +
               std::to_string(info.st_gid) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
               std::to_string(info.st_mtim.tv_nsec);
      } else if (S_ISREG(info.st_mode)) {
        what = "file " + read_text(entry.path());
      }
      out[entry.path().native().substr(dir_.path().native().size())] = what;
    }
    return out;
  }

  symlinks::RepairRequest request(std::vector<std::string> roots, std::vector<symlinks::RewriteRule> rules,
                                  bool dry_run = false) const {
    symlinks::RepairRequest out;
    if (!roots.empty()) out.roots = std::move(roots);
    if (!rules.empty()) out.rewrite_rules = std::move(rules);
    out.dry_run = dry_run;
    return out;
  }
  symlinks::RepairRequest migration(const std::string& from, const std::string& to,
                                    bool dry_run = false) const {
    symlinks::RepairRequest out;
    out.root_migrations = std::vector<symlinks::RootMigration>{{from, to}};
    out.dry_run = dry_run;
    return out;
  }

  symlinks::RepairReport repair(const symlinks::RepairRequest& request) const {
    auto report = symlinks::repair(environment, request);
    REQUIRE(report);
    return std::move(*report);
  }
  symlinks::RestoreReport restore(const std::string& manifest, bool overwrite = false,
                                  bool dry_run = false) const {
    symlinks::RestoreRequest request;
    request.manifest_path = manifest;
    request.overwrite_existing = overwrite;
    request.dry_run = dry_run;
    auto report = symlinks::restore(environment, request);
    REQUIRE(report);
    return std::move(*report);
  }
  symlinks::BackupReport backup(std::vector<std::string> roots, const std::string& path) const {
    symlinks::BackupRequest request;
    request.roots = std::move(roots);
    request.backup_path = path;
    auto report = symlinks::backup(environment, request);
    REQUIRE(report);
    return std::move(*report);
  }

  symlinks::Environment environment;

 private:
  FastDir dir_;
};

}  // namespace dumb::test
