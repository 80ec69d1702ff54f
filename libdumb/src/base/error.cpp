#include <boost/throw_exception.hpp>
#include <dumb/base/error.hpp>
#include <dumb/base/result.hpp>
#include <stdexcept>
#include <utility>

namespace dumb {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "dumb"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::invalid_config:
        return "invalid configuration";
      case Errc::not_found:
        return "not found";
      case Errc::cycle:
        return "cyclic dependency";
      case Errc::conflict:
        return "conflicting operation";
      case Errc::spawn_failed:
        return "start failed";
      case Errc::timed_out:
        return "timed out";
      case Errc::io:
        return "input/output error";
      case Errc::invalid_argument:
        return "invalid argument";
      case Errc::cancelled:
        return "cancelled";
      case Errc::unavailable:
        return "unavailable";
      case Errc::unsupported:
        return "unsupported";
      case Errc::setup_failed:
        return "setup failed";
      case Errc::stop_failed:
        return "stop failed";
      case Errc::bad_json:
        return "not valid JSON";
    }
    return "unknown error";
  }
};

std::string joined(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += "; ";
    text += problem.where.empty() ? "/" : problem.where;
    text += ": ";
    text += problem.message;
  }
  return text;
}

}  // namespace

const boost::system::error_category& dumb_category() noexcept {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), dumb_category()};
}

Error::Error(boost::system::error_code code, std::string message, std::string where)
    : code_(code), message_(std::move(message)), where_(std::move(where)) {}

Error::Error(Errc code, std::string message, std::string where)
    : Error(make_error_code(code), std::move(message), std::move(where)) {}

Error::Error(Errc code, std::vector<Problem> problems, std::string where)
    : code_(make_error_code(code)),
      message_(joined(problems)),
      where_(std::move(where)),
      problems_(std::move(problems)) {}

std::string Error::to_string() const {
  return where_.empty() ? message_ : where_ + ": " + message_;
}

Error system_error(int number, std::string_view what, std::string where) {
  const boost::system::error_code code(number, boost::system::system_category());
  return {code, "cannot " + std::string(what) + ": " + code.message(), std::move(where)};
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  boost::throw_with_location(std::runtime_error(error.to_string()), where);
}

}  // namespace dumb
