#include "access.hpp"

#include "exit_code.hpp"

namespace dumb::cli {

Access::Access(std::string token) : credentials_{std::move(token), {}} {}

Access::Access(auth::CredentialFile file, std::string server)
    : file_(std::move(file)), server_(std::move(server)) {
  const auto found = file_->find(server_);
  if (found && *found) credentials_ = **found;
}

std::string Access::token() const {
  const std::lock_guard lock(mutex_);
  return credentials_.access_token;
}

bool Access::renew(const std::string& used,
                   const std::function<std::optional<auth::Credentials>(const std::string&)>& refresh) {
  const std::lock_guard lock(mutex_);  // one at a time asks; the others get what it got
  if (credentials_.access_token != used) return true;
  if (credentials_.refresh_token.empty()) return false;
  const auto fresh = refresh(credentials_.refresh_token);
  if (!fresh) return false;
  credentials_ = *fresh;
  // The next command would have to log in again, which it will say.
  if (file_) static_cast<void>(file_->store(server_, credentials_));
  return true;
}

Result<void> Access::keep(const auth::Credentials& credentials) {
  const std::lock_guard lock(mutex_);
  credentials_ = credentials;
  if (!file_) return Error(Trouble::usage, "DUMB_TOKEN is set: it is what counts; unset it to log in");
  return file_->store(server_, credentials_);
}

Result<bool> Access::forget() {
  const std::lock_guard lock(mutex_);
  credentials_ = {};
  if (!file_) return Error(Trouble::usage, "DUMB_TOKEN is set: there is nothing to forget");
  return file_->remove(server_);
}

std::string Access::place() const {
  return file_ ? file_->path().native() : std::string();
}

}  // namespace dumb::cli
