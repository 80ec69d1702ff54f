#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "style.hpp"

/// Link operations and jobs in words. All pure.
namespace dumb::cli {

/// "1,234,567".
std::string grouped(std::int64_t number);

/// One line about a run under way, and how fast it is: its rate counts since the stage began.
class LinkProgress {
 public:
  /// `progress` is that of a job (SYM-44); `now` in seconds.
  std::string line(const json::object& progress, double now, const Style& style);

 private:
  std::string stage_;
  double since_ = 0;
  std::int64_t from_ = 0;
};

/// The options that make another command work on the same files without a server.
std::string options_text(const std::optional<std::string>& root);

/// The answers of SYM-28, 32, 37 and 39. `options` are those of commands that are named.
std::string repair_text(const json::object& report, const Style& style, std::string_view options = {});
std::string backup_text(const json::object& report, const Style& style);
/// `samples` of a comparison made before are shown with it.
std::string restore_text(const json::object& report, const Style& style, std::string_view options = {},
                         std::string_view samples = {});
std::string compare_text(const json::object& report, const Style& style);
/// The samples of a comparison; empty when it has none.
std::string samples_text(const json::object& report);
/// Whether links were left that the run was asked for: it was stopped, by whatever.
bool is_unfinished(const json::object& report);
/// What to do about a run that was interrupted.
std::string how_to_go_on(const json::object& report, std::string_view options = {});
/// Whether everything that was asked for was done.
bool is_good(const json::object& report);

/// A status object of SYM-62; `time` spells Unix seconds.
std::string schedule_text(const json::object& status, const std::function<std::string(double)>& time,
                          const Style& style);

}  // namespace dumb::cli
