#pragma once

#include <dumb/base/log.hpp>
#include <dumb/config/manager.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "support/support.hpp"

namespace dumb::test {

/// Keeps every record; thread-safe.
class LogCapture final : public Log {
 public:
  void write(Level level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    text_ += std::string(level_name(level)) + " " + std::string(message) + "\n";
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  bool contains(std::string_view part) const { return text().find(part) != std::string::npos; }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// A configuration file in a directory of its own.
class ConfigBench {
 public:
  explicit ConfigBench(config::Model model) : model_(std::move(model)) {}
  ConfigBench(config::Model model, std::string_view text) : model_(std::move(model)) { write(text); }

  config::OpenOptions options() {
    config::OpenOptions out;
    out.file = file();
    out.root = Root(dir_.path());
    out.model = model_;
    out.environment = environment;
    out.env_file = dir_ / "config/.env";
    out.secrets_dir = dir_ / "secrets";
    out.log = &log;
    return out;
  }
  Result<std::unique_ptr<config::Manager>> open() { return config::Manager::open(options()); }

  std::filesystem::path file() const { return dir_ / "config/dumb_config.json"; }
  std::filesystem::path backup(std::string_view suffix = "") const {
    return file().native() + ".bak" + std::string(suffix);
  }
  const TempDir& dir() const { return dir_; }
  std::string text() const { return read_text(file()); }
  void write(std::string_view text) const { write_text(file(), text); }

  config::Environment environment;
  LogCapture log;

 private:
  config::Model model_;
  TempDir dir_;
};

/// Plans, writes and commits an update of one block.
inline Result<void> update(config::Manager& manager, std::string_view name, const json::object& updates,
                           config::Manager::Persist persist = config::Manager::Persist::yes) {
  auto change = manager.plan_block_update(name, updates, persist);
  if (!change) return change.error();
  if (auto written = manager.write(*change); !written) return written;
  manager.commit(std::move(*change));
  return {};
}

}  // namespace dumb::test
