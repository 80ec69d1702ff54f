#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>

#include "setup/postgres.hpp"

namespace dumb::setup::pg {
namespace {

constexpr int iterations = 4096;
using Digest = std::array<unsigned char, 32>;

Digest hmac(const Digest& key, std::string_view text) {
  Digest out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return out;
}

std::string base64(const Digest& digest) {
  return text::base64_encode(std::string(digest.begin(), digest.end()));
}

}  // namespace

Result<std::string> password_verifier(std::string_view password, std::string_view salt) {
  if (!std::all_of(password.begin(), password.end(), [](char c) { return c >= ' ' && c <= '~'; })) {
    return std::string(password);
  }
  // RFC 5802 with SHA-256 (RFC 7677), in the spelling of pg_authid.rolpassword.
  Digest salted{};
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                        iterations, EVP_sha256(), static_cast<int>(salted.size()), salted.data()) != 1) {
    return failure(Failure::database_failed, "the password cannot be prepared");
  }
  const Digest client = hmac(salted, "Client Key");
  Digest stored{};
  SHA256(client.data(), client.size(), stored.data());
  return "SCRAM-SHA-256$" + std::to_string(iterations) + ":" + text::base64_encode(salt) + "$" +
         base64(stored) + ":" + base64(hmac(salted, "Server Key"));
}

}  // namespace dumb::setup::pg
