#pragma once

#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <dumb/base/result.hpp>
#include <dumb/config/model.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::catalog {

struct Shutdown {
  std::string tier = "remaining";
  std::string signal = "SIGTERM";
  int attempts = 3;
  int wait_seconds = 10;    ///< the grace before SIGKILL is attempts times this (LIF-64)
  std::string quit_signal;  ///< sent after the grace and before SIGKILL (LIF-79); empty: none
  int quit_seconds = 0;     ///< from the quit signal to SIGKILL
  int reserve_seconds = 0;  ///< of the grace, what no shutdown budget takes away
};
BOOST_DESCRIBE_STRUCT(Shutdown, (),
                      (tier, signal, attempts, wait_seconds, quit_signal, quit_seconds, reserve_seconds))

struct HealthFields {
  std::vector<std::string> port_fields;
  std::vector<std::string> env_ports;
};
BOOST_DESCRIBE_STRUCT(HealthFields, (), (port_fields, env_ports))

struct Links {
  std::optional<std::string> repo_url, static_url, sponsorship_url;
};
BOOST_DESCRIBE_STRUCT(Links, (), (repo_url, static_url, sponsorship_url))

struct Logging {
  bool captured_to_log_file = false;
};
BOOST_DESCRIBE_STRUCT(Logging, (), (captured_to_log_file))

struct Dependencies {
  std::vector<std::string> requires_;  ///< member "requires"
  std::vector<std::string> start_after, hard_links, soft_links;
  std::vector<std::string> optional_requires;  ///< those of `requires` whose lack is only a warning (DEP-42)
  std::string start_after_field;               ///< only instances where this member is true count (DEP-19)
  bool start_after_narrowed = false;  ///< refs that name some of start_after leave only those (DEP-19)
  bool scoped = false;                ///< instances belong to particular core services
};

/// What is known of one service (SVC 1.2). `raw` holds every member as the file has it.
struct Service {
  std::string key, config_path, display_name, kind, summary, process_name, template_instance, command_from,
      run_as;
  std::vector<std::string> aliases, also_listed_as, optional_keys, also_accepted_keys, debrid_providers;
  std::vector<std::string> key_aliases;  ///< later names of its top-level member (CFG-40)
  bool in_default_config = true, multi_instance = false;
  Shutdown shutdown;
  HealthFields health;
  Links links;
  Logging logging;
  Dependencies dependencies;
  json::object updates, install, version, defaults;
  json::object schema;  ///< what the schema of its block says beyond its defaults: name -> schema (CFG-48)
  json::array configure, post_start;  ///< step lists (SVC 7)
  json::object raw;
};

/// The services the library knows, as data. Immutable once loaded; safe to read from any thread.
class Catalog {
 public:
  /// The embedded files, then those of `overlay` (may be empty), which add or replace by key (SVC-1).
  /// A faulty file is left out and described in `problems` (SVC-2); fails only if the shared data is
  /// unusable.
  static Result<Catalog> load(const std::filesystem::path& overlay, std::vector<Error>& problems);
  /// The embedded catalogue alone, which has no problems.
  static const Catalog& embedded();

  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;
  ~Catalog();

  /// In the order of the default document, then the rest by key.
  const std::vector<Service>& services() const noexcept;
  const Service* find(std::string_view key) const noexcept;
  /// By key, display name or alias, any letter case (DEP-2).
  const Service* find_token(std::string_view token) const;
  /// SVC-3; member order is part of the contract.
  json::object default_document() const;
  /// JSON Schema (draft 2020-12) of the whole document (CFG-3, CFG-48, CFG-49).
  json::object schema() const;
  config::Model model() const;
  const std::vector<std::string>& shutdown_tiers() const noexcept;
  /// Keys of the core services in the order of DEP-6, the rest of them by key.
  std::vector<std::string> core_keys() const;
  /// Base URL of a name; DUMB_ENDPOINT_<NAME> in `environment` replaces it (SVC 1.1).
  const json::object& endpoints() const noexcept;
  const json::object& architectures() const noexcept;

 private:
  struct Data;
  explicit Catalog(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

}  // namespace dumb::catalog
