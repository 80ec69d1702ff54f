#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <dumb/base/unique_fd.hpp>
#include <random>
#include <set>
#include <thread>

#include "config/store_posix.hpp"
#include "support/catch.hpp"
#include "support/config_bench.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using config::Manager;
using config::Store;
using test::ConfigBench;
using test::object;

namespace {

Store::Rewrite to(std::string text) {
  return [text = std::move(text)](const std::string&) -> Result<std::string> { return text; };
}

/// Files of the directory, without lock and backups.
std::vector<std::string> others(const std::filesystem::path& file) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path())) {
    const std::string name = entry.path().filename().native();
    if (name != file.filename().native() && !name.ends_with(".lock") &&
        name.find(".bak") == std::string::npos) {
      out.push_back(name);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a manual edit made meanwhile survives a save, a clash is named", "[config][CFG-60]") {
  ConfigBench bench(test::small_model(), R"({"zilean": {"port": 1}, "tz": "UTC"})");
  auto manager = bench.open();
  REQUIRE(manager);
  bench.write(R"({"zilean": {"port": 1, "note": "by hand"}, "tz": "Europe/Berlin", "puid": 5})");
  REQUIRE(test::update(**manager, "Zilean", object(R"({"log_level": "DEBUG"})")));
  CHECK(jsonx::parse(bench.text()).value() ==
        json::parse(
            R"({"zilean":{"port":1,"note":"by hand","log_level":"DEBUG"},"tz":"Europe/Berlin","puid":5})"));
  CHECK_FALSE(bench.log.contains("WARNING"));
  bench.write(R"({"zilean": {"port": 2}})");
  REQUIRE(test::update(**manager, "Zilean", object(R"({"port": 3})")));
  CHECK(jsonx::parse(bench.text()).value() == json::parse(R"({"zilean":{"port":3}})"));
  CHECK(bench.log.contains("WARNING /zilean/port: was changed in the file meanwhile"));
}

TEST_CASE("a save never overwrites a file it cannot read", "[config][CFG-60]") {
  ConfigBench bench(test::small_model(), "{}");
  auto manager = bench.open();
  REQUIRE(manager);
  const auto before = (*manager)->snapshot();
  for (const std::string broken : {"{\"zilean\": ", R"({"zilean": {"port": "x"}})"}) {
    bench.write(broken);
    CHECK_FALSE(test::update(**manager, "NzbDAV", object(R"({"backend_port": 3})")));
    CHECK(bench.text() == broken);
  }
  CHECK((*manager)->snapshot() == before);
  CHECK_FALSE(std::filesystem::exists(bench.backup()));
}

TEST_CASE("the first save of a process keeps a backup, five older ones behind it",
          "[config][CFG-63][CFG-6]") {
  ConfigBench bench(test::small_model(), "{\"puid\": 100}");
  for (int start = 0; start < 7; ++start) {
    auto manager = bench.open();
    REQUIRE(manager);
    REQUIRE(test::update(**manager, "Zilean", object("{\"port\": " + std::to_string(start + 1) + "}")));
    const std::string kept = test::read_text(bench.backup());
    REQUIRE(test::update(**manager, "Zilean", object(R"({"port": 999})")));
    CHECK(test::read_text(bench.backup()) == kept);
    bench.write("{\"puid\": " + std::to_string(101 + start) + "}");
  }
  CHECK(test::read_text(bench.backup()) == "{\"puid\": 106}");
  CHECK(test::read_text(bench.backup(".1")) == "{\"puid\": 105}");
  CHECK(test::read_text(bench.backup(".5")) == "{\"puid\": 101}");
  CHECK_FALSE(std::filesystem::exists(bench.backup(".6")));
}

TEST_CASE("mode is kept by file and backup, and a link stays a link", "[config][CFG-1][CFG-58]") {
  ConfigBench bench(test::small_model());
  const auto target = bench.dir() / "real/settings.json";
  test::write_text(target, "{}");
  ::chmod(target.c_str(), 0640);
  std::filesystem::create_directories(bench.file().parent_path());
  std::filesystem::create_symlink(target, bench.file());
  auto manager = bench.open();
  REQUIRE(manager);
  REQUIRE(test::update(**manager, "Zilean", object(R"({"port": 3})")));
  CHECK(std::filesystem::is_symlink(bench.file()));
  CHECK_THAT(test::read_text(target), ContainsSubstring("\"port\": 3"));
  struct stat info {};
  REQUIRE(::stat(target.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0640);
  REQUIRE(::stat((target.native() + ".bak").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0640);
  CHECK(others(target).empty());
}

TEST_CASE("equal text is not written", "[config][CFG-83]") {
  ConfigBench bench(test::small_model(), "{}\n");
  const Store store(bench.file());
  struct stat before {};
  struct stat after {};
  ::stat(bench.file().c_str(), &before);
  REQUIRE(store.rewrite(to("{}\n")));
  ::stat(bench.file().c_str(), &after);
  CHECK(before.st_ino == after.st_ino);
  CHECK_FALSE(std::filesystem::exists(bench.backup()));
}

TEST_CASE("a failed rewrite leaves everything as it was", "[config][CFG-58]") {
  ConfigBench bench(test::small_model(), "{}\n");
  const Store store(bench.file());
  const auto failed = store.rewrite(
      [](const std::string&) -> Result<std::string> { return Error(Errc::invalid_config, "no"); });
  CHECK(failed.error().is(Errc::invalid_config));
  CHECK(bench.text() == "{}\n");
  CHECK(others(bench.file()).empty());
}

TEST_CASE("temporary files of killed writers are cleared at the first save", "[config][CFG-58]") {
  ConfigBench bench(test::small_model(), "{}\n");
  test::write_text(bench.dir() / "config/.dumb_config.json.123-0.tmp", "half");
  test::write_text(bench.dir() / "config/.other.tmp", "mine");
  const Store store(bench.file());
  REQUIRE(store.rewrite(to("{ }\n")));
  CHECK(others(bench.file()) == std::vector<std::string>{".other.tmp"});
}

TEST_CASE("writers take turns: no change of many is lost", "[config][CFG-60][CFG-99]") {
  ConfigBench bench(test::small_model(), "0");
  const Store store(bench.file());
  const auto add_one = [](const std::string& text) -> Result<std::string> {
    return std::to_string(std::stoi(text) + 1);
  };
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&] {
        const Store own(bench.file());
        for (int k = 0; k < 25; ++k) failures += !(k % 2 == 0 ? store : own).rewrite(add_one);
      });
    }
  }
  CHECK(failures == 0);
  CHECK(bench.text() == "100");
}

TEST_CASE("a file that is a mount of its own is written in place, its backup first", "[config][CFG-58]") {
  ConfigBench bench(test::small_model(), "{\"tz\": \"UTC\"}");
  test::write_text(bench.dir() / "outside.json", "{\"tz\": \"Europe/Berlin\"}");
  if (::mount((bench.dir() / "outside.json").c_str(), bench.file().c_str(), nullptr, MS_BIND, nullptr) != 0) {
    WARN("no permission to mount; the fallback is not exercised here");
    return;
  }
  const Store store(bench.file());
  const auto first = store.rewrite(to("{\"tz\": \"one\"}"));
  const auto second = store.rewrite(to("{}"));
  const std::string now = bench.text();
  const std::string kept = test::read_text(bench.backup());
  REQUIRE(::umount(bench.file().c_str()) == 0);
  CHECK(first);
  CHECK(second);
  CHECK(now == "{}");
  CHECK(kept == "{\"tz\": \"one\"}");  // what a crash in the middle of the second write would leave
  CHECK(test::read_text(bench.dir() / "outside.json") == "{}");
  CHECK(bench.text() == "{\"tz\": \"UTC\"}");
  CHECK(others(bench.file()).empty());
}

namespace {

/// Saves in a loop until it is killed; tells through `ready` that the first save is under way.
[[noreturn]] void save_for_ever(ConfigBench& bench, int ready) {
  auto manager = bench.open();
  if (!manager) ::_exit(1);
  if (::write(ready, "x", 1) != 1) ::_exit(2);
  for (int port = 1;; port = 3 - port) {
    auto change = (*manager)->plan_block_update("Zilean", object("{\"port\": " + std::to_string(port) + "}"),
                                                Manager::Persist::yes);
    if (!change || !(*manager)->write(*change)) ::_exit(3);
    (*manager)->commit(std::move(*change));
  }
}

}  // namespace

TEST_CASE("a kill at any moment of a save leaves the old or the new file", "[config][CFG-58][CFG-63]") {
  ConfigBench bench(test::small_model(), "{\"zilean\": {\"port\": 2}}");
  const std::string padding(20000, 'x');  // so that a torn write would be seen
  const auto text = [&](int port) {
    json::object document = object("{\"zilean\": {\"port\": " + std::to_string(port) + "}}");
    document["padding"] = json::string(padding);
    return jsonx::print(json::value(document));
  };
  bench.write(text(2));
  std::mt19937 random(std::random_device{}());
  std::set<std::string> seen;
  long longest =
      15'000'000;  // nanoseconds until the kill; grows on a machine too slow to save anything in that
  for (int round = 0; round < 60; ++round) {
    int pipe[2];
    REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    const UniqueFd reader(pipe[0]);
    UniqueFd writer(pipe[1]);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) save_for_ever(bench, writer.get());
    writer.reset();
    char ready = 0;
    REQUIRE(::read(reader.get(), &ready, 1) == 1);
    const timespec pause{0, std::uniform_int_distribution<long>(0, longest)(random)};
    ::ppoll(nullptr, 0, &pause, nullptr);
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    const std::string now = bench.text();
    INFO("round " << round);
    REQUIRE((now == text(1) || now == text(2)));
    seen.insert(now);
    if (seen.size() < 2) longest = std::min(longest * 5 / 4, 900'000'000L);
    if (std::filesystem::exists(bench.backup())) {
      const std::string kept = test::read_text(bench.backup());
      REQUIRE((kept == text(1) || kept == text(2)));
    }
  }
  CHECK(seen.size() == 2);  // saves did happen
  auto manager = bench.open();
  REQUIRE(manager);
  REQUIRE(test::update(**manager, "Zilean", object(R"({"port": 77})")));
  CHECK(others(bench.file()).empty());
}
