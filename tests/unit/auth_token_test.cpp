#include <dumb/auth/token.hpp>
#include <dumb/base/text.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using auth::Algorithm;
using auth::Claims;
using auth::TokenKind;

namespace {

constexpr std::int64_t now = 1'770'811'200;
const Claims alice{"alice", now + 60, TokenKind::access};

std::string token_of(std::string_view header, std::string_view payload, std::string_view signature) {
  return text::base64url_encode(header) + "." + text::base64url_encode(payload) + "." +
         text::base64url_encode(signature);
}

}  // namespace

TEST_CASE("a signed token reads back, with every algorithm", "[auth][API-63]") {
  for (const Algorithm algorithm : {Algorithm::hs256, Algorithm::hs384, Algorithm::hs512}) {
    for (const TokenKind kind : {TokenKind::access, TokenKind::refresh}) {
      const std::string token = auth::sign_token({"älice", now + 1, kind}, "secret", algorithm);
      const auto claims = auth::read_token(token, "secret", algorithm, now);
      REQUIRE(claims);
      CHECK(claims->sub == "älice");
      CHECK(claims->exp == now + 1);
      CHECK(claims->type == kind);
    }
  }
}

TEST_CASE("a token is spelled as other programs spell it", "[auth][API-63]") {
  // Made with the standard's rules by another implementation:
  // HMAC-SHA256 over base64url({"alg":"HS256","typ":"JWT"}) .
  // base64url({"sub":"bob","exp":4102444800,"type":"access"})
  const std::string foreign =
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDAsInR5cGUiOiJhY2Nlc3MifQ."
      "-ZIf7eBQ9n-R0lh4RUjvyKW4t32qV9sndi3RqJ4YNCE";
  const Claims bob{"bob", 4'102'444'800, TokenKind::access};
  CHECK(auth::sign_token(bob, "a secret", Algorithm::hs256) == foreign);
  const auto claims = auth::read_token(foreign, "a secret", Algorithm::hs256, now);
  REQUIRE(claims);
  CHECK(claims->sub == "bob");
}

TEST_CASE("a token ends at the second of its claim", "[auth][API-63]") {
  const std::string token = auth::sign_token(alice, "secret", Algorithm::hs256);
  CHECK(auth::read_token(token, "secret", Algorithm::hs256, alice.exp - 1));
  CHECK_FALSE(auth::read_token(token, "secret", Algorithm::hs256, alice.exp));
}

TEST_CASE("another secret, another algorithm and a changed byte spoil a token", "[auth][API-63][API-111]") {
  const std::string token = auth::sign_token(alice, "secret", Algorithm::hs256);
  CHECK_FALSE(auth::read_token(token, "Secret", Algorithm::hs256, now));
  CHECK_FALSE(auth::read_token(token, "", Algorithm::hs256, now));
  CHECK_FALSE(auth::read_token(token, "secret", Algorithm::hs384, now));
  CHECK_FALSE(
      auth::read_token(auth::sign_token(alice, "secret", Algorithm::hs512), "secret", Algorithm::hs256, now));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    // The last digit of a signature of 32 bytes holds two bits that stand for nothing.
    if (i + 1 == token.size()) continue;
    CAPTURE(i, changed);
    CHECK_FALSE(auth::read_token(changed, "secret", Algorithm::hs256, now));
  }
  for (std::size_t size = 0; size < token.size(); ++size) {
    CHECK_FALSE(auth::read_token(token.substr(0, size), "secret", Algorithm::hs256, now));
  }
}

TEST_CASE("what is no token is refused and nothing is thrown", "[auth][API-63][API-111]") {
  const std::string none =
      token_of(R"({"alg":"none"})", R"({"sub":"a","exp":9999999999,"type":"access"})", "");
  for (const std::string& text : {std::string(), std::string("."), std::string(".."), std::string("..."),
                                  std::string("a.b.c"), none, std::string("\0.\0.\0", 5),
                                  std::string(100'000, '.'), std::string(9000, 'A'), std::string("€.€.€")}) {
    CHECK_FALSE(auth::read_token(text, "secret", Algorithm::hs256, now));
  }
}

TEST_CASE("a token needs all claims, each of its type", "[auth][API-63]") {
  // Signed by hand, so that only the claims are at fault: sign_token() signs what it is given as subject.
  const auto signed_with = [](std::string_view payload) {
    const Claims any{"x", 1, TokenKind::access};
    const std::string whole = auth::sign_token(any, "secret", Algorithm::hs256);
    return whole.substr(0, whole.find('.') + 1) + text::base64url_encode(payload);
  };
  for (const std::string_view payload :
       {R"({"exp":9999999999,"type":"access"})", R"({"sub":"a","type":"access"})",
        R"({"sub":"a","exp":9999999999})", R"({"sub":1,"exp":9999999999,"type":"access"})",
        R"({"sub":"a","exp":"9999999999","type":"access"})", R"({"sub":"a","exp":9999999999,"type":"other"})",
        R"([])", R"("text")", "{", ""}) {
    CAPTURE(payload);
    const std::string body = signed_with(payload);
    CHECK_FALSE(
        auth::read_token(auth::sign_text(body, "secret", Algorithm::hs256), "secret", Algorithm::hs256, now));
  }
  const std::string good = signed_with(R"({"sub":"a","exp":9999999999,"type":"access"})");
  CHECK(auth::read_token(auth::sign_text(good, "secret", Algorithm::hs256), "secret", Algorithm::hs256, now));
}

TEST_CASE("lifetimes and algorithm come from the environment", "[auth][API-63]") {
  std::vector<std::string> complaints;
  const auto plain = auth::token_rules({}, complaints);
  CHECK(plain.algorithm == Algorithm::hs256);
  CHECK(plain.access_life == std::chrono::minutes(60));
  CHECK(plain.refresh_life == std::chrono::hours(24 * 30));
  const auto set = auth::token_rules({{"JWT_ALGORITHM", " hs512 "},
                                      {"JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "5"},
                                      {"JWT_REFRESH_TOKEN_EXPIRE_DAYS", "2"}},
                                     complaints);
  CHECK(set.algorithm == Algorithm::hs512);
  CHECK(set.access_life == std::chrono::minutes(5));
  CHECK(set.refresh_life == std::chrono::hours(48));
  CHECK(complaints.empty());
  const auto bad = auth::token_rules({{"JWT_ALGORITHM", "none"},
                                      {"JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "0"},
                                      {"JWT_REFRESH_TOKEN_EXPIRE_DAYS", "for ever"}},
                                     complaints);
  CHECK(bad.algorithm == Algorithm::hs256);
  CHECK(bad.access_life == std::chrono::minutes(60));
  CHECK(bad.refresh_life == std::chrono::hours(24 * 30));
  REQUIRE(complaints.size() == 3);
  CHECK(complaints[0] == "JWT_ACCESS_TOKEN_EXPIRE_MINUTES must be a whole number above 0; using 60 instead");
}

TEST_CASE("a secret is 43 characters and never the same", "[auth][API-60]") {
  const std::string one = auth::random_secret();
  CHECK(one.size() == 43);
  CHECK(one.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
        std::string::npos);
  CHECK(one != auth::random_secret());
}
