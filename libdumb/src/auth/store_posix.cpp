#include "auth/store_posix.hpp"

#include <sys/stat.h>

#include <boost/system/errc.hpp>
#include <dumb/auth/token.hpp>
#include <dumb/base/atomic_file.hpp>

namespace dumb::auth {
namespace {

constexpr std::uint64_t largest_store = std::uint64_t{4} << 20U;

Result<Accounts> read_accounts(const std::filesystem::path& file) {
  const auto text = file::read(file, largest_store);
  if (!text) return text.error();
  auto accounts = Accounts::parse(*text);
  if (!accounts) return Error(accounts.error().code(), accounts.error().to_string(), file.string());
  return accounts;
}

}  // namespace

std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  constexpr std::int64_t second = 1'000'000'000;
  return FileStamp{info.st_ino, info.st_size, info.st_mtim.tv_sec * second + info.st_mtim.tv_nsec};
}

Loaded load_accounts(const std::filesystem::path& file) {
  // Looked at first: a change between the two is seen as one at the next look.
  const auto stamp = stamp_of(file);
  return {read_accounts(file), stamp};
}

Result<void> save_accounts(const std::filesystem::path& file, const Accounts& accounts) {
  file::WriteOptions options;
  options.mode = 0600;
  options.force_mode = true;
  return file::write_atomic(file, accounts.print(), options);
}

Loaded load_or_create(const std::filesystem::path& file) {
  Loaded loaded = load_accounts(file);
  const bool missing =
      !loaded.accounts && loaded.accounts.error().code() == boost::system::errc::no_such_file_or_directory;
  if (!missing && (!loaded.accounts || !loaded.accounts->secret().empty())) return loaded;
  Accounts accounts = missing ? Accounts::create(random_secret()) : *loaded.accounts;
  if (!missing) accounts.set_secret(random_secret());
  if (missing) {
    if (const auto made = file::make_directories(file.parent_path()); !made) return {made.error(), {}};
  }
  if (const auto saved = save_accounts(file, accounts); !saved) return {saved.error(), {}};
  return load_accounts(file);
}

}  // namespace dumb::auth
