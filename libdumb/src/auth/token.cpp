#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/json.hpp>
#include <cstdlib>
#include <dumb/auth/token.hpp>
#include <dumb/base/text.hpp>
#include <stdexcept>

namespace dumb::auth {
namespace {

struct AlgorithmName {
  Algorithm algorithm;
  std::string_view name;
  const EVP_MD* (*digest)();
};
constexpr std::array<AlgorithmName, 3> algorithms{{{Algorithm::hs256, "HS256", &EVP_sha256},
                                                   {Algorithm::hs384, "HS384", &EVP_sha384},
                                                   {Algorithm::hs512, "HS512", &EVP_sha512}}};

const AlgorithmName& row_of(Algorithm algorithm) {
  for (const AlgorithmName& row : algorithms) {
    if (row.algorithm == algorithm) return row;
  }
  return algorithms.front();
}

std::string signature_of(std::string_view text, std::string_view secret, Algorithm algorithm) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  const auto key_size = static_cast<int>(secret.size());
  if (HMAC(row_of(algorithm).digest(), secret.data(), key_size, data, text.size(), bytes.data(), &length) ==
      nullptr) {
    throw std::runtime_error("the cryptographic library cannot sign");
  }
  return {reinterpret_cast<const char*>(bytes.data()), length};
}

/// base64url without padding; nullopt for any other text.
std::optional<std::string> decode_url(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return {};
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  plain.append((4 - plain.size() % 4) % 4, '=');
  return text::base64_decode(plain);
}

std::optional<json::object> decode_object(std::string_view part) {
  const auto decoded = decode_url(part);
  if (!decoded) return {};
  auto parsed = jsonx::parse(*decoded);
  if (!parsed || !parsed->is_object()) return {};
  return std::move(parsed->get_object());
}

std::optional<Claims> claims_of(const json::object& object) {
  const json::value* sub = object.if_contains("sub");
  const json::value* exp = object.if_contains("exp");
  const std::string type = jsonx::string_at(object, "type");
  if (sub == nullptr || !sub->is_string() || exp == nullptr || !exp->is_int64()) return {};
  if (type != "access" && type != "refresh") return {};
  return Claims{std::string(sub->get_string()), exp->get_int64(),
                type == "access" ? TokenKind::access : TokenKind::refresh};
}

std::chrono::seconds life(const config::Environment& environment, const char* name, std::chrono::seconds unit,
                          std::chrono::seconds otherwise, std::vector<std::string>& complaints) {
  const auto found = environment.find(name);
  if (found == environment.end() || text::blank(found->second)) return otherwise;
  constexpr std::int64_t most = 100'000'000;  // 190 years of minutes
  const auto value = text::to_int(text::trim(found->second));
  if (value && *value > 0 && *value <= most) return *value * unit;
  complaints.push_back(
      fmt::format("{} must be a whole number above 0; using {} instead", name, otherwise / unit));
  return otherwise;
}

}  // namespace

TokenRules token_rules(const config::Environment& environment, std::vector<std::string>& complaints) {
  TokenRules rules;
  rules.access_life = life(environment, "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", std::chrono::minutes(1),
                           rules.access_life, complaints);
  rules.refresh_life = life(environment, "JWT_REFRESH_TOKEN_EXPIRE_DAYS", std::chrono::hours(24),
                            rules.refresh_life, complaints);
  const auto wanted = environment.find("JWT_ALGORITHM");
  if (wanted == environment.end() || text::blank(wanted->second)) return rules;
  for (const AlgorithmName& row : algorithms) {
    if (text::iequals(text::trim(wanted->second), row.name)) {
      rules.algorithm = row.algorithm;
      return rules;
    }
  }
  complaints.push_back("JWT_ALGORITHM must be HS256, HS384 or HS512; using HS256 instead");
  return rules;
}

std::string sign_text(std::string text, std::string_view secret, Algorithm algorithm) {
  const std::string signature = signature_of(text, secret, algorithm);
  text += '.';
  text += dumb::text::base64url_encode(signature);
  return text;
}

std::string sign_token(const Claims& claims, std::string_view secret, Algorithm algorithm) {
  json::object header;
  header["alg"] = row_of(algorithm).name;
  header["typ"] = "JWT";
  json::object payload;
  payload["sub"] = claims.sub;
  payload["exp"] = claims.exp;
  payload["type"] = claims.type == TokenKind::access ? "access" : "refresh";
  std::string token = text::base64url_encode(jsonx::print_compact(json::value(header)));
  token += '.';
  token += text::base64url_encode(jsonx::print_compact(json::value(payload)));
  return sign_text(std::move(token), secret, algorithm);
}

std::optional<Claims> read_token(std::string_view token, std::string_view secret, Algorithm algorithm,
                                 std::int64_t now) {
  constexpr std::size_t longest = 8192;
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (token.size() > longest || first == std::string_view::npos || last == first) return {};
  const auto signature = decode_url(token.substr(last + 1));
  if (!signature || secret.empty()) return {};
  const std::string expected = signature_of(token.substr(0, last), secret, algorithm);
  if (signature->size() != expected.size()) return {};
  if (CRYPTO_memcmp(signature->data(), expected.data(), expected.size()) != 0) return {};
  const auto header = decode_object(token.substr(0, first));
  if (!header || jsonx::string_at(*header, "alg") != row_of(algorithm).name) return {};
  const auto payload = decode_object(token.substr(first + 1, last - first - 1));
  if (!payload) return {};
  auto claims = claims_of(*payload);
  if (!claims || claims->exp <= now) return {};
  return claims;
}

std::string random_secret() {
  std::array<unsigned char, 32> bytes{};
  // The kernel's own. OpenSSL takes a millisecond to set up its generator, and this is asked for at a first
  // start.
  ::arc4random_buf(bytes.data(), bytes.size());
  return text::base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace dumb::auth
