#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "paths.hpp"
#include "validation.hpp"

namespace dumb::cli {
namespace {

/// Keeps what the configuration has to say below an error.
class Notices final : public Log {
 public:
  void write(Level level, std::string_view message) override {
    if (level >= Level::info) notices_.push_back({std::string(level_name(level)), std::string(message)});
  }
  std::vector<ReportedNotice> take() { return std::move(notices_); }

 private:
  std::vector<ReportedNotice> notices_;
};

config::OpenOptions open_options(const Context& context, const Invocation& invocation, Log& log) {
  config::OpenOptions options;
  options.root =
      stack_root(invocation.value("--root"), context.system.environment, context.system.is_root_user);
  options.file = invocation.arguments.empty() ? config_path({}, context.system.environment, options.root)
                                              : std::filesystem::path(invocation.arguments.front());
  options.model = catalog::Catalog::embedded().model();
  options.create = false;
  options.log = &log;
  if (invocation.has("--with-env")) {
    options.environment = context.system.environment;
    options.env_file = options.root.map("/config/.env");
    options.secrets_dir = options.root.map("/run/secrets");
  }
  return options;
}

}  // namespace

Result<ExitCode> run_config_validate(Context& context, const Invocation& invocation) {
  Notices notices;
  config::OpenOptions options = open_options(context, invocation, notices);
  ValidationReport report;
  report.file = options.file.native();
  std::error_code ignored;
  const std::string opened = std::filesystem::weakly_canonical(options.file, ignored).native();
  auto manager = config::Manager::open(std::move(options));
  if (manager) {
    report.valid = true;
    for (const config::BlockRef& block : (*manager)->snapshot()->blocks()) {
      ++report.services;
      if (block.enabled) ++report.enabled;
    }
  } else {
    report.problems = problems_of(manager.error(), opened);
  }
  report.notices = notices.take();
  context.print(context.json ? jsonx::print(codec::encode(report))
                             : render_validation(report, context.style));
  return report.valid ? ExitCode::success : ExitCode::failed;
}

}  // namespace dumb::cli
