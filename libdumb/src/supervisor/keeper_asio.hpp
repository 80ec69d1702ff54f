#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <dumb/base/log.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "supervisor/keeper_process_posix.hpp"
#include "supervisor/notify_posix.hpp"

namespace dumb::supervisor {

/// The supervisor's side of the keeper. What is asked in one turn of the event loop goes in few messages. A
/// keeper that is gone or does not answer is replaced; services never wait for it. Not thread-safe.
class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  /// `lost` is called when there is another keeper, which holds nothing yet. Nothing happens before open().
  Keeper(const boost::asio::any_io_executor& executor, std::filesystem::path run_directory, Log& log,
         std::function<void()> lost);

  /// Finds the keeper of an earlier run, or starts one. Blocks for a moment.
  void open();
  /// The notify socket of a launch of an earlier run, with what was said on it while nobody listened. Once.
  NotifySocket take_notify(std::int64_t number);
  /// Lets go of whatever the keeper of an earlier run held for launches but these.
  void keep_only(const std::vector<std::int64_t>& numbers);

  /// Has the descriptor, which stays the caller's, held from the end of this turn on.
  void keep(std::int64_t number, keeper::Kind kind, int fd);
  /// Nothing of that launch matters any more.
  void drop(std::int64_t number);

  /// Another run goes on, with the same keeper.
  void leave();
  /// Nothing is left to keep: it ends.
  void end();
  void close();

 private:
  struct Kept {
    keeper::Item item;
    UniqueFd fd;
  };

  bool ask();
  bool begin(UniqueFd socket);
  void flush_soon();
  void flush();
  bool send_kept();
  bool send_dropped();
  void watch();
  void replace_soon();

  boost::asio::any_io_executor executor_;
  std::filesystem::path run_directory_;
  Log& log_;
  std::function<void()> lost_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer pause_;
  std::vector<Kept> kept_;             // to be sent
  std::vector<std::int64_t> dropped_;  // to be sent
  std::map<std::int64_t, NotifySocket> notify_;
  std::vector<std::int64_t> found_;  // launches of an earlier run
  bool due_ = false;
  bool wanted_ = false;
};

}  // namespace dumb::supervisor
