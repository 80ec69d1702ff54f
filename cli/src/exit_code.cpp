#include "exit_code.hpp"

#include <algorithm>
#include <string>

namespace dumb::cli {
namespace {

class TroubleCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "dumb-cli"; }
  std::string message(int value) const override {
    switch (static_cast<Trouble>(value)) {
      case Trouble::usage:
        return "wrong usage";
      case Trouble::unreachable:
        return "server unreachable";
      case Trouble::interrupted:
        return "interrupted";
      case Trouble::strange_answer:
        return "unexpected answer";
    }
    return "unknown error";
  }
};

class StatusCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int value) const override { return "HTTP status " + std::to_string(value); }
};

}  // namespace

boost::system::error_code make_error_code(Trouble trouble) noexcept {
  static const TroubleCategory category;
  return {static_cast<int>(trouble), category};
}

boost::system::error_code http_status_code(int status) noexcept {
  static const StatusCategory category;
  return {status, category};
}

ExitCode exit_code(const boost::system::error_code& code) noexcept {
  if (!code.failed()) return ExitCode::success;
  if (code == make_error_code(Trouble::usage)) return ExitCode::usage;
  if (code == make_error_code(Trouble::unreachable)) return ExitCode::unreachable;
  if (code == make_error_code(Trouble::interrupted)) return ExitCode::interrupted;
  if (code == http_status_code(404) || code == dumb::make_error_code(Errc::not_found)) {
    return ExitCode::unknown_name;
  }
  return ExitCode::failed;
}

ExitCode worst(ExitCode a, ExitCode b) noexcept {
  return std::max(a, b);
}

}  // namespace dumb::cli
