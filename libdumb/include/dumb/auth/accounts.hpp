#pragma once

#include <boost/json/object.hpp>
#include <boost/system/error_code.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Who may use the API: the user store as a value, tokens, passwords, login throttling. A web token is RFC
/// 7519, signed as RFC 7515 says.
namespace dumb::auth {

/// What cannot be said with dumb::Errc.
enum class Errc {
  unauthenticated = 1,  ///< no valid token, or credentials that do not fit (401)
  too_many_attempts,    ///< throttled (429)
};
const boost::system::error_category& auth_category() noexcept;
boost::system::error_code make_error_code(Errc code) noexcept;
bool is_unauthenticated(const Error& error) noexcept;

struct User {
  std::string username;
  std::string password;  ///< bcrypt hash
  bool disabled = false;
};

/// The user store (API-60). Everything here is pure; members of the file that nobody here knows are kept.
class Accounts {
 public:
  /// An empty store with authentication off.
  static Accounts create(std::string secret);
  /// Fails with bad_json or invalid_config, naming the member, when the text is no user store. A missing or
  /// empty `jwt_secret` is no error: secret() is empty then.
  static Result<Accounts> parse(std::string_view text);
  std::string print() const;

  bool enabled() const;
  bool setup_skipped() const;
  std::string secret() const;
  void set_secret(std::string secret);
  std::vector<User> users() const;
  std::optional<User> find(std::string_view username) const;

  // Changes; each fails with invalid_argument and leaves the store as it was.
  /// The first user: switches authentication on (API-72). Fails when there are users.
  Result<void> set_up(std::string username, std::string hash);
  /// Fails when there are users.
  Result<void> skip_setup();
  /// The first one switches authentication on (API-78). Fails when the name is taken.
  Result<void> add_user(std::string username, std::string hash);
  /// Fails for an unknown user and for the last active one (API-79).
  Result<void> set_disabled(std::string_view username, bool disabled);
  /// Fails for an unknown user, for `own` and for the last one.
  Result<void> remove_user(std::string_view username, std::string_view own);
  /// Fails when no user is active (API-80).
  Result<void> enable();
  void disable();

 private:
  explicit Accounts(json::object document) : document_(std::move(document)) {}
  json::array& entries();
  json::object* entry(std::string_view username);
  std::size_t active_users() const;

  json::object document_;
};

/// The name as it is stored: trimmed. At least 3 characters, no control characters, none of `/ ? # %`; fails
/// with invalid_argument otherwise (API-62).
Result<std::string> check_username(std::string_view username);
/// 8 to 72 bytes of UTF-8; fails with invalid_argument otherwise (API-62).
Result<void> check_password(std::string_view password);

}  // namespace dumb::auth

template <>
struct boost::system::is_error_code_enum<dumb::auth::Errc> : std::true_type {};
