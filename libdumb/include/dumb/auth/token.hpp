#pragma once

#include <chrono>
#include <cstdint>
#include <dumb/config/manager.hpp>
#include <optional>
#include <string>
#include <string_view>

/// JSON Web Tokens (RFC 7519) signed with an HMAC (RFC 7518 section 3.2). Pure.
namespace dumb::auth {

enum class Algorithm { hs256, hs384, hs512 };
enum class TokenKind { access, refresh };

/// API-63.
struct TokenRules {
  Algorithm algorithm = Algorithm::hs256;
  std::chrono::seconds access_life = std::chrono::hours(1);
  std::chrono::seconds refresh_life = std::chrono::hours(24 * 30);
};
/// From JWT_ALGORITHM, JWT_ACCESS_TOKEN_EXPIRE_MINUTES and JWT_REFRESH_TOKEN_EXPIRE_DAYS. What cannot be
/// read, or is not above zero, leaves the default; `complaints` receives a sentence for it.
TokenRules token_rules(const config::Environment& environment, std::vector<std::string>& complaints);

struct Claims {
  std::string sub;       ///< user name
  std::int64_t exp = 0;  ///< Unix seconds
  TokenKind type = TokenKind::access;
};

/// `text`, the first two parts of a token, with its signature.
std::string sign_text(std::string text, std::string_view secret, Algorithm algorithm);
std::string sign_token(const Claims& claims, std::string_view secret, Algorithm algorithm);
/// nullopt for whatever is not a token of this algorithm with a good signature, all claims and an `exp` after
/// `now` (Unix seconds). The signature is compared in constant time.
std::optional<Claims> read_token(std::string_view token, std::string_view secret, Algorithm algorithm,
                                 std::int64_t now);

/// 32 random bytes, base64url without padding (43 characters).
std::string random_secret();

}  // namespace dumb::auth
