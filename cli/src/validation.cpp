#include "validation.hpp"

#include <fmt/format.h>

#include <dumb/base/text.hpp>

namespace dumb::cli {
namespace {

// Load errors may name the file themselves.
std::string without_file(std::string text, std::string_view file) {
  if (text.size() > file.size() + 2 && std::string_view(text).substr(0, file.size()) == file &&
      text.compare(file.size(), 2, ": ") == 0) {
    text.erase(0, file.size() + 2);
  }
  return text;
}

}  // namespace

std::vector<ReportedProblem> problems_of(const Error& error, std::string_view file) {
  std::vector<ReportedProblem> problems;
  for (const Problem& problem : error.problems()) {
    problems.push_back({without_file(problem.where, file), without_file(problem.message, file)});
  }
  if (problems.empty()) {
    const bool about_file = error.where().empty() || error.where() == file;
    problems.push_back(
        {about_file ? "" : without_file(error.where(), file), without_file(error.message(), file)});
  }
  return problems;
}

std::string render_validation(const ValidationReport& report, const Style& style) {
  const std::string file = style.paint(Color::bold, printable(report.file)) + ": ";
  std::string text;
  for (const ReportedNotice& notice : report.notices) {
    const bool warning = notice.level != "INFO";
    text += file + style.paint(warning ? Color::yellow : Color::dim, warning ? "warning:" : "note:") + ' ' +
            printable(notice.message) + '\n';
  }
  for (const ReportedProblem& problem : report.problems) {
    text += file;
    if (!problem.where.empty()) text += style.paint(Color::red, printable(problem.where)) + ": ";
    text += printable(problem.message) + '\n';
  }
  if (report.valid) {
    text += fmt::format("{}{}, {} services, {} of them enabled\n", file, style.paint(Color::green, "OK"),
                        report.services, report.enabled);
  } else {
    text += fmt::format("{}{} {}\n", file, report.problems.size(),
                        report.problems.size() == 1 ? "fault" : "faults");
  }
  return text;
}

}  // namespace dumb::cli
