// No URL makes the parser read outside, and what it shows holds no password.
#include <cstdint>
#include <cstdlib>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto url = dumb::http::parse_url(text)) {
    if (url->display().find('@') != std::string::npos && url->target.find('@') == std::string::npos)
      std::abort();
  }
  dumb::text::percent_decode(text, dumb::text::Plus::blank);
  if (const auto words = dumb::text::shell_words(text)) {
    const auto again = dumb::text::shell_words(dumb::text::shell_join(*words));
    if (!again || *again != *words) std::abort();
  }
  if (!dumb::text::is_utf8(dumb::text::to_utf8(text))) std::abort();
  return 0;
}
