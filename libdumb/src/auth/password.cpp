#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <dumb/auth/password.hpp>
#include <memory>

namespace dumb::auth {
namespace {

/// crypt(3) of `password`; empty when it cannot. The working space holds traces of the password.
std::string crypted(std::string_view password, const std::string& setting) {
  const auto space = std::make_unique<crypt_data>();
  std::string plain(password);
  const char* hash = ::crypt_rn(plain.c_str(), setting.c_str(), space.get(), sizeof(crypt_data));
  std::string out = hash == nullptr ? std::string() : std::string(hash);
  OPENSSL_cleanse(space.get(), sizeof(crypt_data));
  OPENSSL_cleanse(plain.data(), plain.size());
  return out;
}

bool is_bcrypt(std::string_view hash) {
  return hash.size() == 60 &&
         (hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$"));
}

}  // namespace

Result<std::string> hash_password(std::string_view password, unsigned cost) {
  std::array<char, 16> random{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(random.size())) != 1) {
    return Error(Errc::io, "the system has no random bytes for a password hash");
  }
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  const char* made = ::crypt_gensalt_rn("$2b$", cost, random.data(), static_cast<int>(random.size()),
                                        setting.data(), static_cast<int>(setting.size()));
  std::string hash = made == nullptr ? std::string() : crypted(password, made);
  if (!is_bcrypt(hash)) return Error(Errc::io, "the system's crypt(3) cannot make a bcrypt hash");
  return hash;
}

bool password_fits(std::string_view password, std::string_view hash) {
  if (!is_bcrypt(hash)) return false;
  const std::string again = crypted(password, std::string(hash));
  return again.size() == hash.size() && CRYPTO_memcmp(again.data(), hash.data(), hash.size()) == 0;
}

}  // namespace dumb::auth
