#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/system/error_category.hpp>
#include <dumb/auth/accounts.hpp>
#include <dumb/base/text.hpp>

namespace dumb::auth {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "dumb.auth"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::unauthenticated:
        return "not authenticated";
      case Errc::too_many_attempts:
        return "too many attempts";
    }
    return "unknown";
  }
};

Error refused(std::string message) {
  return {dumb::Errc::invalid_argument, std::move(message)};
}

Error bad_store(std::string where, std::string message) {
  return {dumb::Errc::invalid_config, std::vector<Problem>{{std::move(where), std::move(message)}}};
}

/// nullopt when `object[key]` is missing or a bool.
std::optional<Error> fault_of_flag(const json::object& object, std::string_view key,
                                   const std::string& below) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_bool()) return {};
  return bad_store(fmt::format("{}/{}", below, key), "must be true or false");
}

std::optional<Error> fault_of_user(const json::value& value, const std::string& where) {
  const auto* user = value.if_object();
  if (user == nullptr) return bad_store(where, "must be an object");
  for (const char* key : {"username", "password"}) {
    const json::value* text = user->if_contains(key);
    if (text == nullptr || !text->is_string() || text->get_string().empty()) {
      return bad_store(fmt::format("{}/{}", where, key), "must be a text that is not empty");
    }
  }
  return fault_of_flag(*user, "disabled", where);
}

std::optional<Error> fault_of(const json::object& document) {
  for (const char* key : {"enabled", "setup_skipped"}) {
    if (auto fault = fault_of_flag(document, key, "")) return fault;
  }
  if (document.if_contains("enabled") == nullptr) return bad_store("/enabled", "is missing");
  const json::value* secret = document.if_contains("jwt_secret");
  if (secret != nullptr && !secret->is_string() && !secret->is_null()) {
    return bad_store("/jwt_secret", "must be a text");
  }
  const json::value* users = document.if_contains("users");
  if (users == nullptr) return {};
  const auto* array = users->if_array();
  if (array == nullptr) return bad_store("/users", "must be an array");
  for (std::size_t i = 0; i < array->size(); ++i) {
    if (auto fault = fault_of_user((*array)[i], fmt::format("/users/{}", i))) return fault;
  }
  return {};
}

User user_of(const json::object& entry) {
  return {jsonx::string_at(entry, "username"), jsonx::string_at(entry, "password"),
          jsonx::bool_at(entry, "disabled", false)};
}

}  // namespace

const boost::system::error_category& auth_category() noexcept {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), auth_category()};
}

bool is_unauthenticated(const Error& error) noexcept {
  return error.code() == make_error_code(Errc::unauthenticated);
}

Accounts Accounts::create(std::string secret) {
  json::object document;
  document["enabled"] = false;
  document["users"] = json::array();
  document["jwt_secret"] = std::move(secret);
  document["setup_skipped"] = false;
  return Accounts(std::move(document));
}

Result<Accounts> Accounts::parse(std::string_view text) {
  auto parsed = jsonx::parse(text);
  if (!parsed) return parsed.error();
  auto* document = parsed->if_object();
  if (document == nullptr) return bad_store("", "must be an object");
  if (auto fault = fault_of(*document)) return std::move(*fault);
  return Accounts(std::move(*document));
}

std::string Accounts::print() const {
  return jsonx::print(json::value(document_));
}

bool Accounts::enabled() const {
  return jsonx::bool_at(document_, "enabled", false);
}
bool Accounts::setup_skipped() const {
  return jsonx::bool_at(document_, "setup_skipped", false);
}
std::string Accounts::secret() const {
  return jsonx::string_at(document_, "jwt_secret");
}
void Accounts::set_secret(std::string secret) {
  document_["jwt_secret"] = std::move(secret);
}

json::array& Accounts::entries() {
  json::value& users = document_["users"];
  if (!users.is_array()) users = json::array();
  return users.get_array();
}

json::object* Accounts::entry(std::string_view username) {
  for (json::value& value : entries()) {
    if (jsonx::string_at(value.get_object(), "username") == username) return &value.get_object();
  }
  return nullptr;
}

std::vector<User> Accounts::users() const {
  std::vector<User> out;
  const json::value* users = document_.if_contains("users");
  if (users == nullptr) return out;
  for (const json::value& value : users->get_array()) out.push_back(user_of(value.get_object()));
  return out;
}

std::optional<User> Accounts::find(std::string_view username) const {
  for (User& user : users()) {
    if (user.username == username) return std::move(user);
  }
  return {};
}

std::size_t Accounts::active_users() const {
  const std::vector<User> all = users();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const User& user) { return !user.disabled; }));
}

Result<void> Accounts::set_up(std::string username, std::string hash) {
  if (!users().empty()) return refused("setup is over: there are users already");
  return add_user(std::move(username), std::move(hash));
}

Result<void> Accounts::skip_setup() {
  if (!users().empty()) return refused("setup is over: there are users already");
  document_["enabled"] = false;
  document_["setup_skipped"] = true;
  return {};
}

Result<void> Accounts::add_user(std::string username, std::string hash) {
  const std::vector<User> known = users();
  if (find(username)) return refused(fmt::format("user {} exists already", username));
  json::object user;
  user["username"] = std::move(username);
  user["password"] = std::move(hash);
  user["disabled"] = false;
  entries().push_back(std::move(user));
  if (known.empty()) {
    document_["enabled"] = true;
    document_["setup_skipped"] = false;
  }
  return {};
}

Result<void> Accounts::set_disabled(std::string_view username, bool disabled) {
  json::object* user = entry(username);
  if (user == nullptr) return refused(fmt::format("user {} not found", username));
  const bool was = jsonx::bool_at(*user, "disabled", false);
  if (disabled && !was && active_users() == 1) return refused("the last active user cannot be disabled");
  (*user)["disabled"] = disabled;
  return {};
}

Result<void> Accounts::remove_user(std::string_view username, std::string_view own) {
  const json::object* user = entry(username);
  if (user == nullptr) return refused(fmt::format("user {} not found", username));
  if (username == own) return refused("you cannot delete your own account");
  if (entries().size() == 1) return refused("the last user cannot be deleted");
  json::array& all = entries();
  all.erase(std::find_if(all.begin(), all.end(), [&](const json::value& value) {
    return jsonx::string_at(value.get_object(), "username") == username;
  }));
  return {};
}

Result<void> Accounts::enable() {
  if (active_users() == 0) return refused("authentication needs at least one active user");
  document_["enabled"] = true;
  return {};
}

void Accounts::disable() {
  document_["enabled"] = false;
}

Result<std::string> check_username(std::string_view username) {
  const std::string_view name = text::trim(username);
  if (!text::is_utf8(name)) return refused("the user name is not valid UTF-8");
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  if (std::count_if(name.begin(), name.end(), starts_character) < 3) {
    return refused("the user name needs at least 3 characters");
  }
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return refused("the user name must not hold control characters");
    if (std::string_view("/?#%").find(c) != std::string_view::npos) {
      return refused("the user name must not hold any of / ? # %");
    }
  }
  return std::string(name);
}

Result<void> check_password(std::string_view password) {
  if (password.size() < 8) return refused("the password needs at least 8 bytes");
  if (password.size() > 72) return refused("the password must not be longer than 72 bytes");
  if (!text::is_utf8(password)) return refused("the password is not valid UTF-8");
  // crypt(3) would end the password there.
  if (password.find('\0') != std::string_view::npos) return refused("the password must not hold a NUL");
  return {};
}

}  // namespace dumb::auth
