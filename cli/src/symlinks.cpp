#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <optional>
#include <utility>

#include "commands.hpp"
#include "link_runner.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

constexpr std::string_view repair_operation = "symlink_repair";
constexpr std::string_view restore_operation = "symlink_manifest_restore";

Error usage_error(std::string message) {
  return {Trouble::usage, std::move(message)};
}

Result<bool> wants_apply(const Invocation& invocation) {
  if (invocation.has("--apply") && invocation.has("--dry-run")) {
    return usage_error("--apply and --dry-run exclude each other");
  }
  return invocation.has("--apply");
}

/// The two sides of "FROM=TO"; in it "\=" stands for "=" and "\\" for "\", so that a path may hold them.
std::optional<std::pair<std::string, std::string>> sides(std::string_view text) {
  std::array<std::string, 2> out;
  std::size_t side = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '=' || text[i + 1] == '\\');
    if (escaped) {
      out[side] += text[++i];
    } else if (text[i] == '=' && side == 0) {
      side = 1;
    } else {
      out[side] += text[i];
    }
  }
  if (out[0].empty() || out[1].empty()) return std::nullopt;
  return std::pair(std::move(out[0]), std::move(out[1]));
}

/// "FROM=TO".
template <class Pair>
Result<std::vector<Pair>> pairs(const Invocation& invocation, std::string_view option) {
  std::vector<Pair> out;
  for (const std::string& text : invocation.values(option)) {
    auto both = sides(text);
    if (!both) return usage_error(fmt::format("{} must be FROM=TO, got '{}'", option, text));
    out.push_back({std::move(both->first), std::move(both->second)});
  }
  return out;
}

/// The members of a request that were given; the others keep the server's defaults.
template <class T>
json::object body_of(const T& request) {
  const json::value all = codec::encode(request);
  json::object body;
  for (const auto& [key, member] : all.get_object()) {
    if (!member.is_null()) body[key] = member;
  }
  return body;
}

template <class Request, class Operation>
Result<json::object> perform(Context& context, const Invocation& invocation, std::string_view path,
                             std::string_view operation, Claim claim, const Request& request,
                             Operation function) {
  if (!invocation.has("--local")) return run_as_job(context, path, body_of(request));
  const LocalWork work = [&](const symlinks::Environment& environment,
                             const symlinks::Control& control) -> Result<json::object> {
    const auto report = function(environment, request, control);
    if (!report) return report.error();
    return symlinks::to_json(*report);
  };
  return run_locally(context, invocation, operation, claim, work);
}

/// Of commands that are named, so that they go on where this one has worked.
std::string options_of(const Invocation& invocation) {
  return invocation.has("--local") ? options_text(invocation.value("--root")) : std::string();
}

template <class Text>
Result<ExitCode> tell(Context& context, const Invocation& invocation, const Result<json::object>& report,
                      Text text) {
  if (!report) return report.error();
  context.print(context.json ? jsonx::print(*report) : text(*report));
  if (context.interrupted && is_unfinished(*report)) {
    context.complain(how_to_go_on(*report, options_of(invocation)));
    return ExitCode::interrupted;
  }
  return is_good(*report) ? ExitCode::success : ExitCode::failed;
}

Result<ExitCode> repair(Context& context, const Invocation& invocation,
                        const symlinks::RepairRequest& request) {
  const Claim claim = request.dry_run.value_or(true) ? Claim::none : Claim::stack;
  const auto text = [&](const json::object& report) {
    return repair_text(report, context.style, options_of(invocation));
  };
  return tell(context, invocation,
              perform(context, invocation, "/process/symlink-repair-async", repair_operation, claim, request,
                      &symlinks::repair),
              text);
}

Result<json::object> compared(Context& context, const Invocation& invocation,
                              const symlinks::CompareRequest& request) {
  if (invocation.has("--local")) {
    return run_locally(context, invocation, restore_operation, Claim::none,
                       [&](const symlinks::Environment& environment,
                           const symlinks::Control& control) -> Result<json::object> {
                         const auto report = symlinks::compare(environment, request, control);
                         if (!report) return report.error();
                         return symlinks::to_json(*report);
                       });
  }
  const auto truth = [](bool value) { return std::string(value ? "true" : "false"); };
  return context.client.get_as<json::object>("/process/symlink-manifest/compare",
                                             {{"manifest_path", request.manifest_path},
                                              {"overwrite_existing", truth(request.overwrite_existing)},
                                              {"restore_broken", truth(request.restore_broken)},
                                              {"sample_limit", std::to_string(request.sample_limit)}},
                                             Client::patient);
}

/// Links that are right already say nothing.
void drop_unchanged(json::object& comparison) {
  json::value* list = comparison.if_contains("sample_changes");
  if (list == nullptr || !list->is_array()) return;
  json::array kept;
  for (const json::value& sample : list->get_array()) {
    if (!sample.is_object() || jsonx::string_at(sample.get_object(), "action") != "skip_unchanged")
      kept.push_back(sample);
  }
  *list = std::move(kept);
}

enum class Wanted { any_manifest, repair_only };

Result<ExitCode> restore(Context& context, const Invocation& invocation, Wanted wanted) {
  const auto apply = wants_apply(invocation);
  if (!apply) return apply.error();
  symlinks::RestoreRequest request;
  request.manifest_path = invocation.arguments.front();
  request.process_name = invocation.value("--process");
  request.dry_run = !*apply;
  request.overwrite_existing = invocation.has("--overwrite");
  request.restore_broken = !invocation.has("--skip-broken");
  std::string samples;
  if (wanted == Wanted::repair_only || !context.json) {
    // The answer of a restore has counters only: what it does is shown by a comparison made before.
    symlinks::CompareRequest look;
    look.manifest_path = request.manifest_path;
    look.overwrite_existing = request.overwrite_existing.value_or(false);
    look.restore_broken = request.restore_broken.value_or(true);
    look.sample_limit = context.json ? 0 : 20;
    auto seen = compared(context, invocation, look);
    if (!seen) return seen.error();
    if (wanted == Wanted::repair_only && jsonx::string_at(*seen, "manifest_type") != "symlink_repair") {
      return Error(Errc::invalid_argument, "is a snapshot; 'dumb-cli symlinks restore' brings its links back",
                   look.manifest_path);
    }
    drop_unchanged(*seen);
    samples = samples_text(*seen);
  }
  const auto text = [&](const json::object& report) {
    return restore_text(report, context.style, options_of(invocation), samples);
  };
  return tell(context, invocation,
              perform(context, invocation, "/process/symlink-manifest/restore-async", restore_operation,
                      *apply ? Claim::stack : Claim::none, request, &symlinks::restore),
              text);
}

std::string size_text(std::int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes);
  std::string_view unit = "B";
  for (const std::string_view next : {"KiB", "MiB", "GiB"}) {
    if (size < 1024) break;
    size /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", size, unit);
}

template <class File>
std::string files_table(const Context& context, const std::vector<File>& files, std::int64_t count) {
  if (files.empty()) return "no manifests\n";
  Table table;
  table.columns = {{"PATH"}, {"SIZE", Column::Align::right}, {"WRITTEN"}};
  for (const File& file : files) {
    table.rows.push_back({{printable(file.path)},
                          {size_text(file.size_bytes)},
                          {context.system.local_time(static_cast<double>(file.modified_at))}});
  }
  std::string out = render(table, context.style);
  const auto more = count - static_cast<std::int64_t>(files.size());
  if (more > 0) out += fmt::format("and {} more\n", grouped(more));
  return out;
}

Result<config::BlockRef> configured(const LocalStack& stack, const std::string& name) {
  const config::BlockRef* ref = stack.config ? stack.config->resolve(name) : nullptr;
  if (ref == nullptr) return Error(Errc::not_found, "there is no process named '" + name + "'");
  return *ref;
}

/// What the last server has recorded of a service's schedule.
Result<engine::BackupStatus> recorded_status(const Context& context, const Invocation& invocation) {
  const auto stack = local_stack(context, invocation);
  if (!stack) return stack.error();
  const auto block = configured(*stack, invocation.arguments.front());
  if (!block) return block.error();
  engine::BackupStatus out{block->process_name, std::nullopt};
  const auto bytes = file::read(stack->environment.root.map("/config/symlink-repair/.state/schedule.json"));
  if (!bytes) return out;
  const auto recorded = jsonx::parse(*bytes);
  if (!recorded) return recorded.error();
  const json::value* status = jsonx::find(*recorded, {block->process_name, "status"});
  if (status != nullptr && status->is_object()) out.symlink_backup_status = status->get_object();
  return out;
}

}  // namespace

Result<ExitCode> run_symlinks_repair(Context& context, const Invocation& invocation) {
  const auto apply = wants_apply(invocation);
  if (!apply) return apply.error();
  auto rules = pairs<symlinks::RewriteRule>(invocation, "--rule");
  if (!rules) return rules.error();
  auto migrations = pairs<symlinks::RootMigration>(invocation, "--move");
  if (!migrations) return migrations.error();
  symlinks::RepairRequest request;
  request.process_name = invocation.value("--process");
  if (!invocation.arguments.empty()) request.roots = invocation.arguments;
  request.rewrite_rules = std::move(*rules);
  request.root_migrations = std::move(*migrations);
  request.presets = invocation.values("--preset");
  if (request.rewrite_rules->empty() && request.root_migrations->empty() && request.presets->empty()) {
    return usage_error("symlinks repair: give a --rule, a --move or a --preset");
  }
  request.dry_run = !*apply;
  request.include_broken = !invocation.has("--skip-broken");
  request.overwrite_existing = invocation.has("--overwrite");
  request.copy_instead_of_move = invocation.has("--copy");
  request.backup_path = invocation.value("--manifest");
  if (invocation.has("--verify")) request.verify_new_targets = true;
  return repair(context, invocation, request);
}

Result<ExitCode> run_symlinks_resume(Context& context, const Invocation& invocation) {
  const auto apply = wants_apply(invocation);
  if (!apply) return apply.error();
  symlinks::RepairRequest request;
  request.process_name = invocation.value("--process");
  request.resume_manifest_path = invocation.arguments.front();
  request.dry_run = !*apply;
  return repair(context, invocation, request);
}

Result<ExitCode> run_symlinks_backup(Context& context, const Invocation& invocation) {
  symlinks::BackupRequest request;
  request.process_name = invocation.value("--process");
  request.backup_path = invocation.arguments.front();
  if (invocation.arguments.size() > 1) {
    request.roots.emplace(invocation.arguments.begin() + 1, invocation.arguments.end());
  }
  request.include_broken = !invocation.has("--skip-broken");
  if (invocation.has("--no-check")) request.check_targets = false;
  return tell(context, invocation,
              perform(context, invocation, "/process/symlink-manifest/backup-async",
                      "symlink_manifest_backup", Claim::none, request, &symlinks::backup),
              [&](const json::object& report) { return backup_text(report, context.style); });
}

Result<ExitCode> run_symlinks_restore(Context& context, const Invocation& invocation) {
  return restore(context, invocation, Wanted::any_manifest);
}

Result<ExitCode> run_symlinks_undo(Context& context, const Invocation& invocation) {
  return restore(context, invocation, Wanted::repair_only);
}

Result<ExitCode> run_symlinks_compare(Context& context, const Invocation& invocation) {
  symlinks::CompareRequest request;
  request.manifest_path = invocation.arguments.front();
  request.overwrite_existing = invocation.has("--overwrite");
  request.restore_broken = !invocation.has("--skip-broken");
  if (const auto samples = invocation.value("--samples")) {
    const auto number = text::to_int(*samples);
    if (!number || *number < 0 || *number > 200) {
      return usage_error(fmt::format("--samples must be between 0 and 200, got '{}'", *samples));
    }
    request.sample_limit = *number;
  }
  auto report = compared(context, invocation, request);
  if (report && !context.json && !invocation.has("--samples")) drop_unchanged(*report);
  return tell(context, invocation, report,
              [&](const json::object& seen) { return compare_text(seen, context.style); });
}

Result<ExitCode> run_symlinks_files(Context& context, const Invocation& invocation) {
  const std::string path = invocation.arguments.empty() ? std::string() : invocation.arguments.front();
  Result<engine::ManifestFileList> list = engine::ManifestFileList();
  if (invocation.has("--local")) {
    const auto stack = local_stack(context, invocation);
    if (!stack) return stack.error();
    list = engine::list_manifest_files(stack->environment, path);
  } else {
    list = context.client.get_as<engine::ManifestFileList>("/process/symlink-manifest-files",
                                                           {{"manifest_path", path}});
  }
  if (!list) return list.error();
  context.print(context.json ? jsonx::print(codec::encode(*list))
                             : files_table(context, list->files, list->count));
  return ExitCode::success;
}

Result<ExitCode> run_symlinks_manifests(Context& context, const Invocation& invocation) {
  const std::string& name = invocation.arguments.front();
  Result<engine::SnapshotList> list = engine::SnapshotList();
  if (invocation.has("--local")) {
    const auto stack = local_stack(context, invocation);
    if (!stack) return stack.error();
    const auto block = configured(*stack, name);
    if (!block) return block.error();
    const std::string path = jsonx::text_at(stack->config->block(*block), "symlink_backup_path");
    list = engine::list_snapshots(stack->environment, block->process_name, path);
  } else {
    list = context.client.get_as<engine::SnapshotList>("/process/symlink-backup-manifests",
                                                       {{"process_name", name}});
  }
  if (!list) return list.error();
  context.print(context.json ? jsonx::print(codec::encode(*list))
                             : files_table(context, list->manifests, list->count));
  return ExitCode::success;
}

Result<ExitCode> run_symlinks_schedule(Context& context, const Invocation& invocation) {
  const std::string& name = invocation.arguments.front();
  bool good = true;
  const bool local = invocation.has("--local");
  if (local && invocation.has("--rebuild")) return usage_error("--rebuild needs a server");
  if (invocation.has("--rebuild")) {
    json::object body;
    body["process_name"] = name;
    const auto reply =
        context.client.post_as<engine::RescheduleReply>("/process/symlink-backup/reschedule", body);
    if (!reply) return reply.error();
    good = reply->status == "ok";
    if (!good) context.complain(reply->message);
  }
  const auto status = local ? recorded_status(context, invocation)
                            : context.client.get_as<engine::BackupStatus>("/process/symlink-backup-status",
                                                                          {{"process_name", name}});
  if (!status) return status.error();
  if (context.json) {
    context.print(jsonx::print(codec::encode(*status)));
  } else if (status->symlink_backup_status) {
    context.print(schedule_text(*status->symlink_backup_status, context.system.local_time, context.style));
  } else {
    context.print(printable(status->process_name) + ": no snapshots are scheduled\n");
  }
  return good ? ExitCode::success : ExitCode::failed;
}

}  // namespace dumb::cli
