// Takes libFuzzer's place in builds without it: feeds the files of a stored corpus to one of the targets.
//   dumb-fuzz-replay TARGET DIRECTORY
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#define TARGET(name) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
DUMB_FUZZ_TARGETS
#undef TARGET

namespace {

using Target = int (*)(const std::uint8_t*, std::size_t);

struct Named {
  std::string_view name;
  Target target;
};

constexpr Named targets[] = {
#define TARGET(name) {#name, fuzz_##name},
    DUMB_FUZZ_TARGETS
#undef TARGET
};

Target target_of(std::string_view name) {
  for (const Named& one : targets) {
    if (one.name == name) return one.target;
  }
  return nullptr;
}

void feed(Target target, const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  target(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  const Target target = argc == 3 ? target_of(argv[1]) : nullptr;
  if (target == nullptr) return 2;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
    if (!entry.is_regular_file()) continue;
    std::printf("%s\n", entry.path().c_str());  // the last one is to blame when the target ends this program
    std::fflush(stdout);
    feed(target, entry.path());
    ++count;
  }
  return count > 0 ? 0 : 1;  // a corpus that is not there must not pass
}
