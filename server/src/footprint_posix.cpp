#include "footprint_posix.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace dumb::server {
namespace {

/// Segments without write permission are what the file holds, so nothing can be lost. Relocated data, made
/// read-only later, lies in writable ones.
int give_back_object(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    if (end <= begin) continue;
    // Refused only where pages are locked, and then they are to stay.
    const int done = ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    (void)done;
  }
  return 0;
}

constexpr rlim_t descriptors = 4096;  // eight bytes each

}  // namespace

void make_room_for_descriptors() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t last = std::min(limit.rlim_cur, descriptors) - 1;
  const int source = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int far = ::fcntl(source, F_DUPFD_CLOEXEC, static_cast<int>(last));
  if (far >= 0) ::close(far);
  if (source >= 0) ::close(source);
}

void give_back_memory_of_start() noexcept {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
  ::dl_iterate_phdr(give_back_object, nullptr);
}

}  // namespace dumb::server
