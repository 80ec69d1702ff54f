#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

#include "setup/postgres.hpp"
#include "setup/run_posix.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr int connect_limit_ms = 1000;

bool connects(int family, const sockaddr* address, socklen_t size) {
  const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return false;
  if (::connect(fd.get(), address, size) == 0) return true;
  if (errno == EAGAIN) return true;  // a Unix socket whose queue is full: somebody listens
  if (errno != EINPROGRESS) return false;
  pollfd entry{fd.get(), POLLOUT, 0};
  int error = 0;
  socklen_t length = sizeof error;
  return ::poll(&entry, 1, connect_limit_ms) == 1 &&
         ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

/// True when nothing in this address family keeps a service from listening there.
bool bindable(int family, int port) {
  const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno == EAFNOSUPPORT;
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
           errno == EADDRNOTAVAIL;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

bool MachineFacts::exists(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool MachineFacts::executable(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111U) != 0;
}

Result<std::string> MachineFacts::read(const fs::path& path) {
  return file::read(path, std::uint64_t{16} << 20U);
}

std::optional<fs::path> MachineFacts::tool(std::string_view name) {
  const auto path = context_.environment.find("PATH");
  return supervisor::find_program(name, path != context_.environment.end() ? std::string_view(path->second)
                                                                           : "/usr/local/bin:/usr/bin:/bin");
}

void MachineFacts::look_at_services() {
  running_.clear();
  if (!context_.is_running) return;
  for (const config::BlockRef& ref : context_.config->blocks()) {
    if (context_.is_running(ref.process_name)) running_.insert(ref.process_name);
  }
}

bool live_postgres(int pid, const fs::path& data_directory) {
  const fs::path process = fmt::format("/proc/{}", pid);
  const auto name = file::read(process / "comm");
  if (!name) return false;
  const std::string_view program = text::trim(*name);
  if (program != "postgres" && program != "postmaster") return false;
  // The server changes into its data directory.
  std::error_code error;
  const fs::path working = fs::read_symlink(process / "cwd", error);
  if (error) return true;  // another user's server: better safe than two servers on one directory
  const fs::path wanted = fs::weakly_canonical(data_directory, error);
  return working == (error ? data_directory : wanted);
}

bool MachineFacts::pid_file_stale(const fs::path& path) {
  const auto text = file::read(path);
  if (!text) return false;
  const auto content = pg::parse_pid_file(*text);
  if (!content) return true;
  // The file stands in the directory it is about; a moved directory's file still names the old place.
  return !live_postgres(content->pid, path.parent_path()) &&
         !live_postgres(content->pid, content->data_directory);
}

bool MachineFacts::answers(const std::string& host, int port) {
  if (port < 1 || port > 65535) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return false;
  bool connected = false;
  for (const addrinfo* at = found; at != nullptr && !connected; at = at->ai_next) {
    connected = connects(at->ai_family, at->ai_addr, at->ai_addrlen);
  }
  ::freeaddrinfo(found);
  return connected;
}

bool MachineFacts::port_free(int port) {
  return bindable(AF_INET, port) && bindable(AF_INET6, port);
}

bool MachineFacts::socket_owned(const fs::path& directory, int port) {
  const fs::path socket = directory / fmt::format(".s.PGSQL.{}", port);
  if (const auto text = file::read(socket.native() + ".lock")) {
    const auto content = pg::parse_pid_file(*text);
    if (content && live_postgres(content->pid, content->data_directory)) return true;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof address.sun_path) return false;
  socket.native().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  return connects(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Facts::User MachineFacts::user() {
  if (context_.service_user) return {context_.service_user->uid, context_.service_user->gid};
  return {::geteuid(), ::getegid()};
}

bool MachineFacts::is_root() {
  return ::geteuid() == 0;
}

std::string MachineFacts::random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string MachineFacts::machine() {
  utsname name{};
  return ::uname(&name) == 0 ? static_cast<const char*>(name.machine) : "";
}

Result<fs::path> MachineFacts::postgres_passfile() {
  const auto refs = context_.config->of_key("postgres");
  if (refs.empty()) return failure(Failure::missing_field, "there is no postgres section");
  const auto connection = pg::connection(context_.config->block(*refs.front()));
  if (!connection) return failure(Failure::missing_field, "postgres: " + connection.error().message());
  if (auto made = file::make_directories(context_.private_directory, 0700); !made)
    return Run::failed(made.error());
  const fs::path path = context_.private_directory / "postgres.pgpass";
  file::WriteOptions options;
  options.mode = 0600;
  options.force_mode = true;
  if (auto written = file::write_if_changed(path, pg::passfile(*connection), options); !written) {
    return Run::failed(written.error());
  }
  return path;
}

std::vector<fs::path> glob(const fs::path& pattern) {
  std::vector<fs::path> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return paths;
}

}  // namespace dumb::setup
