// A server over a mount that hangs: it can be killed, followed and stopped.
#include <signal.h>

#include <boost/json.hpp>
#include <optional>

#include "golden.hpp"
#include "harness.hpp"
#include "program.hpp"
#include "stack.hpp"
#include "support/catch.hpp"
#include "support/hung_mount.hpp"
#include "support/lacks.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

std::string state_of(int port, std::string_view name) {
  const Answer answer = request(port, "GET", "/process/service-status?process_name=" + std::string(name));
  return jsonx::string_at(parsed(answer.body).as_object(), "state");
}

}  // namespace

TEST_CASE("a server that is killed while a mount hangs keeps neither its lock nor its port",
          "[server][LIF-43][LIF-125][LIF-128]") {
  const TempDir root;
  const auto mount = HungMount::make(root / "mnt/remote");
  if (!mount) {
    lacks("fuse", "no file system in user space can be mounted");
    return;
  }
  const int port = free_port();
  json::object services;
  services["dumb"].emplace_object()["frontend"].emplace_object()["enabled"] = false;
  json::object block = child_block("Media", {});
  block["enabled"] = true;
  block["wait_for_mounts"] = json::array{"/mnt/remote"};
  services["media"] = std::move(block);
  write_text(root / "config/dumb_config.json", jsonx::print(services));
  std::filesystem::permissions(root.path(), std::filesystem::perms(0755));
  const std::vector<std::string> argv{DUMB_SERVER, "--root", root.path().native(), "--port",
                                      std::to_string(port)};
  const std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HOME=" + root.path().native()};
  int asked = 0;
  for (const int end : {SIGKILL, SIGTERM}) {
    Program server(argv, environment);
    CHECK(server.listening_port() == port);
    REQUIRE(eventually([&] { return mount->asked() > asked; }));
    asked = mount->asked();
    CHECK(state_of(port, "Media") == "waiting");
    server.signal(end);
    CHECK(server.wait() == (end == SIGTERM ? 0 : -end));
  }
  mount->release();
}
