#include <boost/json.hpp>
#include <dumb/metrics/history.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::metrics;

namespace {

constexpr schedule::Instant noon = 1'770'811'200;  // 2026-02-11 12:00 UTC
const schedule::FixedZone utc;

std::string line_of(int number, std::size_t padding = 0) {
  json::object out{{"timestamp", number}, {"padding", std::string(padding, 'x')}};
  return jsonx::print_compact(json::value(out));
}

std::vector<int> numbers_in(const std::filesystem::path& directory, std::size_t most = 1'000'000) {
  std::vector<int> out;
  read_history(directory, [&](const json::object& entry) {
    out.push_back(entry.at("timestamp").to_number<int>());
    return out.size() < most;
  });
  return out;
}

}  // namespace

TEST_CASE("snapshots come back newest first, over all files", "[metrics][UI-116][UI-118]") {
  const test::TempDir dir;
  const std::filesystem::path directory = dir / "a/metrics";
  HistorySettings settings;
  settings.max_file_bytes = 300'000;
  HistoryWriter writer;
  std::vector<int> expected;
  for (int i = 0; i < 100; ++i) {
    // Lines of many lengths, around the size of a piece.
    REQUIRE(
        writer.append(line_of(i, static_cast<std::size_t>(i * 2'617)), noon + i, utc, settings, directory));
    expected.insert(expected.begin(), i);
  }
  CHECK(numbers_in(directory) == expected);
  const std::vector<HistoryFile> files = list_history(directory);
  CHECK(files.size() > 20);
  for (const HistoryFile& file : files) CHECK(file.size <= 300'000);
  CHECK(file_name(files.front()) == "metrics-20260211-000.jsonl");
  CHECK(numbers_in(directory, 3) == std::vector<int>{99, 98, 97});
  CHECK(numbers_in(dir / "missing").empty());
}

TEST_CASE("a torn last line is ended and passed over", "[metrics][UI-117]") {
  const test::TempDir dir;
  const HistorySettings settings;
  HistoryWriter before;
  REQUIRE(before.append(line_of(1), noon, utc, settings, dir.path()));
  const auto file = dir / "metrics-20260211-000.jsonl";
  test::write_text(file, test::read_text(file) + R"({"timestamp": 2, "pad)");
  HistoryWriter after;
  REQUIRE(after.append(line_of(3), noon + 1, utc, settings, dir.path()));
  CHECK(numbers_in(dir.path()) == std::vector<int>{3, 1});
  test::write_text(file, test::read_text(file) + "null\n[]\n\n\xFF\n");
  CHECK(numbers_in(dir.path()) == std::vector<int>{3, 1});
  const std::string endless = test::read_text(file) + std::string(std::size_t{9} << 20U, 'x');
  test::write_text(file, endless);
  CHECK(numbers_in(dir.path()) == std::vector<int>{3, 1});
}

TEST_CASE("a new day begins a new file, and old files go at most once a minute", "[metrics][UI-116]") {
  const test::TempDir dir;
  HistorySettings settings;
  settings.retention_days = 1;
  HistoryWriter writer;
  REQUIRE(writer.append(line_of(1), noon, utc, settings, dir.path()));
  test::write_text(dir / "metrics-20260101-000.jsonl", line_of(0) + "\n");
  test::write_text(dir / "notes.txt", "mine");
  REQUIRE(writer.append(line_of(2), noon + 59, utc, settings, dir.path()));
  CHECK(std::filesystem::exists(dir / "metrics-20260101-000.jsonl"));
  REQUIRE(writer.append(line_of(3), noon + 60, utc, settings, dir.path()));
  CHECK_FALSE(std::filesystem::exists(dir / "metrics-20260101-000.jsonl"));
  REQUIRE(writer.append(line_of(4), noon + 86'400, utc, settings, dir.path()));
  CHECK(std::filesystem::exists(dir / "metrics-20260212-000.jsonl"));
  REQUIRE(writer.append(line_of(5), noon + 3 * 86'400, utc, settings, dir.path()));
  CHECK(numbers_in(dir.path()) == std::vector<int>{5});
  CHECK(std::filesystem::exists(dir / "notes.txt"));
}

TEST_CASE("a directory that cannot be made is an error, and the next line finds it mended",
          "[metrics][UI-117]") {
  const test::TempDir dir;
  test::write_text(dir / "file", "");
  const HistorySettings settings;
  HistoryWriter writer;
  const auto failed = writer.append(line_of(1), noon, utc, settings, dir / "file/metrics");
  REQUIRE_FALSE(failed);
  CHECK_THAT(failed.error().to_string(), ContainsSubstring("file"));
  std::filesystem::remove(dir / "file");
  CHECK(writer.append(line_of(2), noon, utc, settings, dir / "file/metrics"));
  CHECK(numbers_in(dir / "file/metrics") == std::vector<int>{2});
}
