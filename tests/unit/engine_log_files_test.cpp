#include "engine/log_files.hpp"

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using engine::choose_log_file;
using engine::find_log;

namespace {
config::Snapshot snapshot() {
  auto value = jsonx::parse(R"({"data_root":"/data","dumb":{"log_dir":"/log","log_name":"DUMB",
    "api_service":{"process_name":"DUMB API","port":8000},
    "frontend":{"process_name":"DUMB Frontend","log_file":"/log/dumb_frontend.log"}},
    "app":{"process_name":"My App","config_dir":"/app","config_file":"/app/etc/x.ini"},
    "outside":{"process_name":"Out","log_file":"/etc/passwd","config_dir":"/app"},
    "traefik":{"process_name":"Traefik"},"plex":{"process_name":"Plex","dbrepair":{"log_file":"/elsewhere/r.log"}}})");
  REQUIRE(value);
  return {value->as_object(), value->as_object(), 1};
}
}  // namespace

TEST_CASE("a name leads to its log file", "[engine][LIF-111]") {
  test::TempDir dir;
  const Root root(dir.path());
  const auto config = snapshot();
  const auto file_of = [&](std::string_view name) -> std::string {
    const auto source = find_log(name, config, root);
    if (!source) return "error " + source.error().code().message();
    const auto file = choose_log_file(*source);
    return file ? root.unmap(*file).native() : "none";
  };
  CHECK(file_of("DUMB") == "none");
  test::write_text(dir / "log/DUMB-2026-02-10.log", "a");
  test::write_text(dir / "log/DUMB-2026-02-11_1.log", "a");
  test::write_text(dir / "log/dumb_frontend.log", "a");
  test::write_text(dir / "log/traefik_access.log", "a");
  test::write_text(dir / "app/etc/logs/one.log", "a");
  test::write_text(dir / "elsewhere/r.log", "a");
  test::write_text(dir / "etc/passwd", "a");
  for (const char* name : {"DUMB", "dmb", "dumb_api", "DUMB API", "DMB API service"}) {
    CHECK(file_of(name) == "/log/DUMB-2026-02-10.log");
  }
  CHECK(file_of("DUMB Frontend") == "/log/dumb_frontend.log");
  CHECK(file_of("my app") == "/app/etc/logs/one.log");
  CHECK(file_of("traefik access") == "/log/traefik_access.log");
  CHECK(file_of("Plex DBRepair") == "/elsewhere/r.log");
  CHECK(file_of("Traefik") == "none");
  CHECK(file_of("nobody") == "error not found");
  // A file outside the places of LIF-111 counts as none, also behind a link.
  CHECK(file_of("Out") == "none");
  std::filesystem::remove_all(dir / "app/etc/logs");
  std::filesystem::create_directory(dir / "app/etc/logs");
  std::filesystem::create_symlink(dir / "etc/passwd", dir / "app/etc/logs/link.log");
  CHECK(file_of("My App") == "none");
}
