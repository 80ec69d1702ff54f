#include "setup/obscure.hpp"

#include <openssl/evp.h>
#include <dumb/base/text.hpp>
#include <dumb/setup/setup.hpp>
#include <memory>

namespace dumb::setup {
namespace {

// Published in rclone's source: this hides from onlookers, it is no encryption.
constexpr std::array<unsigned char, 32> key{0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c,
                                            0x63, 0xc8, 0x86, 0xa9, 0x2b, 0xd3, 0x90, 0x19, 0x8e, 0xb8, 0x12,
                                            0x8a, 0xfb, 0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38};

/// CTR mode is its own inverse.
std::optional<std::string> crypt(std::string_view text, const ObscureIv& iv) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  std::string out(text.size(), '\0');
  int length = 0;
  if (!context || EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), nullptr, key.data(), iv.data()) != 1 ||
      EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(out.data()), &length,
                        reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size())) != 1 ||
      static_cast<std::size_t>(length) != text.size()) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

Result<std::string> obscure(std::string_view text, const ObscureIv& iv) {
  const auto hidden = crypt(text, iv);
  if (!hidden) return Error(make_error_code(Failure::bad_value), "the password cannot be obscured");
  return text::base64url_encode(std::string(iv.begin(), iv.end()) + *hidden);
}

std::optional<std::string> reveal(std::string_view hidden) {
  std::string standard = text::replace_all(text::replace_all(std::string(hidden), "-", "+"), "_", "/");
  standard.append((4 - standard.size() % 4) % 4, '=');
  const auto bytes = text::base64_decode(standard);
  ObscureIv iv{};
  if (!bytes || bytes->size() < iv.size()) return std::nullopt;
  std::copy_n(bytes->begin(), iv.size(), iv.begin());
  return crypt(std::string_view(*bytes).substr(iv.size()), iv);
}

}  // namespace dumb::setup
