#pragma once

#include <boost/describe/enum.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>

/// Work in the background that can be watched, cancelled and looked up afterwards. All pure.
namespace dumb::jobs {

/// queued -> running -> completed | error; a queued job may go to error directly.
enum class Status { queued, running, completed, error };
BOOST_DESCRIBE_ENUM(Status, queued, running, completed, error)

/// Why a job ended in `error`. `code` is "cancelled", "interrupted", "aborted", "invalid" or "internal".
struct Failure {
  std::string message;
  std::string code;
  std::optional<std::string> manifest;  ///< what undoes or resumes the run
};

/// Times are Unix seconds.
struct Job {
  std::string job_id;  ///< 32 lower-case hexadecimal digits
  std::string process_name;
  std::string operation;
  Status status = Status::queued;
  std::int64_t created_at = 0;
  std::int64_t updated_at = 0;
  std::optional<std::int64_t> started_at;
  std::optional<std::int64_t> finished_at;
  json::object metadata;  ///< the request as used
  std::optional<json::object> progress;
  std::optional<json::object> result;
  std::optional<Failure> error;
  std::uint64_t sequence = 0;  ///< order of creation

  bool active() const noexcept { return status == Status::queued || status == Status::running; }
};

/// The job object of the API (SYM-43).
json::object to_json(const Job& job);
/// The same with `result` null.
json::object to_summary(const Job& job);

/// The same for the history, with the first `list_limit` elements of each list of the result and the order of
/// creation.
inline constexpr std::size_t list_limit = 100;
json::object to_record(const Job& job);
/// Cuts the lists of a result to that length and says so in its `truncated`.
void shorten(json::object& result);
/// Errc::invalid_argument when it is no record of a job.
Result<Job> from_record(const json::value& record);

/// Whether `text` is the id of a job.
bool is_job_id(const std::string& text) noexcept;

}  // namespace dumb::jobs
