#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace dumb::symlinks {

/// FNV-1a with a final mix: paths of one tree differ in few bytes.
inline std::uint64_t path_hash(std::string_view path) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash ^= hash >> 32U;
  hash *= 0xd6e8feb86659fd93U;
  hash ^= hash >> 32U;
  return hash == 0 ? 1 : hash;
}

/// Paths to numbers in sixteen bytes each: only hashes are kept, so whoever finds one checks the path itself.
class PathIndex {
 public:
  void set(std::string_view path, std::uint64_t value) {
    if ((used_ + 1) * 4 > slots_.size() * 3) grow();
    put(path_hash(path), value);
  }
  std::optional<std::uint64_t> find(std::string_view path) const noexcept {
    if (slots_.empty()) return std::nullopt;
    const std::uint64_t hash = path_hash(path);
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash) return slots_[at].value;
      if (slots_[at].hash == 0) return std::nullopt;
    }
  }
  bool empty() const noexcept { return used_ == 0; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint64_t value = 0;
  };
  std::size_t mask() const noexcept { return slots_.size() - 1; }
  void put(std::uint64_t hash, std::uint64_t value) {
    std::size_t at = hash & mask();
    while (slots_[at].hash != 0 && slots_[at].hash != hash) at = (at + 1) & mask();
    if (slots_[at].hash == 0) ++used_;
    slots_[at] = {hash, value};
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    used_ = 0;
    for (const Slot& slot : old) {
      if (slot.hash != 0) put(slot.hash, slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

/// Whether a path is named more than once, in eight bytes a path.
class Repeated {
 public:
  /// Room for so many without copying; what is not used costs nothing.
  void reserve(std::size_t count) { hashes_.reserve(count); }
  void add(std::string_view path) { hashes_.push_back(path_hash(path)); }
  /// Call once all are added.
  void settle() {
    std::sort(hashes_.begin(), hashes_.end());
    std::vector<std::uint64_t> twice;
    for (std::size_t i = 1; i < hashes_.size(); ++i) {
      if (hashes_[i] == hashes_[i - 1] && (twice.empty() || twice.back() != hashes_[i]))
        twice.push_back(hashes_[i]);
    }
    hashes_.swap(twice);
  }
  bool contains(std::string_view path) const noexcept {
    return !hashes_.empty() && std::binary_search(hashes_.begin(), hashes_.end(), path_hash(path));
  }
  bool any() const noexcept { return !hashes_.empty(); }

 private:
  std::vector<std::uint64_t> hashes_;
};

}  // namespace dumb::symlinks
