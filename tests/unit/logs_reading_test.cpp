#include "logs/reading.hpp"

#include "logs/tail.hpp"
#include "support/catch.hpp"

using namespace dumb;
using logs::ReadRequest;

namespace {

constexpr std::uint64_t mega = 1U << 20U;

struct Start {
  std::uint64_t offset;
  bool reset;
  bool marker;
  bool operator==(const Start&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Start& start) {
  return out << start.offset << (start.reset ? " reset" : "") << (start.marker ? " marker" : "");
}

Start start(const ReadRequest& request, std::uint64_t size) {
  const auto chosen = logs::choose_start(request, size, "id");
  return {chosen.offset, chosen.reset, chosen.find_marker};
}

ReadRequest request(std::optional<std::int64_t> cursor, std::optional<std::int64_t> tail = {},
                    std::optional<std::string> file_id = {}, bool main_log = false) {
  ReadRequest out;
  out.cursor = cursor;
  out.tail_bytes = tail;
  out.file_id = std::move(file_id);
  out.main_log = main_log;
  return out;
}

/// The chosen lines of `bytes` from offset `from` on.
std::string lines(std::string_view bytes, std::size_t from) {
  const auto piece = logs::choose_lines(bytes, from, true);
  return std::string(bytes.substr(piece.begin, piece.end - piece.begin));
}

}  // namespace

TEST_CASE("where reading starts follows the table", "[logs][LIF-109][LIF-112][LIF-114]") {
  // No cursor.
  CHECK(start(request({}), 10 * mega) == Start{10 * mega - 131072, true, false});
  CHECK(start(request({}), 1000) == Start{0, true, false});
  CHECK(start(request({}, 2000), 10 * mega) == Start{10 * mega - 2000, true, false});
  CHECK(start(request({}, {}, {}, true), 10 * mega) == Start{10 * mega - (mega >> 2U), true, true});
  CHECK(start(request({}, 100 * mega, {}, true), 10 * mega) == Start{2 * mega, true, true});
  // Limits of tail_bytes.
  CHECK(start(request({}, 1), 10 * mega) == Start{10 * mega - 1024, true, false});
  CHECK(start(request({}, -5), 10 * mega) == Start{10 * mega - 1024, true, false});
  CHECK(start(request({}, 100 * mega), 10 * mega) == Start{2 * mega, true, false});
  // A cursor that fits goes on where it was.
  CHECK(start(request(500), 1000) == Start{500, false, false});
  CHECK(start(request(1000), 1000) == Start{1000, false, false});
  CHECK(start(request(0), 8 * mega) == Start{0, false, false});
  CHECK(start(request(500, {}, "id"), 1000) == Start{500, false, false});
  CHECK(start(request(500, {}, {}, true), 1000) == Start{500, false, false});
  // One that does not.
  CHECK(start(request(1001), 1000) == Start{0, true, false});
  CHECK(start(request(-1), 10 * mega) == Start{10 * mega - 131072, true, false});
  CHECK(start(request(500, 2000, "other"), 10 * mega) == Start{10 * mega - 2000, true, false});
  CHECK(start(request(500, {}, ""), 1000) == Start{0, true, false});
  CHECK(start(request(0), 8 * mega + 1) == Start{1, true, false});
}

TEST_CASE("only complete lines are shown", "[logs][LIF-112]") {
  CHECK(lines("", 0).empty());
  CHECK(lines("unfinished", 0).empty());
  CHECK(lines("one\ntwo\nthr", 0) == "one\ntwo\n");
  CHECK(lines("one\ntwo\nthr", 4) == "two\n");
  CHECK(lines("one\ntwo\nthr", 5).empty());
  CHECK(lines("one\ntwo\nthree\n", 5) == "three\n");
  CHECK(lines("one\ntwo\n", 8).empty());
  CHECK(lines("one\n", 1).empty());
}

TEST_CASE("a cursor always stands behind a line end", "[logs][LIF-112]") {
  const std::string text = "one\ntwo\nthree\nunfinished";
  for (std::size_t from = 0; from <= text.size(); ++from) {
    const auto piece = logs::choose_lines(text, from, true);
    CAPTURE(from);
    CHECK(piece.begin >= from);
    CHECK(piece.begin <= piece.end);
    if (piece.end != piece.begin) CHECK(text[piece.end - 1] == '\n');
  }
}

TEST_CASE("an unfinished line is shown once it exceeds 64 KiB, cut between characters", "[logs][LIF-112]") {
  const std::string exact = "a\n" + std::string(65536, 'x');
  CHECK(lines(exact, 0) == "a\n");
  CHECK(lines(exact + "y", 0) == exact + "y");
  std::string euros;
  while (euros.size() < 70000) euros += "\xE2\x82\xAC";
  CHECK(lines(euros + "\xE2\x82", 0) == euros);
  CHECK(lines(euros + "\xE2", 0) == euros);
  // What comes behind such a piece goes on in the line instead of skipping the rest of it.
  const std::string grown = euros + "tail\nnext\n";
  CHECK(lines(grown, euros.size()) == "tail\nnext\n");
  // A start in the middle of a character moves to the next one.
  const auto inside = logs::choose_lines(grown, 69001, true);
  CHECK(static_cast<unsigned char>(grown[inside.begin]) == 0xE2);
}

TEST_CASE("the last start marker that is a record's message counts", "[logs][LIF-112][LIF-115]") {
  const std::string stamp = "Feb  3, 2026 07:05:09 - INFO - ";
  const std::string marker = stamp + logs::start_marker("1.0", 7) + "\n";
  const std::string copy = stamp + "Child subprocess: " + logs::start_marker("9", 9) + "\n";
  const std::string text =
      stamp + "a\n" + marker + stamp + "b\n" + marker + stamp + "c\n" + copy + "==== DUMB start \n";
  const std::size_t second = text.find(marker, text.find(marker) + 1);
  CHECK(logs::last_marker(text, 0) == second);
  CHECK(logs::last_marker(text, second + 1) == second + 1);
  CHECK(logs::last_marker(copy, 0) == 0);
  CHECK(logs::last_marker(marker, 0) == 0);
  CHECK(logs::last_marker("==== DUMB start ", 0) == 0);
  CHECK(logs::last_marker("", 0) == 0);
}

TEST_CASE("a tail is whole lines of at most 2 KiB", "[logs][LIF-105]") {
  logs::Tail tail;
  CHECK(tail.text().empty());
  tail.add("one");
  tail.add("two");
  CHECK(tail.text() == "one\ntwo");
  for (int i = 0; i < 5000; ++i) tail.add("line " + std::to_string(i));
  CHECK(tail.text().size() <= logs::Tail::most);
  CHECK(tail.text().size() > logs::Tail::most - 12);
  CHECK(tail.text().starts_with("line "));
  CHECK(tail.text().ends_with("\nline 4999"));
  std::string wide = "x";
  while (wide.size() < 9000) wide += "\xE2\x82\xAC";
  tail.add(wide);
  CHECK(tail.text().size() <= logs::Tail::most);
  CHECK(tail.text().starts_with("\xE2\x82\xAC"));
  CHECK(wide.ends_with(tail.text()));
}
