#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/secrets.hpp>

#include "config/dotenv.hpp"
#include "config/load.hpp"
#include "config/merge.hpp"
#include "config/migrate.hpp"
#include "config/store_posix.hpp"
#include "config/updates.hpp"
#include "config/validate.hpp"

namespace dumb::config {
namespace {

/// The same failure with the file's name in front.
Error in_file(const Error& error, const std::filesystem::path& file) {
  if (!error.problems().empty()) return {Errc::invalid_config, error.problems(), file.native()};
  return {error.code(), error.message(), error.where().empty() ? file.native() : error.where()};
}

/// Puts the value the file is known to hold next to each edit.
Edits with_before(Edits edits, const json::object& user) {
  for (Edit& edit : edits) {
    const json::value* known = jsonx::find(user, edit.path);
    edit.before = known == nullptr ? std::nullopt : std::optional(*known);
  }
  return edits;
}

std::optional<unsigned> id_at(const json::object& document, std::string_view key) {
  const json::value* value = document.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() <= 0) return std::nullopt;
  return static_cast<unsigned>(value->get_int64());
}

/// Variables a service manager addresses to the one process it started, this one: a child that believed them
/// would answer in its name, or adopt sockets it does not have.
OpenOptions without_own_variables(OpenOptions options) {
  for (const char* name :
       {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) {
    options.environment.erase(name);
  }
  return options;
}

}  // namespace

struct Manager::State {
  explicit State(OpenOptions given)
      : options(without_own_variables(std::move(given))),
        store(options.file),
        log(options.log == nullptr ? null_log() : *options.log),
        environment(options.environment) {}

  OpenOptions options;
  Store store;
  Log& log;
  Environment env_file;
  Environment environment;  ///< with the env file's variables
  Layers layers;
  std::vector<std::string> secret_variables;
  std::uint64_t generation = 0;
  SnapshotPtr snapshot;
  std::vector<std::function<void(const std::vector<JsonPath>&)>> callbacks;

  void read_env_file();
  Result<Loaded> load(std::string_view text) const;
  Result<void> create_file();
  Result<Loaded> load_file();
  void take(Loaded loaded);
  void rebuild();
  void tell(const std::vector<JsonPath>& changed) const;
  SnapshotPtr snapshot_of(const Layers& of) const;
  Result<Change> plan(Edits edits, Persist persist) const;
};

void Manager::State::read_env_file() {
  if (options.env_file.empty()) return;
  const auto text = file::read(options.env_file);
  if (!text) {
    const bool missing = text.error().code() == boost::system::errc::no_such_file_or_directory;
    if (!missing) log.warning(text.error().to_string());
    return;
  }
  DotEnv parsed = parse_dotenv(*text, options.environment);
  for (const std::string& warning : parsed.warnings) {
    log.warning(fmt::format("{}, {}; skipped", options.env_file.native(), warning));
  }
  env_file = std::move(parsed.variables);
  environment.insert(env_file.begin(), env_file.end());
}

Result<Loaded> Manager::State::load(std::string_view text) const {
  const SecretFiles secrets = read_secret_files(options.secrets_dir);
  return load_text(text, options.model, {secrets, options.environment, env_file});
}

Result<void> Manager::State::create_file() {
  const std::string text = jsonx::print(json::value(options.model.defaults));
  const auto defaults = load(text);
  if (!defaults) return in_file(defaults.error(), "default configuration");
  Layers fresh;
  fresh.user = defaults->user;
  fresh.overrides = defaults->overrides;
  const json::object effective = effective_of(fresh, options.model);
  auto made = store.create(text, options.root, id_at(effective, "puid"), id_at(effective, "pgid"));
  if (made) log.info("created " + store.file().native() + " with the default configuration");
  return made;
}

Result<Loaded> Manager::State::load_file() {
  const auto text = store.read();
  if (!text) return text.error();
  auto loaded = load(*text);
  if (loaded) return loaded;
  if (loaded.error().is(Errc::bad_json)) {
    const auto backup = store.read_backup();
    if (backup && load(*backup)) {
      return Error(Errc::bad_json,
                   loaded.error().message() + "; its backup " + store.file().native() + ".bak is valid",
                   store.file().native());
    }
  }
  return in_file(loaded.error(), store.file());
}

void Manager::State::take(Loaded loaded) {
  for (const auto& [level, message] : loaded.notices) log.write(level, message);
  layers.user = std::move(loaded.user);
  layers.overrides = std::move(loaded.overrides);
  layers.edits.clear();
  secret_variables = std::move(loaded.secret_variables);
  if (!layers.generated.empty()) {
    rebuild();
    return;
  }
  ++generation;
  snapshot =
      std::make_shared<const Snapshot>(std::move(loaded.effective), std::move(loaded.base), generation);
}

SnapshotPtr Manager::State::snapshot_of(const Layers& of) const {
  return std::make_shared<const Snapshot>(effective_of(of, options.model), base_of(of.user, options.model),
                                          generation + 1);
}

void Manager::State::rebuild() {
  snapshot = snapshot_of(layers);
  ++generation;
}

void Manager::State::tell(const std::vector<JsonPath>& changed) const {
  const auto listeners = callbacks;  // a callback may add another
  for (const auto& callback : listeners) callback(changed);
}

Result<Change> Manager::State::plan(Edits edits, Persist persist) const {
  Change change;
  change.overrides = layers.overrides;
  if (edits.empty()) {
    change.next = snapshot;
    return change;
  }
  for (const Edit& edit : edits) change.changed.push_back(edit.path);
  if (persist == Persist::yes) {
    change.session_edits = edits_over_variables(edits, *layers.overrides);
    change.file_edits = with_before(std::move(edits), layers.user);
  } else {
    change.session_edits = std::move(edits);
  }
  const Layers next = with_update(layers, change.file_edits, change.session_edits, persist);
  change.next = snapshot_of(next);
  const Edits& made = persist == Persist::yes ? change.file_edits : change.session_edits;
  const auto faults =
      check_update(next, change.next->effective(), snapshot->effective(), made, options.model);
  if (!faults.empty()) return Error(Errc::invalid_config, schema::to_problems(faults));
  return change;
}

Manager::Manager(std::unique_ptr<State> state) : state_(std::move(state)) {}
Manager::~Manager() = default;

Result<std::unique_ptr<Manager>> Manager::open(OpenOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  state->read_env_file();
  if (!state->store.exists() && state->options.create) {
    if (auto made = state->create_file(); !made) return made.error();
  }
  auto loaded = state->load_file();
  if (!loaded) return loaded.error();
  state->take(std::move(*loaded));
  return std::unique_ptr<Manager>(new Manager(std::move(state)));
}

SnapshotPtr Manager::snapshot() const noexcept {
  return state_->snapshot;
}
const Model& Manager::model() const noexcept {
  return state_->options.model;
}
const Environment& Manager::environment() const noexcept {
  return state_->environment;
}
std::vector<std::string> Manager::secret_variables() const {
  return state_->secret_variables;
}

std::vector<std::string> Manager::secret_values() const {
  std::vector<std::string> out = config::secret_values(state_->snapshot->effective());
  for (std::string& secret : config::secret_values(state_->snapshot->base()))
    out.push_back(std::move(secret));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  // A published default ("postgres") is no secret, and hiding it would make logs unreadable.
  const auto published = config::secret_values(state_->options.model.defaults);
  std::erase_if(out, [&](const std::string& secret) {
    return std::find(published.begin(), published.end(), secret) != published.end();
  });
  return out;
}

Result<void> Manager::reload() {
  auto loaded = state_->load_file();
  if (!loaded) {
    state_->log.error("configuration not reloaded, the old one stays in force: " +
                      loaded.error().to_string());
    return loaded.error();
  }
  state_->take(std::move(*loaded));
  state_->tell({});
  return {};
}

Result<Change> Manager::plan_block_update(std::string_view process_name, const json::object& updates,
                                          Persist persist) const {
  const Snapshot& now = *state_->snapshot;
  const Model& model = state_->options.model;
  const BlockRef* ref = now.resolve(process_name);
  if (ref == nullptr) return Error(Errc::not_found, "no such process", std::string(process_name));
  json::object wanted = migrate_updates(updates, ref->path, model);
  std::vector<Problem> unknown;
  for (const auto& [key, value] : wanted) {
    JsonPath path = ref->path;
    path.emplace_back(key);
    if (!is_allowed_key(model, ref->path, now.block(*ref), key)) {
      unknown.push_back({jsonx::pointer(path), "is not a setting of " + ref->process_name});
    }
  }
  if (!unknown.empty()) return Error(Errc::invalid_argument, std::move(unknown));
  normalise_updates(wanted, ref->path, model);
  std::string name = ref->process_name;
  if (json::value* renamed = wanted.if_contains("process_name"); renamed != nullptr && renamed->is_string()) {
    name = std::string(text::trim(renamed->get_string()));
    *renamed = json::string(name);
    for (const BlockRef& other : now.blocks()) {
      if (other.path != ref->path && text::fold(other.process_name) == text::fold(name)) {
        return Error(Errc::conflict, "is the name of another process", name);
      }
    }
  }
  auto change = state_->plan(
      block_edits({model, state_->layers, now.effective()}, ref->path, wanted, persist), persist);
  if (change) change->process_name = std::move(name);
  return change;
}

Result<Change> Manager::plan_global_update(const json::object& updates) const {
  const Model& model = state_->options.model;
  if (updates.empty()) return Error(Errc::invalid_argument, "the updates are empty");
  auto wanted = migrate_partial(updates, model);
  if (!wanted) return wanted.error();
  std::vector<Problem> unknown;
  for (const auto& [key, value] : *wanted) {
    if (!model.defaults.contains(key) && !state_->layers.user.contains(key)) {
      unknown.push_back({jsonx::pointer({std::string(key)}), "is not a member of the configuration"});
    }
  }
  if (!unknown.empty()) return Error(Errc::invalid_argument, std::move(unknown));
  normalise_updates(*wanted, {}, model);
  return state_->plan(global_edits({model, state_->layers, state_->snapshot->effective()}, *wanted),
                      Persist::yes);
}

Result<Change> Manager::plan_edits(std::vector<Edit> edits) const {
  const json::object& schema = state_->options.model.schema;
  for (Edit& edit : edits) {
    if (edit.path.empty()) return Error(Errc::invalid_argument, "the whole document cannot be replaced");
    if (!edit.value) continue;
    const json::object* node = schema::at(schema, edit.path);
    fix_nulls(*edit.value, node);
    normalise_level(*edit.value, edit.path.back(), node);
  }
  return state_->plan(std::move(edits), Persist::yes);
}

Result<void> Manager::write(const Change& change) const {
  if (change.file_edits.empty()) return {};
  const Store& store = state_->store;
  std::vector<std::string> warnings;
  auto written = store.rewrite([&](const std::string& text) {
    return edited_text(text, change.file_edits, state_->options.model, *change.overrides, warnings);
  });
  if (!written) return in_file(written.error(), store.file());
  for (const std::string& warning : warnings) state_->log.warning(warning);
  return {};
}

void Manager::commit(Change change) {
  if (change.changed.empty()) return;
  const Persist persist = change.file_edits.empty() ? Persist::no : Persist::yes;
  state_->layers = with_update(state_->layers, change.file_edits, change.session_edits, persist);
  state_->rebuild();
  for (const Edit& edit : change.file_edits) {
    if (const Override* one = override_touching(*state_->layers.overrides, edit.path)) {
      state_->log.warning(fmt::format("{}: saved, but the variable {} sets it again at the next load",
                                      jsonx::pointer(edit.path), one->variable));
    }
  }
  state_->tell(change.changed);
}

void Manager::set_generated(const JsonPath& path, json::object members) {
  auto& generated = state_->layers.generated;
  const auto old = generated.find(path);
  if (old == generated.end() ? members.empty() : jsonx::same(json::value(old->second), json::value(members)))
    return;
  if (members.empty()) {
    generated.erase(old);
  } else {
    generated.insert_or_assign(path, std::move(members));
  }
  state_->rebuild();
}

void Manager::on_change(std::function<void(const std::vector<JsonPath>&)> callback) {
  state_->callbacks.push_back(std::move(callback));
}

}  // namespace dumb::config
