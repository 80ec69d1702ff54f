#pragma once

#include <array>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::symlinks {

/// JSON as a stream of tokens, for documents that are too large to hold. Strings come as bytes: a lone escape
/// \udc80-\udcff is the byte 0x80-0xff (SYM-9). Every function fails with Errc::invalid_argument at the first
/// byte that cannot be JSON, or with the source's own error.
class JsonStream {
 public:
  explicit JsonStream(ByteSource& source) : source_(source) {}

  /// The next byte that is no blank, not consumed; 0 at the end.
  Result<char> peek();
  /// Consumes exactly `wanted` (after blanks).
  Result<void> expect(char wanted);
  /// Consumes `wanted` if it is next.
  Result<bool> accept(char wanted);
  /// A string into `out`.
  Result<void> string(std::string& out);
  struct Scalar {
    enum class Kind { null, boolean, integer, number };
    Kind kind = Kind::null;
    bool truth = false;
    std::int64_t integer = 0;
  };
  /// null, true, false or a number.
  Result<Scalar> scalar();
  /// Any value, checked and dropped.
  Result<void> skip(int depth = 0);
  /// The bytes at hand, not consumed, for readers that know what usually stands there.
  std::string_view at_hand() const noexcept { return {buffer_.data() + at_, size_ - at_}; }
  /// Adds to the bytes at hand; false when there are no more or there is no room.
  Result<bool> top_up();
  /// Consumes bytes at hand.
  void take(std::size_t count) noexcept { at_ += count; }
  /// Only blanks until the end.
  Result<void> end();
  /// Position of the next byte in the source.
  std::uint64_t offset() const noexcept { return base_ + at_; }
  Error fault(std::string_view what) const;

 private:
  /// False at the end of the source.
  Result<bool> fill();
  Result<char> get();
  Result<void> escape(std::string& out);
  Result<unsigned> hex4();
  Result<void> skip_members(int depth);

  ByteSource& source_;
  std::array<char, 65536> buffer_;  // filled before it is read
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  std::uint64_t base_ = 0;
  std::string scratch_;
};

}  // namespace dumb::symlinks
