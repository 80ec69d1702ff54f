// State files of children and the environments of processes are parsed whatever they hold.
#include <cstdint>
#include <cstdlib>

#include "supervisor/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dumb::supervisor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto record = parse_record(text)) {
    // What is believed is written again as it was understood.
    const auto again = parse_record(print_record(*record));
    if (!again || print_record(*again) != print_record(*record)) std::abort();
    match_children({*record}, {{record->pid, record->start_ticks, find_mark(record->mark), {}}}, record->boot,
                   record->root);
  }
  const MarkSeen seen = find_mark(text);
  if (seen.mark && !parse_mark(seen.mark->text)) std::abort();
  return 0;
}
