// Output of a child in pieces of any size: lines are cut at the same places as in one piece, cleaned, read by
// every service's rules, and shown as one line of valid UTF-8.
#include <cstdint>
#include <cstdlib>
#include <dumb/base/text.hpp>
#include <vector>

#include "logs/classify.hpp"
#include "logs/clean.hpp"
#include "logs/reading.hpp"
#include "logs/record.hpp"
#include "logs/splitter.hpp"

namespace {

std::vector<std::string> lines_of(std::string_view text, std::size_t piece) {
  std::vector<std::string> lines;
  dumb::logs::LineSplitter splitter;
  const auto take = [&lines](std::string_view line, bool) { lines.emplace_back(line); };
  while (!text.empty()) {
    splitter.feed(text.substr(0, piece), take);
    text.remove_prefix(std::min(piece, text.size()));
  }
  splitter.finish(take);
  return lines;
}

void check_record(std::string_view raw) {
  using dumb::logs::LineFormat;
  std::string cleaned;
  const std::string_view clean = dumb::logs::clean_line(raw, cleaned);
  for (const LineFormat format :
       {LineFormat::general, LineFormat::zurg, LineFormat::cli_debrid, LineFormat::traefik}) {
    std::string scratch;
    const auto found = dumb::logs::classify(format, clean, dumb::Level::info, scratch);
    std::string record;
    dumb::logs::append_line_text(record, found.text);
    if (!dumb::text::is_utf8(record) || record.find('\n') != std::string::npos) std::abort();
  }
  dumb::logs::is_access_line(clean);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto lines = lines_of(text, piece);
  if (lines != lines_of(text, std::max<std::size_t>(text.size(), 1))) std::abort();
  for (const std::string& line : lines) check_record(line);
  const std::size_t before = text.size() * data[0] / 256;
  const auto shown = dumb::logs::choose_lines(text, before, true);
  if (shown.begin < before || shown.end < shown.begin || shown.end > text.size()) std::abort();
  dumb::logs::last_marker(text, before);
  return 0;
}
