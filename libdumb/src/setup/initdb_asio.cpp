#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

#include "setup/phase_asio.hpp"
#include "setup/postgres.hpp"

/// The step initdb (SVC-113). The cluster is made in a directory of its own within the data directory, then
/// moved up with PG_VERSION last: a crash at any moment leaves a data directory without PG_VERSION, which the
/// next run empties.
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr const char* staging_name = ".dumb-initdb";

Error errno_failure(std::string_view what, const fs::path& path) {
  return Run::failed(system_error(errno, what, path.native()));
}

/// A file only the given user reads, removed at the end.
class SecretFile {
 public:
  SecretFile() = default;
  SecretFile(SecretFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SecretFile& operator=(SecretFile&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~SecretFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  static Result<SecretFile> create(const fs::path& directory, std::string_view text,
                                   const file::WriteOptions& owner) {
    SecretFile file;
    std::string pattern = (directory / ".dumb-XXXXXX").native();
    const UniqueFd fd(::mkostemp(pattern.data(), O_CLOEXEC));
    if (!fd) return errno_failure("create a file in", directory);
    file.path_ = pattern;
    if (owner.uid && ::fchown(fd.get(), *owner.uid, *owner.gid) != 0)
      return errno_failure("set the owner of", file.path_);
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return errno_failure("write", file.path_);
    }
    return file;
  }
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

struct Initdb {
  fs::path data;
  fs::path staging;
  bool needed = false;
  SecretFile password;
  std::vector<std::string> argv;
};

Result<void> remove_contents(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    fs::remove_all(entry.path(), error);
    if (error) return Run::failed(system_error(error.value(), "remove", entry.path().native()));
  }
  return {};
}

/// Decides whether there is something to do, and clears what an interrupted attempt left.
Result<bool> is_needed(const fs::path& data, const fs::path& staging) {
  const bool interrupted = fs::exists(staging);
  if (fs::exists(data / "PG_VERSION")) {
    if (interrupted) ::rmdir(staging.c_str());
    return false;
  }
  if (interrupted) {
    if (auto cleared = remove_contents(data); !cleared) return cleared.error();
  }
  if (!fs::is_empty(data)) {
    return failure(
        Failure::conflict,
        data.native() + " is neither empty nor a data directory of PostgreSQL (it has no PG_VERSION)");
  }
  return true;
}

Result<Initdb> prepare(Run& run, const json::object& step) {
  Initdb out;
  const auto data = run.scope.path(step.at("dir"));
  if (!data) return data.error();
  out.data = *data;
  out.staging = *data / staging_name;
  const auto needed = is_needed(out.data, out.staging);
  if (!needed) return needed.error();
  out.needed = *needed;
  if (!out.needed) return out;
  const auto user = run.scope.text(step.at("user"));
  const auto password = run.scope.text(step.at("password"));
  const auto extra = run.scope.text(step.contains("args") ? step.at("args") : json::value(""));
  if (!user || !password || !extra)
    return !user ? user.error() : !password ? password.error() : extra.error();
  if (text::blank(*user)) return failure(Failure::missing_field, "user must be set");
  if (text::blank(*password)) return failure(Failure::missing_field, "password must be set");
  const auto program = postgres_program(run, "initdb");
  if (!program) return program.error();
  file::WriteOptions owner = run.owned(0700);
  if (auto made = file::make_directories(out.staging, 0700, owner.uid, owner.gid); !made)
    return Run::failed(made.error());
  // The service user must reach the password file, and cannot enter the private directory.
  const fs::path place = owner.uid ? fs::path("/tmp") : run.context.private_directory;
  if (!owner.uid) {
    if (auto made = file::make_directories(place, 0700); !made) return Run::failed(made.error());
  }
  auto file = SecretFile::create(place, *password + "\n", owner);
  if (!file) return file.error();
  out.password = std::move(*file);
  const auto arguments =
      pg::initdb_arguments(out.staging.native(), *user, out.password.path().native(), *extra);
  if (!arguments) return arguments.error();
  out.argv = {*program};
  out.argv.insert(out.argv.end(), arguments->begin(), arguments->end());
  return out;
}

Result<void> move_up(const fs::path& data, const fs::path& staging) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(staging)) {
    if (entry.path().filename() != "PG_VERSION") names.push_back(entry.path().filename());
  }
  names.emplace_back("PG_VERSION");
  const UniqueFd directory(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const fs::path& name : names) {
    // What was moved before must be durable when PG_VERSION appears.
    if (name == "PG_VERSION" && directory) ::fsync(directory.get());
    if (::rename((staging / name).c_str(), (data / name).c_str()) != 0)
      return errno_failure("move", staging / name);
  }
  if (::rmdir(staging.c_str()) != 0) return errno_failure("remove", staging);
  if (directory) ::fsync(directory.get());
  return {};
}

/// The words for a locale in UTF-8, unless the environment chooses one.
std::map<std::string, std::string> locale_of(const config::Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto found = environment.find(name);
    if (found != environment.end() && !text::blank(found->second)) return {};
  }
  return {{"LC_ALL", "C.UTF-8"}};
}

Result<void> finish(Run& run, const Initdb& work, const Result<supervisor::HelperResult>& result) {
  Result<void> outcome;
  if (!result) {
    outcome = result.error();
  } else if (!result->status.success()) {
    outcome = failure(Failure::database_failed, "initdb ended with " + describe_exit(run, *result));
  } else {
    outcome = move_up(work.data, work.staging);
  }
  if (outcome) {
    run.changed(work.data);
    return {};
  }
  if (auto cleared = remove_contents(work.data); !cleared) {
    run.log().warning(fmt::format("{}: {}", run.name(), cleared.error().to_string()));
  }
  return outcome;
}

}  // namespace

Task<StepResult> step_initdb(RunPtr run, json::object step) {
  auto prepare_it = [run, step](const std::atomic<bool>&) {
    return std::make_shared<Result<Initdb>>(prepare(*run, step));
  };
  const auto work = co_await offload(*run->context.workers, std::move(prepare_it));
  if (!*work) co_return work->error();
  if (!(*work)->needed) co_return Effect::none;
  run->log().info(fmt::format("{}: creating a database cluster in {}", run->name(), (*work)->data.native()));
  const auto timeout = timeout_of(*run, step, Seconds(600));
  if (!timeout) co_return timeout.error();
  Tool tool;
  tool.helper = "initdb";
  tool.argv = (*work)->argv;
  tool.env = locale_of(run->context.environment);
  tool.directory = (*work)->data;
  tool.as_service_user = true;
  tool.log_output = true;
  tool.timeout = *timeout;
  const auto result = co_await run_tool(run, std::move(tool));
  auto finish_it = [run, work, result](const std::atomic<bool>&) { return finish(*run, **work, result); };
  const auto done = co_await offload(*run->context.workers, std::move(finish_it));
  if (!done) co_return done.error();
  co_return Effect::changed;
}

}  // namespace dumb::setup
