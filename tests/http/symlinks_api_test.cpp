#include <boost/json.hpp>
#include <filesystem>

#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
namespace fs = std::filesystem;

namespace {

json::object services() {
  json::object out;
  json::object block = child_block("Decypharr", {});
  block["symlink_backup_roots"] = json::array{"/media/l"};
  out["decypharr"] = std::move(block);
  out["own"] = child_block("Own", {});
  return out;
}

/// A server over a scratch root with trees of links.
struct Bench {
  explicit Bench(const json::object& blocks = services()) : stack(blocks) {}
  Stack stack;

  fs::path at(const std::string& path) const { return stack.root().path() / path.substr(1); }
  void link(const std::string& path, const std::string& target) {
    fs::create_directories(at(path).parent_path());
    fs::create_symlink(target, at(path));
  }
  void links(const std::string& directory, int count, const std::string& target) {
    fs::create_directories(at(directory));
    for (int i = 0; i < count; ++i) {
      fs::create_symlink(target + std::to_string(i), at(directory + "/" + std::to_string(i)));
    }
  }
  std::string target(const std::string& path) const {
    std::error_code missing;
    return fs::read_symlink(at(path), missing).native();
  }
  json::object post(const std::string& path, const json::object& body, int status = 200) {
    return answer(stack.post("/process/" + path, json::serialize(body)), status);
  }
  json::object get(const std::string& path, int status = 200) {
    return answer(stack.get("/process/" + path), status);
  }
  static json::object answer(const Answer& given, int status) {
    INFO(given.body);
    REQUIRE(given.status == status);
    return jsonx::parse(given.body)->as_object();
  }
  json::object job(const std::string& id) { return get("symlink-job-status?job_id=" + id); }
  json::object finished(const std::string& id) {
    json::object last;
    REQUIRE(eventually([&] {
      last = job(id);
      return last["status"] == "completed" || last["status"] == "error";
    }));
    return last;
  }
};

json::object rule(const std::string& from, const std::string& to) {
  return {{"from_prefix", from}, {"to_prefix", to}};
}

json::object repair(const std::string& root, const std::string& from, const std::string& to, bool dry_run) {
  return {{"roots", json::array{root}}, {"rewrite_rules", json::array{rule(from, to)}}, {"dry_run", dry_run}};
}

}  // namespace

TEST_CASE("of what changes something only a dry run or comparison hears of its client's leaving",
          "[server][API-7][SYM-52]") {
  Bench bench;
  std::vector<std::string> heard;
  for (const server::Route& route : bench.stack.routes()) {
    if (route.effect == server::Effect::changes_state && route.hears_departure())
      heard.emplace_back(route.path);
  }
  CHECK(heard == std::vector<std::string>{"/process/symlink-repair", "/process/symlink-manifest/restore"});
}

TEST_CASE("a long poll ends when its client leaves", "[server][API-7][SYM-52]") {
  Bench bench;
  const auto open = [&] { return bench.stack.statistics().open; };
  const std::int64_t last = bench.get("events?limit=1").at("cursor").as_int64();
  RawClient client(bench.stack.port());
  client.send("GET /process/events?timeout=60&since=" + std::to_string(last) +
              " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(eventually([&] { return open() == 1; }));
  client.close();
  CHECK(eventually([&] { return open() == 0; }));
}

TEST_CASE("a repair in the request rewrites links and undoes itself",
          "[server][SYM-2][SYM-28][SYM-35][SYM-36]") {
  Bench bench;
  bench.link("/media/l/a", "/mnt/old/a");
  bench.link("/media/l/b", "/mnt/older/b");
  json::object body = repair("/media/l/", "/mnt/old", "/srv/new", true);
  body["dry_run"] = nullptr;
  json::object seen = bench.post("symlink-repair", body);
  CHECK(seen["changed"] == 1);
  CHECK(seen["dry_run"] == true);
  CHECK(seen["roots"] == json::value(json::array{"/media/l"}));
  CHECK(bench.target("/media/l/a") == "/mnt/old/a");
  body["dry_run"] = false;
  seen = bench.post("symlink-repair", body);
  CHECK(seen["changed"] == 1);
  CHECK(seen["scanned_symlinks"] == 2);
  CHECK(bench.target("/media/l/a") == "/srv/new/a");
  CHECK(bench.target("/media/l/b") == "/mnt/older/b");
  const json::object undone =
      bench.post("symlink-manifest/restore", {{"manifest_path", seen["auto_manifest"]}, {"dry_run", false}});
  CHECK(undone.at("restored") == 1);
  CHECK(undone.at("manifest_type") == "symlink_repair");
  CHECK(bench.target("/media/l/a") == "/mnt/old/a");
}

TEST_CASE("what a request may not ask for is refused and nothing is touched",
          "[server][SYM-3][SYM-6][SYM-8][SYM-11][SYM-13][SYM-23]") {
  Bench bench;
  bench.link("/media/l/a", "/x/a");
  const auto refused = [&](json::object body, int status) {
    body["dry_run"] = false;
    for (const std::string path : {"symlink-repair", "symlink-repair-async"}) {
      INFO(path << " " << json::serialize(body));
      const json::object answer = bench.post(path, body, status);
      CHECK(answer.at("detail").is_string() == (status != 422));
    }
  };
  const json::array rules{rule("/x", "/y")};
  const json::array roots{"/media/l"};
  for (const char* root : {"/etc", "relative", "/media/../etc", "/", "/config/x"}) {
    refused({{"roots", json::array{root}}, {"rewrite_rules", rules}}, 400);
  }
  refused({{"roots", json::array{" "}}, {"rewrite_rules", rules}}, 400);
  refused({{"roots", roots}}, 400);
  refused({{"roots", roots}, {"presets", json::array{"nope"}}}, 400);
  refused({{"roots", roots}, {"rewrite_rules", json::array{rule("/", "/y")}}}, 400);
  refused({{"roots", roots}, {"rewrite_rules", rules}, {"backup_path", "/etc/passwd"}}, 400);
  refused({{"roots", roots}, {"rewrite_rules", rules}, {"backup_path", "run.sh"}}, 400);
  refused({{"roots", roots}, {"rewrite_rules", json::array{json::object{{"from_prefix", "/x"}}}}}, 422);
  refused({{"roots", "/media/l"}, {"rewrite_rules", rules}}, 422);
  const auto migration = [](const char* from, const char* to) {
    return json::object{{"from_root", from}, {"to_root", to}};
  };
  refused({{"root_migrations",
            json::array{migration("/media/l", "/media/m"), migration("/media/m", "/media/n")}}},
          400);
  refused({{"root_migrations", json::array{migration("/media/l", "/media/l")}}}, 400);
  refused({{"root_migrations", json::array{migration("/media/l", "/etc/x")}}}, 400);
  refused({{"root_migrations", json::array{migration("/media/../etc", "/media/m")}}}, 400);
  refused({{"resume_manifest_path", "none.json"}}, 404);
  refused({{"resume_manifest_path", "/etc/passwd"}}, 400);
  refused({{"resume_manifest_path", "none.json"}, {"roots", roots}}, 400);
  for (const std::string path : {"symlink-manifest/backup", "symlink-manifest/backup-async"}) {
    INFO(path);
    bench.post(path, {{"roots", json::array{"/etc"}}, {"backup_path", "s.json"}}, 400);
    bench.post(path, {{"roots", roots}, {"backup_path", "../../s.json"}}, 400);
    bench.post(path, {{"roots", roots}, {"backup_path", "/media/l/s.json"}}, 400);
    bench.post(path, {{"roots", roots}}, 422);
  }
  for (const std::string path : {"symlink-manifest/restore", "symlink-manifest/restore-async"}) {
    INFO(path);
    bench.post(path, {{"manifest_path", "/etc/passwd"}, {"dry_run", false}}, 400);
    bench.post(path, {{"manifest_path", " "}, {"dry_run", false}}, 400);
    bench.post(path, {{"manifest_path", 7}}, 422);
  }
  bench.get("symlink-manifest/compare?manifest_path=/etc/passwd", 400);
  CHECK(bench.target("/media/l/a") == "/x/a");
  CHECK_FALSE(fs::exists(bench.at("/config/symlink-repair/repair-manifests")));
  CHECK(bench.get("jobs").at("jobs").as_array().empty());
}

TEST_CASE("a snapshot is taken, compared and restored", "[server][SYM-30][SYM-34][SYM-38][SYM-39][SYM-54]") {
  Bench bench;
  bench.link("/media/l/keep", "/k");
  bench.link("/media/l/gone", "/g");
  const json::object taken =
      bench.post("symlink-manifest/backup", {{"roots", json::array{"/media/l"}}, {"backup_path", "s.json"}});
  CHECK(taken.at("recorded_entries") == 2);
  CHECK(taken.at("complete") == true);
  CHECK(taken.at("backup_manifest") == "/config/symlink-repair/snapshots/s.json");
  fs::remove(bench.at("/media/l/gone"));
  const json::object compared = bench.get("symlink-manifest/compare?manifest_path=s.json&sample_limit=1");
  CHECK(compared.at("projected_restored") == 1);
  CHECK(compared.at("projected_skipped_unchanged") == 1);
  CHECK(compared.at("sample_changes").at(0).at("action") == "create");
  bench.get("symlink-manifest/compare?manifest_path=s.json&sample_limit=201", 422);
  bench.get("symlink-manifest/compare?manifest_path=s.json&sample_limit=-1", 422);
  bench.get("symlink-manifest/compare", 422);
  bench.get("symlink-manifest/compare?manifest_path=none.json", 404);
  test::write_text(bench.at("/config/symlink-repair/snapshots/odd.json"), "{\"a\":1}");
  bench.get("symlink-manifest/compare?manifest_path=odd.json", 400);
  bench.post("symlink-manifest/restore", {{"manifest_path", "odd.json"}}, 400);
  bench.post("symlink-manifest/restore", {{"manifest_path", "none.json"}}, 404);
  bench.post("symlink-manifest/restore-async", {{"manifest_path", "none.json"}}, 404);
  bench.post("symlink-manifest/restore", {}, 422);
  const json::object restored =
      bench.post("symlink-manifest/restore", {{"manifest_path", "s.json"}, {"dry_run", false}});
  CHECK(restored.at("restored") == 1);
  CHECK(bench.target("/media/l/gone") == "/g");
  const json::object files = bench.get("symlink-manifest-files");
  CHECK(files.at("directory") == "/config/symlink-repair/snapshots");
  CHECK(files.at("count") == 2);
  CHECK(files.at("files").at(0).at("modified_at").is_int64());
  bench.get("symlink-manifest-files?manifest_path=/etc/passwd", 400);
  CHECK(bench.get("symlink-manifest-files?manifest_path=nowhere/x.json").at("count") == 0);
}

TEST_CASE("a repair runs as a job whose result is that of the request",
          "[server][SYM-42][SYM-43][SYM-44][SYM-46]") {
  Bench bench;
  bench.links("/media/l", 50, "/old/");
  json::object body = repair("/media/l", "/old", "/new", false);
  body["process_name"] = " Own ";
  const json::object queued = bench.post("symlink-repair-async", body);
  CHECK(queued.at("status") == "queued");
  CHECK(queued.at("operation") == "symlink_repair");
  const json::object job = bench.finished(std::string(queued.at("job_id").as_string()));
  CHECK(job.at("status") == "completed");
  CHECK(job.at("process_name") == "Own");
  CHECK(job.at("error").is_null());
  CHECK(job.at("result").at("changed") == 50);
  CHECK(job.at("metadata").at("dry_run") == false);
  CHECK(job.at("metadata").at("presets") == json::value(json::array()));
  CHECK(job.at("progress").at("stage") == "completed");
  CHECK(job.at("progress").at("processed_items") == job.at("progress").at("total_items"));
  CHECK(bench.target("/media/l/7") == "/new/7");
  bench.get("symlink-job-status?job_id=%20", 400);
  bench.get("symlink-job-status", 422);
  bench.get("symlink-job-status?job_id=0123456789abcdef0123456789abcdef", 404);
}

TEST_CASE("a snapshot and a restore run as jobs", "[server][SYM-42][SYM-44][SYM-47][SYM-100]") {
  Bench bench;
  bench.links("/media/l", 10, "/old/");
  const json::object taken = bench.post("symlink-manifest/backup-async",
                                        {{"roots", json::array{"/media/l"}}, {"backup_path", "s.json"}});
  const json::object backup = bench.finished(std::string(taken.at("job_id").as_string()));
  CHECK(backup.at("result").at("recorded_entries") == 10);
  CHECK(backup.at("process_name") == "symlink-manifest");
  fs::remove(bench.at("/media/l/3"));
  const json::object asked =
      bench.post("symlink-manifest/restore-async", {{"manifest_path", "s.json"}, {"dry_run", false}});
  const json::object restored = bench.finished(std::string(asked.at("job_id").as_string()));
  CHECK(restored.at("result").at("restored") == 1);
  CHECK(restored.at("process_name") == "s.json");
  CHECK(restored.at("progress").at("processed_entries") == 10);
  CHECK(bench.target("/media/l/3") == "/old/3");

  CHECK(bench.get("symlink-job-latest?process_name=Symlink-Manifest").at("job").is_null());
  const json::object latest = bench.get("symlink-job-latest?process_name=Symlink-Manifest&active_only=false");
  CHECK(latest.at("job").at("job_id") == backup.at("job_id"));
  bench.get("symlink-job-latest?process_name=%20", 400);
  bench.get("symlink-job-latest", 422);
  const json::array jobs = bench.get("jobs").at("jobs").as_array();
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].at("job_id") == restored.at("job_id"));
  CHECK(jobs[0].at("result").is_null());
}

TEST_CASE("a manifest of a wrong shape ends its job as invalid", "[server][SYM-6][SYM-33][SYM-43]") {
  Bench bench;
  test::write_text(bench.at("/config/symlink-repair/snapshots/odd.json"), "{\"a\":1}");
  const json::object asked = bench.post("symlink-manifest/restore-async", {{"manifest_path", "odd.json"}});
  const json::object job = bench.finished(std::string(asked.at("job_id").as_string()));
  CHECK(job.at("status") == "error");
  CHECK(job.at("error").at("code") == "invalid");
  CHECK(job.at("result").is_null());
}

TEST_CASE("jobs that are over cannot be cancelled, unknown ones neither", "[server][SYM-48]") {
  Bench bench;
  bench.links("/media/l", 3, "/old/");
  const json::object asked = bench.post("symlink-repair-async", repair("/media/l", "/old", "/new", true));
  const std::string id(asked.at("job_id").as_string());
  bench.finished(id);
  bench.post("symlink-job-cancel", {{"job_id", id}}, 409);
  bench.post("symlink-job-cancel", {{"job_id", "0123456789abcdef0123456789abcdef"}}, 404);
  bench.post("symlink-job-cancel", {}, 422);
}

TEST_CASE("the schedule of a service is rebuilt and told",
          "[server][SYM-1][SYM-55][SYM-56][SYM-57][SYM-61][SYM-62]") {
  Bench bench;
  CHECK(bench.get("symlink-backup-status?process_name=decypharr").at("symlink_backup_status").is_null());
  json::object reply = bench.post("symlink-backup/reschedule", {{"process_name", "Decypharr"}});
  CHECK(reply.at("status") == "ok");
  json::object status =
      bench.get("symlink-backup-status?process_name=Decypharr").at("symlink_backup_status").as_object();
  CHECK(status.at("status") == "disabled");
  CHECK(status.at("next_backup_at").is_null());
  CHECK(status.at("symlink_backup_interval") == 168);

  bench.answer(
      bench.stack.post("/config/", R"({"process_name":"Decypharr","updates":{"symlink_backup_enabled":true,)"
                                   R"("symlink_backup_interval":1}})"),
      200);
  status = bench.get("symlink-backup-status?process_name=Decypharr").at("symlink_backup_status").as_object();
  CHECK(status.at("status") == "scheduled");
  const std::int64_t now = static_cast<std::int64_t>(unix_seconds(system_clock().wall()));
  CHECK(status.at("next_backup_at").as_int64() > now - 60);
  CHECK(status.at("next_backup_at").as_int64() <= now + 86'400);
  CHECK(status.at("symlink_backup_roots") == json::value(json::array{"/media/l"}));
  CHECK(bench.get("?process_name=Decypharr").at("symlink_backup_status").at("status") == "scheduled");

  reply = bench.post("symlink-backup/reschedule", {{"process_name", "Own"}});
  CHECK(reply.at("status") == "error");
  CHECK(bench.get("symlink-backup-status?process_name=Own").at("symlink_backup_status").at("status") ==
        "unsupported");
  bench.post("symlink-backup/reschedule", {{"process_name", "nobody"}}, 404);
  bench.post("symlink-backup/reschedule", {{"process_name", " "}}, 400);
  bench.post("symlink-backup/reschedule", {}, 422);
  bench.get("symlink-backup-status?process_name=nobody", 404);
  bench.get("symlink-backup-status?process_name=", 400);
}

TEST_CASE("snapshots of a service are those its template names", "[server][SYM-53][SYM-65]") {
  Bench bench;
  bench.links("/media/l", 2, "/old/");
  const std::string slug = "decypharr-20260201T040000Z.json";
  for (const std::string& name :
       {slug, std::string("decypharr-main-20260201T040000Z.json"), std::string("decypharr-manual.json")}) {
    bench.post("symlink-manifest/backup",
               {{"roots", json::array{"/media/l"}}, {"backup_path", name}, {"process_name", "Decypharr"}});
  }
  bench.post("symlink-manifest/backup", {{"roots", json::array{"/media/l"}},
                                         {"backup_path", "decypharr-20260301T040000Z.json"},
                                         {"process_name", "another"}});
  const json::object list = bench.get("symlink-backup-manifests?process_name=decypharr");
  CHECK(list.at("process_name") == "Decypharr");
  CHECK(list.at("pattern") == "/config/symlink-repair/snapshots/decypharr-*.json");
  CHECK(list.at("count") == 1);
  CHECK(list.at("manifests").at(0).at("path") == json::string("/config/symlink-repair/snapshots/" + slug));
  bench.get("symlink-backup-manifests?process_name=nobody", 404);
  bench.get("symlink-backup-manifests?process_name=", 400);
  bench.get("symlink-backup-manifests", 422);
}
