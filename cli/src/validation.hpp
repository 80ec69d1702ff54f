#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <dumb/base/error.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

struct ReportedProblem {
  std::string where;  ///< JSON pointer; empty for a fault of the file itself
  std::string message;
};
BOOST_DESCRIBE_STRUCT(ReportedProblem, (), (where, message))

/// Something worth knowing that is no fault, such as a member nobody knows.
struct ReportedNotice {
  std::string level;  ///< "INFO" or "WARNING"
  std::string message;
};
BOOST_DESCRIBE_STRUCT(ReportedNotice, (), (level, message))

/// What `config validate` found.
struct ValidationReport {
  std::string file;
  bool valid = false;
  std::vector<ReportedProblem> problems;
  std::vector<ReportedNotice> notices;
  std::int64_t services = 0;
  std::int64_t enabled = 0;
};
BOOST_DESCRIBE_STRUCT(ValidationReport, (), (file, valid, problems, notices, services, enabled))

/// The problems an error of loading `file` (as it was opened) stands for; its name is taken off their texts.
std::vector<ReportedProblem> problems_of(const Error& error, std::string_view file);

/// A line per notice and problem, "FILE: /pointer: sentence", or one line that all is well. Pure.
std::string render_validation(const ValidationReport& report, const Style& style);

}  // namespace dumb::cli
