// Manifests of links are read whatever they hold; what was read writes back as JSON.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dumb/base/json.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <string_view>

namespace {

class Bytes final : public dumb::symlinks::ByteSource {
 public:
  Bytes(std::string_view text, std::size_t piece) : text_(text), piece_(piece) {}
  dumb::Result<std::size_t> read(char* buffer, std::size_t size) override {
    const std::size_t count = std::min({size, piece_, text_.size()});
    std::memcpy(buffer, text_.data(), count);
    text_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view text_;
  std::size_t piece_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dumb::symlinks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Bytes source(text, size % 5 + 1);
  ManifestReader reader(source);
  Element element;
  auto array = ManifestReader::Array::entries;
  for (;;) {
    const auto more = reader.next(element, array);
    if (!more || !*more) break;
    std::string written;
    if (const auto entry = to_entry(element)) append_entry(written, *entry);
    if (const auto change = to_change(element)) {
      if (!written.empty()) written.clear();
      append_change(written, *change);
    }
    if (!written.empty() && !dumb::jsonx::parse(written)) std::abort();
  }
  return 0;
}
