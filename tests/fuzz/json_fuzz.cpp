// What is printed parses again to the same value.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <dumb/base/json.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dumb::jsonx::NumberText numbers;
  const auto value = dumb::jsonx::parse(text, &numbers);
  if (!value) return 0;
  const std::string printed = dumb::jsonx::print(*value, &numbers);
  const auto again = dumb::jsonx::parse(printed);
  if (!again || !dumb::jsonx::same(*value, *again)) std::abort();
  return 0;
}
