#pragma once

#include <boost/system/error_code.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb {

/// What went wrong, for programs. Values are stable; new ones are appended.
enum class Errc {
  invalid_config = 1,  ///< a configuration document breaks a rule; `problems()` lists every place
  not_found,           ///< no process, file, job … of that name
  cycle,               ///< dependencies that wait for each other
  conflict,            ///< another operation is in the way
  spawn_failed,        ///< a program could not be executed, or ended at once
  timed_out,           ///< a wait reached its deadline
  io,                  ///< a system call failed and carries no errno of its own
  invalid_argument,    ///< a value of a call or request is not acceptable
  cancelled,           ///< ended by a stop or shutdown
  unavailable,         ///< the program is shutting down, or a store cannot be read
  unsupported,         ///< the operation does not exist for this service
  setup_failed,        ///< a setup step failed; the message names step and service
  stop_failed,         ///< something a service started is still alive
  bad_json,            ///< text is not JSON; the message holds line and column
};

const boost::system::error_category& dumb_category() noexcept;
boost::system::error_code make_error_code(Errc code) noexcept;

/// One fault of a document: a JSON pointer and a sentence that starts with "must", "is" or "has".
struct Problem {
  std::string where;
  std::string message;
  bool operator==(const Problem&) const = default;
};

/// A failure: code for programs, place and sentence for people. Never holds a secret.
class Error {
 public:
  Error() = default;
  Error(boost::system::error_code code, std::string message, std::string where = {});
  Error(Errc code, std::string message, std::string where = {});
  /// An `invalid_config` (or other) error that stands for a list; the message joins them.
  Error(Errc code, std::vector<Problem> problems, std::string where = {});

  const boost::system::error_code& code() const noexcept { return code_; }
  bool is(Errc code) const noexcept { return code_ == make_error_code(code); }
  /// One sentence, without the place.
  const std::string& message() const noexcept { return message_; }
  /// JSON pointer, path or process name; may be empty.
  const std::string& where() const noexcept { return where_; }
  const std::vector<Problem>& problems() const noexcept { return problems_; }
  /// "where: message", or the message alone.
  std::string to_string() const;

 private:
  boost::system::error_code code_;
  std::string message_;
  std::string where_;
  std::vector<Problem> problems_;
};

/// An error from `errno`-style `number`: "cannot <what>: <system text>".
Error system_error(int number, std::string_view what, std::string where = {});

}  // namespace dumb

template <>
struct boost::system::is_error_code_enum<dumb::Errc> : std::true_type {};
