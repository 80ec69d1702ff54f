// The journal of a capture after a crash: whatever its cursor and spools hold, they are settled, opened and
// read to the end of what is there.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "logs/journal_posix.hpp"

namespace {

struct Scratch {
  std::filesystem::path path;
  Scratch() {
    // Files in memory where there are such: tens of thousands of them are made a second.
    std::error_code ignored;
    const bool shared = std::filesystem::is_directory("/dev/shm", ignored);
    std::string name = shared ? "/dev/shm/dumb-fuzz.XXXXXX" : "/tmp/dumb-fuzz.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Scratch() { std::filesystem::remove_all(path); }
};

void write_file(const std::filesystem::path& path, const std::uint8_t* data, std::size_t size,
                std::size_t whole) {
  const dumb::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
  if (::ftruncate(fd.get(), static_cast<off_t>(whole)) != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t cursor_size = 4096;
  static const Scratch scratch;
  static const dumb::UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto base = scratch.path / "service";
  const std::size_t head = std::min(size, cursor_size);
  write_file(base.native() + ".cursor", data, head, cursor_size);
  const std::size_t spool = size - head;
  write_file(base.native() + ".out.spool", data + head, spool, spool);
  write_file(base.native() + ".err.spool", data + head, spool / 2, spool / 2);
  dumb::logs::settle_journals(scratch.path);
  const auto opened = dumb::logs::Journal::open(base);
  if (!opened) return 0;
  std::vector<char> block(64);
  for (std::size_t stream = 0; stream < dumb::logs::Journal::streams; ++stream) {
    const auto position = (*opened)->position(stream);
    if (position.offset > spool) std::abort();
    for (std::size_t turn = 0; (*opened)->pending(stream); ++turn) {
      if ((*opened)->read(stream, nothing.get(), block.data(), block.size()) <= 0 || turn > spool)
        std::abort();
    }
  }
  return 0;
}
