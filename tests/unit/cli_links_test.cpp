#include <fmt/format.h>

#include "cli/src/link_text.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::check_golden;
using test::CliProgram;

namespace {

const std::string id = "5f0c9a1e5f0c4a1e9f0c9a1e5f0c9a1e";

std::string report(bool dry_run) {
  return fmt::format(
      R"({{"dry_run":{},"roots":["/mnt/l"],"missing_roots":["/mnt/gone"],"root_migrations":[],)"
      R"("missing_migration_roots":[],"scanned_symlinks":12345,"rules":[],"changed":1200,"moved":0,"copied":0,)"
      R"("skipped_unchanged":11143,"skipped_nonexistent_target":0,"skipped_existing_destination":0,)"
      R"("errors":[{{"link_path":"/mnt/l/x\u001b[2J","error":"cannot rename: Permission denied","code":"EACCES"}}],)"
      R"("changes":[{{"link_path":"/mnt/l/a","old_target":"/old/a","new_target":"/new/a",)"
      R"("matched_rule":{{"from_prefix":"/old","to_prefix":"/new"}}}}],"moves":[],"backup_manifest":null,)"
      R"("auto_manifest":{},"changes_total":1200,"moves_total":0,"errors_total":2,"truncated":true,)"
      R"("skipped_changed_during_run":0,"targets_unknown":0,"new_targets_missing":0,"not_attempted":0,)"
      R"("skipped_mounts":["/mnt/l/remote"],"aborted":null}})",
      dry_run, dry_run ? "null" : R"("/config/symlink-repair/repair-manifests/auto.json")");
}

std::string job(std::string_view status, const std::string& rest) {
  return fmt::format(
      R"({{"job_id":"{}","process_name":"symlink-repair","operation":"symlink_repair","status":"{}",)"
      R"("created_at":1770811190,"updated_at":1770811200,"started_at":1770811191,"metadata":{{}},{}}})",
      id, status, rest);
}

const std::string queued =
    fmt::format(R"({{"status":"queued","job_id":"{}","operation":"symlink_repair"}})", id);
const std::string status_call = "GET /process/symlink-job-status?job_id=" + id;

void prepare(CliProgram& program, bool dry_run) {
  program.answer("POST /process/symlink-repair-async", queued);
  program.answer(status_call, job("queued", R"("result":null,"error":null)"));
  program.answer(
      status_call,
      job("running", R"("progress":{"stage":"processing","processed_items":300,"total_items":1200,)"
                     R"("changed":300,"moved":0,"copied":0,"errors":2},"result":null,"error":null)"));
  program.answer(status_call, job("completed", fmt::format(R"("result":{},"error":null)", report(dry_run))));
  program.pauses = 10;
}

json::value posted(const CliProgram& program) {
  for (const http::Request& request : program.requests) {
    if (request.method == "POST") return *jsonx::parse(request.body);
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a repair is a dry run unless it is to be applied", "[cli][SYM-4]") {
  CliProgram program;
  prepare(program, true);
  CHECK(program.run({"symlinks", "repair", "/mnt/l", "--rule", "/old=/new", "--rule", "/x=/y"}) == 1);
  const json::value asked = posted(program);
  CHECK(asked.at("dry_run") == true);
  CHECK(asked.at("roots") == json::value(json::array{"/mnt/l"}));
  CHECK(asked.at("rewrite_rules").as_array().size() == 2);
  CHECK(asked.at("rewrite_rules").at(1).at("to_prefix") == "/y");
  check_golden("symlinks_repair_dry.txt", program.out);
}

TEST_CASE("an applied repair tells how to undo it", "[cli][SYM-28]") {
  CliProgram program;
  program.terminal(80);
  prepare(program, false);
  CHECK(program.run({"symlinks", "repair", "--rule", "/old=/new", "--move", "/a=/b", "--apply"}) == 1);
  CHECK(posted(program).at("dry_run") == false);
  CHECK_FALSE(posted(program).as_object().contains("roots"));
  CHECK(posted(program).at("root_migrations").at(0).at("to_root") == "/b");
  check_golden("symlinks_repair_apply.txt", program.out);
  CHECK_THAT(program.err, ContainsSubstring("processing [#####...............]  25 %  300 of 1,200"));
  CHECK_THAT(program.err, ContainsSubstring("\r\x1b[K"));
}

TEST_CASE("a repair in JSON is the server's own answer", "[cli][SYM-28]") {
  CliProgram program;
  prepare(program, false);
  CHECK(program.run({"symlinks", "repair", "--preset", "decypharr_beta_consolidated", "--json"}) == 1);
  CHECK(jsonx::parse(program.out)->at("changed") == 1200);
  CHECK(program.err.empty());
}

TEST_CASE("a path with an equals sign can be given to a rule", "[cli]") {
  CliProgram program;
  prepare(program, true);
  program.run({"symlinks", "repair", "/mnt/l", "--rule", R"(/old/a\=b=/new/c=d)", "--rule", R"(/x\\=/y\z)"});
  const json::value asked = posted(program);
  CHECK(asked.at("rewrite_rules").at(0).at("from_prefix") == "/old/a=b");
  CHECK(asked.at("rewrite_rules").at(0).at("to_prefix") == "/new/c=d");
  CHECK(asked.at("rewrite_rules").at(1).at("from_prefix") == R"(/x\)");
  CHECK(asked.at("rewrite_rules").at(1).at("to_prefix") == R"(/y\z)");
}

TEST_CASE("a job that was cancelled half-way is no success", "[cli][SYM-48]") {
  CliProgram program;
  program.answer("POST /process/symlink-repair-async", queued);
  program.answer(
      status_call,
      job("error", R"("result":{"dry_run":false,"scanned_symlinks":9,"changed":4,"errors_total":0,)"
                   R"("not_attempted":5,"aborted":null,"auto_manifest":"/config/m.json"},)"
                   R"("error":{"message":"cancelled","code":"cancelled","manifest":"/config/m.json"})"));
  CHECK(program.run({"symlinks", "repair", "/mnt/l", "--rule", "/old=/new", "--apply"}) == 1);
  CHECK_THAT(program.err, ContainsSubstring("cancelled; undo or resume with /config/m.json"));
  CHECK_THAT(program.out, ContainsSubstring("5  not attempted"));
}

TEST_CASE("what makes no sense is not asked of the server", "[cli]") {
  CliProgram program;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"symlinks", "repair"},
        {"symlinks", "repair", "--rule", "/old"},
        {"symlinks", "repair", "--rule", "=/new"},
        {"symlinks", "repair", "--rule", "/a=/b", "--apply", "--dry-run"},
        {"symlinks", "compare", "m.json", "--samples", "201"},
        {"symlinks", "schedule", "x", "--local", "--rebuild"},
        {"symlinks"}}) {
    CHECK(program.run(words) == 2);
  }
  CHECK(program.requests.empty());
}

TEST_CASE("a failed job is an error, with the manifest that undoes it", "[cli][SYM-43]") {
  CliProgram program;
  program.answer("POST /process/symlink-repair-async", queued);
  program.answer(status_call,
                 job("error", R"("result":null,"error":{"message":"the run was stopped by ENOSPC",)"
                              R"("code":"aborted","manifest":"/config/m.json"})"));
  CHECK(program.run({"symlinks", "resume", "m.json", "--apply"}) == 1);
  CHECK(posted(program).at("resume_manifest_path") == "m.json");
  CHECK(program.err == "dumb-cli: the run was stopped by ENOSPC; undo or resume with /config/m.json\n");
}

TEST_CASE("undo takes no snapshot for a repair", "[cli][SYM-33]") {
  CliProgram program;
  const std::string compare =
      "GET "
      "/process/symlink-manifest/compare?manifest_path=s.json&overwrite_existing=false&restore_broken=true"
      "&sample_limit=20";
  program.answer(compare, R"({"manifest_path":"s.json","manifest_type":"symlink_snapshot"})");
  CHECK(program.run({"symlinks", "undo", "s.json", "--apply"}) == 1);
  CHECK(program.err ==
        "dumb-cli: s.json: is a snapshot; 'dumb-cli symlinks restore' brings its links back\n");
  CHECK(posted(program).is_null());
}

TEST_CASE("a comparison shows samples", "[cli][SYM-40]") {
  CliProgram program;
  program.answer(
      "GET "
      "/process/symlink-manifest/compare?manifest_path=s.json&overwrite_existing=true&restore_broken=false"
      "&sample_limit=3",
      R"({"manifest_path":"/config/s.json","total_entries":4,"projected_restored":2,"projected_skipped_existing":0,)"
      R"("projected_skipped_unchanged":1,"projected_skipped_invalid_entries":0,)"
      R"("projected_skipped_nonexistent_target":0,"projected_errors":1,"sample_changes":[)"
      R"({"action":"create","link_path":"/l/a","target":"/a"},)"
      R"({"action":"overwrite","link_path":"/l/b","target":"/b","current_target":"/other"}],"errors":[]})");
  CHECK(program.run({"symlinks", "compare", "s.json", "--overwrite", "--skip-broken", "-n", "3"}) == 0);
  check_golden("symlinks_compare.txt", program.out);
}

TEST_CASE("jobs are listed, shown and cancelled", "[cli][SYM-43][SYM-48]") {
  CliProgram program;
  const std::string failed =
      job("error",
          R"("finished_at":1770811200,"result":null,"error":{"message":"cancelled","code":"cancelled"})");
  program.answer("GET /process/jobs", fmt::format(R"({{"jobs":[{},{}]}})",
                                                  job("running", R"("result":null,"error":null)"), failed));
  CHECK(program.run({"jobs"}) == 0);
  check_golden("jobs_list.txt", program.out);
  program.answer(status_call, failed);
  CHECK(program.run({"jobs", "show", id}) == 0);
  check_golden("jobs_show.txt", program.out);
  CHECK(program.run({"jobs", "wait", id}) == 1);
  program.answer("POST /process/symlink-job-cancel",
                 fmt::format(R"({{"status":"cancelling","job_id":"{}"}})", id));
  CHECK(program.run({"jobs", "cancel", id}) == 0);
  CHECK(program.out == id + ": cancelling\n");
  CHECK(program.run({"jobs", "show", "none"}) == 1);
}

TEST_CASE("a schedule is told with its last snapshot", "[cli][SYM-62]") {
  CliProgram program;
  program.answer(
      "GET /process/symlink-backup-status?process_name=decypharr",
      R"({"process_name":"Decypharr","symlink_backup_status":{"process_name":"Decypharr",)"
      R"("checked_at":1,"status":"completed","symlink_backup_enabled":true,"symlink_backup_interval":168,)"
      R"("symlink_backup_start_time":"04:00","symlink_backup_path":"/config/s-{timestamp}.json",)"
      R"("symlink_backup_retention_count":2,"next_backup_at":1771000000,"last_backup_at":1770811200,)"
      R"("last_backup_manifest":"/config/s.json","recorded_entries":12345,"retention_held":"shrunk"}})");
  CHECK(program.run({"symlinks", "schedule", "decypharr"}) == 0);
  check_golden("symlinks_schedule.txt", program.out);
}

TEST_CASE("the rate counts from the begin of a stage", "[cli][SYM-44]") {
  cli::LinkProgress progress;
  const cli::Style plain;
  const auto line = [&](std::string_view stage, int done, double now) {
    json::object at{{"stage", stage}, {"processed_symlinks", done}, {"total_symlinks", nullptr}};
    return progress.line(at, now, plain);
  };
  CHECK(line("collecting", 0, 100) == "collecting");
  CHECK(line("collecting", 5000, 101) == "collecting  5,000 links  5,000/s");
  CHECK(line("processing", 1, 102) == "processing  1 link");
  CHECK(line("processing", 20001, 104) == "processing  20,001 links  10,000/s");
  CHECK(cli::grouped(-1234567) == "-1,234,567");
}

TEST_CASE("a restore shows what it would do, and names commands that work where it worked",
          "[cli][SYM-37][SYM-40]") {
  const auto comparison =
      jsonx::parse(R"({"sample_changes":[{"action":"create","link_path":"/l/a\nb","target":"/t"},)"
                   R"({"action":"skip_existing","link_path":"/l/f","target":"/t","current_target":null},)"
                   R"({"action":"overwrite","link_path":"/l/o","target":"/t","current_target":"/u"}]})");
  REQUIRE(comparison);
  const std::string samples = cli::samples_text(comparison->as_object());
  CHECK(samples ==
        "\nSamples:\n"
        "  create      /l/a\\nb -> /t\n"
        "  in the way  /l/f -> /t (now no link)\n"
        "  replace     /l/o -> /t (now /u)\n");
  const auto report = jsonx::parse(
      R"({"manifest_path":"/c/s.json","dry_run":false,"total_entries":2,"restored":1,"errors_total":1,)"
      R"("errors":[{"link_path":"/l/f","error":"no"}],"undo_manifest":"/c/an undo.json"})");
  REQUIRE(report);
  const cli::Style plain;
  CHECK(cli::restore_text(report->as_object(), plain, cli::options_text("/srv/my stack"), samples) ==
        "2 entries in /c/s.json\n  1  restored\n  1  error\n" + samples +
            "\nErrors:\n  /l/f: no\n"
            "\nundo with: dumb-cli symlinks undo '/c/an undo.json' --apply --local --root '/srv/my stack'\n");
  CHECK(cli::options_text(std::nullopt) == " --local");
}

TEST_CASE("a resumed run is not told as one that saw no links", "[cli][SYM-78]") {
  const auto report = jsonx::parse(
      R"({"dry_run":false,"rules":[],"scanned_symlinks":0,"changed":3,"skipped_unchanged":4,"errors_total":0})");
  REQUIRE(report);
  CHECK(cli::repair_text(report->as_object(), cli::Style()) ==
        "the rest of an interrupted run\n  3  changed\n  4  done already\n");
}
