#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/logs/log_service.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/memory.hpp"

namespace dumb::supervisor {

/// Keeps the file of what outlives a run of this program. Written a moment after a change, so that many
/// changes at once cost one write and no restart waits for it: a SIGKILL within that moment costs the last of
/// them.
class MemoryFile : public std::enable_shared_from_this<MemoryFile> {
 public:
  using Collect = std::function<std::vector<ServiceMemory>()>;

  /// `collect` is called until close().
  MemoryFile(const boost::asio::any_io_executor& executor, std::filesystem::path path, logs::LogService& logs,
             Collect collect);

  /// Reads what an earlier run has left; a file that is none is told of and costs the counters only.
  void load();
  /// What is left of one service, once.
  std::optional<ServiceMemory> take(std::string_view process_name);
  /// Names nobody took.
  bool holds(std::string_view process_name) const;
  void write_soon();
  /// Nothing when nothing has changed.
  void write_now();
  /// Nothing is remembered of this run: it ends orderly.
  void forget();
  void close();

 private:
  const std::string& life();

  std::filesystem::path path_;
  logs::LogService& logs_;
  Collect collect_;
  std::map<std::string, ServiceMemory, std::less<>> left_;
  boost::asio::steady_timer timer_;
  std::string life_;  // made when it is needed first
  std::string written_;
  bool due_ = false;
  bool told_ = false;
};

}  // namespace dumb::supervisor
