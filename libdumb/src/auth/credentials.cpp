#include <boost/json.hpp>
#include <cerrno>
#include <dumb/auth/credentials.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/json.hpp>

namespace dumb::auth {

Result<CredentialFile::All> CredentialFile::read() const {
  const auto text = file::read(path_, 1U << 20U);
  if (!text) {
    if (text.error().code() == std::errc::no_such_file_or_directory) return All();
    return text.error();
  }
  const auto document = jsonx::parse(*text);
  if (!document) return Error(document.error().code(), document.error().message(), path_.native());
  auto all = codec::from_json<All>(*document);
  if (!all) return Error(all.error().code(), all.error().to_string(), path_.native());
  return all;
}

Result<void> CredentialFile::write(const All& all) const {
  std::error_code failed;
  const std::filesystem::path directory = path_.parent_path();
  if (!directory.empty() && !std::filesystem::exists(directory, failed)) {
    std::filesystem::create_directories(directory, failed);
    if (failed) return Error(failed, "cannot be made: " + failed.message(), directory.native());
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, failed);
  }
  file::WriteOptions options;
  options.mode = 0600;
  options.force_mode = true;
  return file::write_atomic(path_, jsonx::print(codec::encode(all)), options);
}

Result<std::optional<Credentials>> CredentialFile::find(const std::string& server) const {
  const auto all = read();
  if (!all) return all.error();
  const auto found = all->find(server);
  if (found == all->end()) return std::optional<Credentials>();
  return std::optional<Credentials>(found->second);
}

Result<void> CredentialFile::store(const std::string& server, const Credentials& credentials) const {
  auto all = read();
  if (!all) return all.error();
  (*all)[server] = credentials;
  return write(*all);
}

Result<bool> CredentialFile::remove(const std::string& server) const {
  auto all = read();
  if (!all) return all.error();
  if (all->erase(server) == 0) return false;
  const auto written = write(*all);
  if (!written) return written.error();
  return true;
}

std::filesystem::path credentials_path(const std::map<std::string, std::string>& environment) {
  const auto value = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  };
  if (const std::string file = value("DUMB_CREDENTIALS"); !file.empty()) return file;
  if (const std::string home = value("XDG_CONFIG_HOME"); !home.empty())
    return std::filesystem::path(home) / "dumb/credentials.json";
  if (const std::string home = value("HOME"); !home.empty())
    return std::filesystem::path(home) / ".config/dumb/credentials.json";
  return {};
}

}  // namespace dumb::auth
