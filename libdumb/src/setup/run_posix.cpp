#include "setup/run_posix.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/config/secrets.hpp>

#include "setup/decypharr.hpp"
#include "setup/rclone.hpp"
#include "setup/riven.hpp"
#include "setup/sqlite_posix.hpp"
#include "setup/templates.hpp"
#include "setup/version_posix.hpp"

namespace dumb::setup {
namespace {

/// Shorter ones would blot out parts of ordinary words.
constexpr std::size_t shortest_secret = 5;

Failure kind_of(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return Failure::permission_denied;
    case ENOSPC:
    case EDQUOT:
      return Failure::disk_full;
    case ENOENT:
      return Failure::missing_file;
    case ENOTDIR:
    case EEXIST:
    case EISDIR:
    case ENOTEMPTY:
      return Failure::conflict;
    case EFBIG:
      return Failure::too_large;
    default:
      return Failure::bad_file;
  }
}

/// Values of models that this build does not compute: using one is a failure, never a blank.
void refuse_missing_models(Scope& scope) {
  for (const char* name : {"tree", "os_id", "os_codename"}) {
    scope.values[name] = [name]() -> Result<json::value> {
      return failure(Failure::not_installed, fmt::format("this build cannot compute {{{}}}", name));
    };
  }
}

/// The version that stands in a file, as after an install; blank when it does not.
std::string installed_version(const Run& run) {
  const json::object& block = run.scope.own();
  const version::Scope where{&run.service, &block, run.context.block.instance, {}};
  for (const version::Source& source : version::plan(where)) {
    if (!version::is_file(source)) continue;
    const auto found = version::read_file(source, run.context.root, {});
    if (found.version) return *found.version;
  }
  return {};
}

}  // namespace

Run::Run(Context given)
    : context(std::move(given)),
      service(*context.catalog->find(context.block.config_key)),
      facts(context),
      scope(context, service, facts) {
  refuse_missing_models(scope);
  add_rclone_models(scope);
  add_decypharr_models(scope);
  add_riven_models(scope);
  add_small_models(scope);
  scope.values["nzbdav.stored_user"] = [this]() -> Result<json::value> {
    return json::value(json::string(nzbdav_item(scope, "webdav.user")));
  };
  scope.values["nzbdav.stored_password"] = [this]() -> Result<json::value> {
    return json::value(json::string(nzbdav_item(scope, "webdav.pass")));
  };
  scope.values["version"] = [this]() -> Result<json::value> {
    return json::value(json::string(installed_version(*this)));
  };
  scope.values["postgres.passfile"] = [this]() -> Result<json::value> {
    const auto path = facts.postgres_passfile();
    if (!path) return path.error();
    return json::value(json::string(path->native()));
  };
}

file::WriteOptions Run::owned(mode_t mode) const {
  file::WriteOptions options;
  options.mode = mode;
  if (context.service_user && ::geteuid() == 0) {
    options.uid = context.service_user->uid;
    options.gid = context.service_user->gid;
  }
  return options;
}

void Run::changed(const std::filesystem::path& path) {
  const std::string shown = context.root.unmap(path).native();
  if (std::find(outcome.changed.begin(), outcome.changed.end(), shown) == outcome.changed.end()) {
    outcome.changed.push_back(shown);
  }
}

Error Run::failed(const Error& error) {
  const std::string message =
      error.where().empty() ? error.message() : error.where() + ": " + error.message();
  if (error.code().category() == make_error_code(Failure::bad_file).category())
    return {error.code(), message};
  if (error.code().category() == boost::system::system_category()) {
    return failure(kind_of(error.code().value()), message);
  }
  if (error.is(Errc::cancelled)) return failure(Failure::cancelled, message);
  if (error.is(Errc::timed_out)) return failure(Failure::timeout, message);
  return failure(Failure::bad_file, message);
}

std::string Run::redacted(std::string text) const {
  for (const std::string& secret : config::secret_values(context.config->effective(), shortest_secret)) {
    if (secret == "postgres") continue;  // the published default of SVC-121, and a word of every message
    text = text::replace_all(std::move(text), secret, "***");
  }
  return text;
}

Result<mode_t> mode_of(const json::object& step, mode_t otherwise) {
  const json::value* mode = step.if_contains("mode");
  if (mode == nullptr) return otherwise;
  const std::string text = text_of(*mode);
  mode_t bits = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || bits > 07777U)
      return failure(Failure::bad_value, "mode must be octal, got " + text);
    bits = bits * 8 + static_cast<mode_t>(c - '0');
  }
  return bits;
}

std::optional<StepResult> blocking_step(std::string_view kind, Run& run, const json::object& step,
                                        const std::atomic<bool>& stop) {
  // A running service's files and mounts stay as they are; what only computes still does.
  const bool disk = kind == "mkdir" || kind == "own" || kind == "copy" || kind == "symlink" ||
                    kind == "remove" || kind == "unmount" || kind == "render" || kind == "edit" ||
                    kind == "patch" || kind == "traefik-ui";
  if (disk && run.hands_off) return Effect::none;
  if (kind == "mkdir") return step_mkdir(run, step);
  if (kind == "own") return step_own(run, step, stop);
  if (kind == "copy") return step_copy(run, step);
  if (kind == "symlink") return step_symlink(run, step);
  if (kind == "remove") return step_remove(run, step);
  if (kind == "unmount") return step_unmount(run, step);
  if (kind == "render") return step_render(run, step);
  if (kind == "edit") return step_edit(run, step);
  if (kind == "set") return step_set(run, step);
  if (kind == "secret") return step_secret(run, step);
  if (kind == "pick-port") return step_pick_port(run, step);
  if (kind == "require") return step_require(run, step);
  if (kind == "obscure") return step_obscure(run, step);
  if (kind == "capture") return step_capture(run, step);
  if (kind == "launch") return step_launch(run, step);
  if (kind == "patch") return step_patch(run, step);
  if (kind == "traefik-ui") return step_traefik_ui(run, step);
  return std::nullopt;
}

}  // namespace dumb::setup
