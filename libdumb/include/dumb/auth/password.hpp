#pragma once

#include <dumb/base/result.hpp>
#include <string>
#include <string_view>

/// Password hashes by bcrypt. Slow by design (a quarter of a second at cost 12): call them on a worker.
/// Thread-safe.
namespace dumb::auth {

/// `$2b$` of the password with a new salt. `cost`: 4 to 31, the binary logarithm of the rounds. Fails with io
/// when the system cannot hash.
Result<std::string> hash_password(std::string_view password, unsigned cost = 12);
/// Whether `password` fits a `$2a$`, `$2b$` or `$2y$` hash; false for anything that is no such hash.
bool password_fits(std::string_view password, std::string_view hash);

}  // namespace dumb::auth
