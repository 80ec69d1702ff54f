#pragma once

#include <boost/system/error_code.hpp>
#include <dumb/base/error.hpp>
#include <string_view>
#include <vector>

namespace dumb::cli {

/// What the shell gets. Documented in docs/cli.md; values are stable.
enum class ExitCode {
  success = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  unknown_name = 4,
  interrupted = 130
};

/// Faults of the command line and of the way to the server, for Error::code().
enum class Trouble {
  usage = 1,       ///< the command line does not make sense
  unreachable,     ///< no server answered at the URL
  strange_answer,  ///< something answered that does not speak this API
  interrupted      ///< the user has stopped it
};
boost::system::error_code make_error_code(Trouble trouble) noexcept;
/// The code of an answer that is not 2xx; its value is the HTTP status.
boost::system::error_code http_status_code(int status) noexcept;

/// The one place where an error becomes an exit code.
ExitCode exit_code(const boost::system::error_code& code) noexcept;
/// Of several outcomes the one with the highest number.
ExitCode worst(ExitCode a, ExitCode b) noexcept;

}  // namespace dumb::cli

template <>
struct boost::system::is_error_code_enum<dumb::cli::Trouble> : std::true_type {};
