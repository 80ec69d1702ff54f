#include "logs/splitter.hpp"

#include <random>
#include <vector>

#include "support/catch.hpp"

using namespace dumb;
using logs::LineSplitter;

namespace {
struct Collected {
  std::vector<std::string> lines;
  std::vector<bool> continued;
  auto sink() {
    return [this](std::string_view line, bool more) {
      lines.emplace_back(line);
      continued.push_back(more);
    };
  }
};
using Lines = std::vector<std::string>;
}  // namespace

TEST_CASE("lines are cut at LF however the bytes arrive", "[logs][LIF-105]") {
  const std::string text = "one\ntwo\n\n three \nfour";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    LineSplitter splitter;
    Collected got;
    for (std::size_t at = 0; at < text.size(); at += step) {
      splitter.feed(std::string_view(text).substr(at, step), got.sink());
    }
    CHECK(got.lines == Lines{"one", "two", "", " three "});
    splitter.finish(got.sink());
    CHECK(got.lines == Lines{"one", "two", "", " three ", "four"});
    splitter.finish(got.sink());
    CHECK(got.lines.size() == 5);
  }
}

TEST_CASE("a line over 64 KiB is cut into parts and nothing is lost", "[logs][LIF-105]") {
  const std::size_t length = GENERATE(0, 1, 65535, 65536, 65537, 131072, 131073, 200000);
  std::string line;
  for (std::size_t i = 0; i < length; ++i) line += static_cast<char>('a' + i % 26);
  for (const std::size_t step : {7000UL, 65536UL, 300000UL}) {
    const std::string text = line + "\nnext\n";
    LineSplitter splitter;
    Collected got;
    for (std::size_t at = 0; at < text.size(); at += step) {
      splitter.feed(std::string_view(text).substr(at, step), got.sink());
    }
    REQUIRE(got.lines.size() >= 2);
    CHECK(got.lines.back() == "next");
    CHECK_FALSE(got.continued.back());
    std::string whole;
    for (std::size_t i = 0; i + 1 < got.lines.size(); ++i) {
      CHECK(got.lines[i].size() <= LineSplitter::limit);
      CHECK(got.continued[i] == (i > 0));
      whole += got.lines[i];
    }
    CHECK(whole == line);
    CHECK(got.lines.size() == std::max<std::size_t>(1, (length + 65535) / 65536) + 1);
  }
}

TEST_CASE("a cut does not tear a UTF-8 sequence", "[logs][LIF-105]") {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string line(shift, 'x');
    while (line.size() < 150000) line += "\xF0\x9F\x98\x80";
    for (const std::size_t step : {65536UL, 1000UL, 400000UL}) {
      LineSplitter splitter;
      Collected got;
      const std::string text = line + "\n";
      for (std::size_t at = 0; at < text.size(); at += step) {
        splitter.feed(std::string_view(text).substr(at, step), got.sink());
      }
      REQUIRE(got.lines.size() == 3);
      CHECK(got.lines[0] + got.lines[1] + got.lines[2] == line);
      for (std::size_t i = 1; i < 3; ++i) CHECK(got.lines[i].front() == '\xF0');
    }
  }
}

TEST_CASE("bytes that are no UTF-8 at all are cut as well", "[logs][LIF-105]") {
  LineSplitter splitter;
  Collected got;
  splitter.feed(std::string(200000, '\x80'), got.sink());
  splitter.finish(got.sink());
  REQUIRE(got.lines.size() == 4);
  CHECK(got.lines[0].size() == LineSplitter::limit);
}

TEST_CASE("random pieces give the same lines as the whole", "[logs][LIF-105]") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::string text;
    for (int lines = 0; lines < 30; ++lines)
      text += std::string(random() % (round % 10 == 0 ? 90000 : 300), 'y') + "\n";
    LineSplitter whole;
    LineSplitter pieces;
    Collected a;
    Collected b;
    whole.feed(text, a.sink());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t step = 1 + random() % 70000;
      pieces.feed(std::string_view(text).substr(at, step), b.sink());
      at += step;
    }
    CHECK(a.lines == b.lines);
    CHECK(a.continued == b.continued);
  }
}
