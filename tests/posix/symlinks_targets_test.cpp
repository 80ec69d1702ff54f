// Looks at targets: how many may hang, how a run ends that waits for them, and restores that ask for many.
#include <thread>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using namespace std::chrono_literals;
using dumb::test::Farm;
using dumb::test::FaultCalls;

namespace {

/// A kernel in which looks at "/far/…" hang until they are released. Threads that hang may outlive their run:
/// an object of this kind is never destroyed.
struct Hanging {
  Hanging() {
    calls.before = [this](std::string_view call, const char* name) {
      if (call != "look" || !std::string_view(name).starts_with("/far/")) return 0;
      const int now = ++inside;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      released.wait(false);
      --inside;
      return EIO;
    };
  }
  void release() {
    released = true;
    released.notify_all();
    CHECK(test::eventually([this] { return inside == 0; }));
  }

  FaultCalls calls;
  std::atomic<bool> released{false};
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
};

RestoreRequest skipping_broken(const std::string& manifest, bool dry_run) {
  RestoreRequest request;
  request.manifest_path = manifest;
  request.dry_run = dry_run;
  request.restore_broken = false;
  return request;
}

}  // namespace

TEST_CASE("no more than four threads hang in looks, however many walk", "[symlinks][SYM-89]") {
  static auto* const kernel = new Hanging;
  Farm farm;
  for (int i = 0; i < 32; ++i) farm.link("/l/" + std::to_string(i) + "/x", "/far/" + std::to_string(i));
  farm.environment.calls = &kernel->calls;
  farm.environment.threads = 12;
  farm.environment.target_limit = 30ms;
  RepairRequest request = farm.request({"/l"}, {{"/far", "/new"}}, true);
  request.include_broken = false;
  const auto report = farm.repair(request);
  CHECK(report.targets_unknown == 32);
  CHECK(report.changed == 32);
  CHECK(kernel->most >= 1);
  CHECK(kernel->most <= 4);
  kernel->release();
}

TEST_CASE("a run that is cancelled does not wait for a mount that hangs", "[symlinks][SYM-48][SYM-89]") {
  static auto* const kernel = new Hanging;
  Farm farm;
  farm.link("/l/a", "/far/a");
  farm.backup({"/l"}, "s.json");
  farm.environment.calls = &kernel->calls;
  farm.environment.target_limit = 600s;  // longer than any test
  RepairRequest repairing = farm.request({"/l"}, {{"/far", "/new"}});
  repairing.include_broken = false;
  BackupRequest saving;
  saving.roots = {"/l"};
  saving.backup_path = "t.json";
  const auto cancelled = [&](const auto& operation, const auto& request, int hanging) {
    std::stop_source stop;
    Control control;
    control.stop = stop.get_token();
    std::jthread canceller([&] {
      test::eventually([&] { return kernel->inside == hanging; });
      stop.request_stop();
    });
    const auto report = operation(farm.environment, request, control);
    return !report && report.error().is(Errc::cancelled);
  };
  CHECK(cancelled(
      static_cast<Result<RepairReport> (&)(const Environment&, const RepairRequest&, const Control&)>(repair),
      repairing, 1));
  CHECK(cancelled(
      static_cast<Result<BackupReport> (&)(const Environment&, const BackupRequest&, const Control&)>(backup),
      saving, 2));
  CHECK(cancelled(
      static_cast<Result<RestoreReport> (&)(const Environment&, const RestoreRequest&, const Control&)>(
          restore),
      skipping_broken("s.json", false), 3));
  CHECK(farm.target("/l/a") == "/far/a");
  kernel->release();
}

TEST_CASE("a run that is cancelled while it plans tells how far it was", "[symlinks][SYM-48]") {
  Farm farm;
  for (int i = 0; i < 40; ++i) farm.link("/l/" + std::to_string(i / 4) + "/" + std::to_string(i), "/x");
  farm.backup({"/l"}, "s.json");
  const auto before = farm.tree("/l");
  farm.environment.threads = 1;
  FaultCalls calls;
  farm.environment.calls = &calls;
  json::object so_far;
  const auto cancelled = [&](const auto& operation, const auto& request) {
    std::stop_source stop;
    int links = 0;
    calls.before = [&](std::string_view call, const char*) {
      if (call == "read_link" && ++links == 20) stop.request_stop();
      return 0;
    };
    Control control;
    control.stop = stop.get_token();
    control.so_far = [&](json::object report) { so_far = std::move(report); };
    so_far.clear();
    const auto report = operation(farm.environment, request, control);
    REQUIRE_FALSE(report);
    CHECK(report.error().is(Errc::cancelled));
  };
  const auto at = [&](std::string_view key) { return so_far.at(key).to_number<int>(); };
  cancelled([](const auto&... all) { return repair(all...); }, farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(at("scanned_symlinks") == 20);
  CHECK(at("not_attempted") == 20);
  CHECK(at("changed") == 0);
  cancelled([](const auto&... all) { return repair(all...); }, farm.request({"/l"}, {{"/x", "/y"}}, true));
  CHECK(at("changed") == 20);
  BackupRequest saving;
  saving.roots = {"/l"};
  saving.backup_path = "t.json";
  cancelled([](const auto&... all) { return backup(all...); }, saving);
  CHECK(at("recorded_entries") == 20);
  CHECK(so_far.at("backup_manifest").is_null());
  RestoreRequest restoring;
  restoring.manifest_path = "s.json";
  restoring.dry_run = false;
  cancelled([](const auto&... all) { return restore(all...); }, restoring);
  CHECK(at("total_entries") == 20);
  CHECK(at("skipped_unchanged") == 20);
  CHECK(farm.tree("/l") == before);
  CHECK(farm.tree("/config/symlink-repair/repair-manifests").empty());
}

TEST_CASE("a restore that leaves out broken links asks for the target of each, in any directory",
          "[symlinks][SYM-34][SYM-38][SYM-41]") {
  const Farm farm;
  farm.file("/have/f");
  const std::vector<std::string> targets{farm.disk("/have/f"), farm.disk("/have/gone"), "../../have/f",
                                         "../../have/gone"};
  const auto path = [](int i) { return "/l/" + std::to_string(i % 7) + "/" + std::to_string(i); };
  for (int i = 0; i < 1200; ++i) farm.link(path(i), targets[static_cast<std::size_t>(i % 4)]);
  farm.backup({"/l"}, "s.json");
  for (int i = 0; i < 1200; ++i) farm.remove(path(i));
  CompareRequest comparing;
  comparing.manifest_path = "s.json";
  comparing.restore_broken = false;
  const auto compared = compare(farm.environment, comparing);
  REQUIRE(compared);
  CHECK(compared->projected.restored == 600);
  CHECK(compared->projected.skipped_nonexistent_target == 600);
  const auto report = restore(farm.environment, skipping_broken("s.json", false));
  REQUIRE(report);
  CHECK(report->restored == 600);
  CHECK(report->skipped_nonexistent_target == 600);
  int wrong = 0;
  for (int i = 0; i < 1200; ++i) {
    const std::string& target = targets[static_cast<std::size_t>(i % 4)];
    wrong += farm.target(path(i)) == (i % 2 == 0 ? target : "(none)") ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("an undo that leaves out broken links asks for the old targets", "[symlinks][SYM-35]") {
  const Farm farm;
  farm.file("/have/f");
  for (int i = 0; i < 600; ++i)
    farm.link("/l/" + std::to_string(i), farm.disk(i % 2 == 0 ? "/have/f" : "/have/gone"));
  const auto done = farm.repair(farm.request({"/l"}, {{farm.disk("/have"), "/new"}}));
  REQUIRE(done.changed == 600);
  const auto report = restore(farm.environment, skipping_broken(*done.auto_manifest, false));
  REQUIRE(report);
  CHECK(report->restored == 300);
  CHECK(report->skipped_nonexistent_target == 300);
  CHECK(farm.target("/l/0") == farm.disk("/have/f"));
  CHECK(farm.target("/l/1") == "/new/gone");
}
