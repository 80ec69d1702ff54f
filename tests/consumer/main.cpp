#include <unistd.h>

#include <cstdio>
#include <dumb/catalog/catalog.hpp>
#include <dumb/symlinks/operations.hpp>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "own_asio.hpp"

namespace {

namespace fs = std::filesystem;
namespace symlinks = dumb::symlinks;

/// Repairs a link and takes it back: no event loop, no server.
bool links_work(const fs::path& directory) {
  const fs::path link = directory / "library/film.mkv";
  fs::create_directories(link.parent_path());
  fs::create_symlink("/mnt/old/film.mkv", link);
  symlinks::Environment environment;
  environment.root = dumb::Root(directory);
  std::stop_source stop;
  int told = 0;
  symlinks::Control control;
  control.stop = stop.get_token();
  control.progress = [&](const symlinks::Progress&) { ++told; };
  symlinks::RepairRequest request;
  request.roots = std::vector<std::string>{"/library"};
  request.rewrite_rules = std::vector<symlinks::RewriteRule>{{"/mnt/old", "/mnt/new"}};
  request.dry_run = false;
  const auto done = symlinks::repair(environment, request, control);
  if (!done || done->changed != 1 || fs::read_symlink(link) != "/mnt/new/film.mkv" || told == 0) return false;
  symlinks::RestoreRequest undo;
  undo.manifest_path = done->manifest().value_or("");
  undo.dry_run = false;
  const auto undone = symlinks::restore(environment, undo);
  return undone && undone->restored == 1 && fs::read_symlink(link) == "/mnt/old/film.mkv";
}

}  // namespace

int main() {
  const dumb::catalog::Catalog& catalog = dumb::catalog::Catalog::embedded();
  std::printf("%zu services\n", catalog.services().size());
  if (catalog.find("rclone") == nullptr) {
    std::fputs("the catalogue knows no rclone\n", stderr);
    return 1;
  }
  const fs::path directory = fs::temp_directory_path() / ("dumb-consumer-" + std::to_string(::getpid()));
  const bool linked = links_work(directory);
  fs::remove_all(directory);
  if (!linked) {
    std::fputs("a link is not repaired and taken back\n", stderr);
    return 1;
  }
  if (!own_asio_works()) {
    std::fputs("the program's own Asio does not work beside the library's\n", stderr);
    return 1;
  }
}
