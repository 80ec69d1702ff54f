#include <algorithm>
#include <csignal>
#include <filesystem>

#include "dumb/base/text.hpp"
#include "dumb/supervisor/helper.hpp"
#include "dumb/supervisor/mounts.hpp"
#include "dumb/supervisor/resolve.hpp"
#include "setup/edits.hpp"
#include "setup/obscure.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using setup::Failure;
using test::SetupStack;
namespace fs = std::filesystem;

namespace {

const char* const process = "rclone w/ RealDebrid";
const std::string block = "/rclone/instances/RealDebrid/";

bool installed() {
  return supervisor::find_program("rclone", "/usr/local/bin:/usr/bin:/bin").has_value();
}
bool fuse_usable() {
  return ::access("/dev/fuse", R_OK | W_OK) == 0;
}

/// Runs a program to its end; its output.
std::string output_of(std::vector<std::string> argv) {
  boost::asio::io_context control;
  supervisor::HelperSpec spec;
  spec.launch.argv = std::move(argv);
  spec.launch.env = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  spec.launch.directory = "/";
  std::string text;
  boost::asio::co_spawn(control, supervisor::run_helper(std::move(spec)),
                        [&](std::exception_ptr, Result<supervisor::HelperResult> result) {
                          if (result) text = text::trim(result->output);
                        });
  control.run();
  return text;
}

struct RcloneStack : SetupStack {
  std::vector<supervisor::Child> children;

  RcloneStack() {
    set(block + "enabled", true);
    set(block + "zurg_enabled", false);
    set(block + "key_type", "TorBox");
    set(block + "username", "me@example.org");
    set(block + "password", "p@ss wörd");
  }
  ~RcloneStack() {
    for (supervisor::Child& child : children) {
      supervisor::send_signal(child, SIGTERM);
      if (!test::eventually([&] { return supervisor::try_wait(child).has_value(); },
                            std::chrono::seconds(10))) {
        supervisor::send_signal(child, SIGKILL);
        test::eventually([&] { return supervisor::try_wait(child).has_value(); });
      }
    }
    bool lazy = false;
    static_cast<void>(supervisor::unmount(mount_point(), lazy));
  }
  fs::path mount_point() const { return root / "mnt/debrid/rclone_RD"; }
  std::string config() const { return text("config/rclone.config"); }
  std::string pass() const {
    const auto entries = setup::ini_section(config(), "rclone_RD");
    for (const auto& [name, value] : **entries) {
      if (name == "pass") return value;
    }
    return {};
  }
  std::size_t spawn(std::vector<std::string> argv, std::vector<std::string> env) {
    supervisor::LaunchSpec spec;
    spec.argv = std::move(argv);
    spec.env = std::move(env);
    spec.directory = root;
    auto child = supervisor::spawn(spec);
    REQUIRE(child);
    children.push_back(std::move(*child));
    return children.size() - 1;
  }
  supervisor::Resolved resolved() {
    const auto context = this->context(process);
    supervisor::ResolveRequest request;
    request.config = context.config;
    request.block = context.block;
    request.service = context.catalog->find("rclone");
    request.root = context.root;
    request.inherited = environment;
    auto out = supervisor::resolve_launch(request);
    REQUIRE(out);
    return *out;
  }
};

bool fails(const Result<setup::Outcome>& outcome, Failure code) {
  return !outcome && outcome.error().code() == setup::make_error_code(code);
}

}  // namespace

TEST_CASE("the remote is written once and rclone reveals its password",
          "[setup][rclone][SVC-28][SVC-130][SVC-132][SVC-217]") {
  RcloneStack stack;
  test::write_text(stack.root / "config/rclone.config",
                   "# by hand\n[mine]\ntype = local\n\n[rclone_RD]\n# note\ntype = ftp\nhost = old\n\n; "
                   "end\n[last]\ntype = alias\n");
  const auto first = stack.configure(process);
  REQUIRE(first);
  const std::string text = stack.config();
  CHECK_THAT(
      text,
      ContainsSubstring(
          "# by hand\n[mine]\ntype = local\n\n[rclone_RD]\ntype = webdav\nurl = https://webdav.torbox.app\n"
          "vendor = rclone\nuser = me@example.org\npass = "));
  CHECK_THAT(text, ContainsSubstring("\npacer_min_sleep = 15s\n# note\n\n; end\n[last]\ntype = alias\n"));
  CHECK_THAT(text, !ContainsSubstring("p@ss"));
  CHECK(stack.mode(stack.root / "config/rclone.config") == 0600);
  CHECK(setup::reveal(stack.pass()) == "p@ss wörd");
  if (installed()) CHECK(output_of({"rclone", "reveal", stack.pass()}) == "p@ss wörd");

  const auto before = stack.stamps();
  const auto second = stack.configure(process);
  REQUIRE(second);
  CHECK(second->changed.empty());
  CHECK(second->generated == first->generated);
  CHECK(stack.stamps() == before);
  SECTION("a new password gets a new pass") {
    const std::string old = stack.pass();
    stack.set(block + "password", "other");
    REQUIRE(stack.configure(process));
    CHECK(stack.pass() != old);
    CHECK(setup::reveal(stack.pass()) == "other");
  }
}

TEST_CASE("command and waits are spelled without the root and run beneath it",
          "[setup][rclone][SVC-22][SVC-134][SVC-136][LIF-26]") {
  RcloneStack stack;
  const auto outcome = stack.configure(process);
  REQUIRE(outcome);
  const std::string words = jsonx::print_compact(outcome->generated.at("command"));
  CHECK_THAT(
      words,
      ContainsSubstring(
          R"("rclone","mount","rclone_RD:","/mnt/debrid/rclone_RD","--config=/config/rclone.config")"));
  CHECK_THAT(words,
             ContainsSubstring(
                 R"("--cache-dir=/cache","--log-level=INFO","--poll-interval=0","--dir-cache-time=10s")"));
  CHECK_THAT(words, !ContainsSubstring("p@ss"));
  CHECK(jsonx::print_compact(outcome->generated.at("wait_for_url")) ==
        R"([{"url":"https://webdav.torbox.app","auth":{"user":"me@example.org","password":"p@ss wörd"}}])");
  const auto resolved = stack.resolved();
  CHECK(resolved.argv[3] == stack.mount_point().native());
  CHECK(std::find(resolved.argv.begin(), resolved.argv.end(),
                  "--cache-dir=" + (stack.root / "cache").native()) != resolved.argv.end());
  CHECK(fs::is_directory(stack.mount_point()));
  if (SetupStack::is_root()) {
    CHECK(stack.owner(stack.mount_point()) == 1000);
    CHECK(stack.owner(stack.root / "cache") == 1000);
    CHECK_THAT(words, ContainsSubstring(R"("--uid=1000","--gid=1000","--allow-other")"));
    CHECK_FALSE(fs::exists(stack.host / "etc/fuse.conf"));  // root's mount needs no line there
  } else {
    CHECK_THAT(words, ContainsSubstring("--uid=" + std::to_string(::getuid())));
    CHECK_THAT(words, !ContainsSubstring("--allow-other"));
  }
}

TEST_CASE("what cannot be set up is refused before anything is written",
          "[setup][rclone][SVC-129][SVC-130][SVC-133]") {
  RcloneStack stack;
  SECTION("both flags") {
    stack.set(block + "zurg_enabled", true);
    stack.set(block + "decypharr_enabled", true);
    CHECK(fails(stack.configure(process), Failure::conflict));
  }
  SECTION("a blank cache") {
    stack.set(block + "cache_dir", "");
    CHECK(fails(stack.configure(process), Failure::missing_field));
  }
  SECTION("an unknown provider") {
    stack.set(block + "key_type", "SomeCloud");
    CHECK(fails(stack.configure(process), Failure::unsupported_provider));
  }
  SECTION("a file in the mount point's place") {
    test::write_text(stack.mount_point(), "x");
    CHECK(fails(stack.configure(process), Failure::conflict));
    CHECK(test::read_text(stack.mount_point()) == "x");
  }
}

TEST_CASE("instances set up at the same time share one file without losing a section",
          "[setup][rclone][SVC-18][SVC-32]") {
  RcloneStack stack;
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) {
    json::object instance = catalog::Catalog::embedded().find("rclone")->defaults;
    names.push_back("rclone " + std::to_string(i));
    instance["process_name"] = names.back();
    instance["enabled"] = true;
    instance["zurg_enabled"] = false;
    instance["key_type"] = "AllDebrid";
    instance["api_key"] = "key" + std::to_string(i);
    instance["mount_name"] = "remote" + std::to_string(i);
    stack.set("/rclone/instances/I" + std::to_string(i), std::move(instance));
  }
  // A neighbour that cannot be set up is no concern of the others.
  stack.set(block + "key_type", "SomeCloud");
  boost::asio::io_context control;
  std::size_t good = 0;
  for (const std::string& name : names) {
    boost::asio::co_spawn(
        control, setup::configure(stack.context(name)),
        [&](std::exception_ptr, const Result<setup::Outcome>& outcome) { good += outcome ? 1 : 0; });
  }
  control.run();
  CHECK(good == names.size());
  for (int i = 0; i < 8; ++i) {
    const auto entries = setup::ini_section(stack.config(), "remote" + std::to_string(i));
    REQUIRE(entries);
    REQUIRE(*entries);
    CHECK(std::find(entries->value().begin(), entries->value().end(),
                    std::pair<std::string, std::string>("user", "key" + std::to_string(i))) !=
          entries->value().end());
  }
}

TEST_CASE("a running instance's files are left alone", "[setup][rclone][SVC-138]") {
  RcloneStack stack;
  stack.running.insert(process);
  const auto outcome = stack.configure(process);
  REQUIRE(outcome);
  CHECK(outcome->changed.empty());
  CHECK(stack.stamps().empty());
  CHECK(outcome->generated.contains("command"));
}

TEST_CASE("a WebDAV library is mounted, read, and a dead mount cleared for the next start",
          "[setup][rclone][SVC-19][SVC-133][SVC-136][LIF-81][LIF-126]") {
  if (!installed() || !fuse_usable()) {
    WARN("rclone or /dev/fuse is missing: the mount is not tested here");
    return;
  }
  RcloneStack stack;
  const int port = test::free_port();
  test::write_text(stack.host / "etc/fuse.conf", "user_allow_other\n");
  test::write_text(stack.directory / "library/movies/A film (2020)/film.mkv", "moving pictures");
  test::write_text(stack.root / "provider/config.yml",
                   "zurg: v1\nport: " + std::to_string(port) + "\nusername: viewer\npassword: \"s3cret\"\n");
  stack.set(block + "zurg_enabled", true);
  stack.set(block + "zurg_config_file", "/provider/config.yml");
  stack.spawn({"rclone", "serve", "webdav", "--addr", "127.0.0.1:" + std::to_string(port), "--baseurl",
               "/dav", "--user", "viewer", "--pass", "s3cret", (stack.directory / "library").native()},
              {"PATH=/usr/bin:/bin", "HOME=" + stack.directory.path().native()});
  const auto configured = stack.configure(process);
  REQUIRE(configured);
  CHECK(jsonx::print_compact(configured->generated.at("wait_for_url")) ==
        R"([{"url":"http://localhost:)" + std::to_string(port) +
            R"(/dav/","auth":{"user":"viewer","password":"s3cret"}}])");
  const auto resolved = stack.resolved();
  const auto start = [&] {
    const std::size_t child = stack.spawn(resolved.argv, resolved.env);
    const auto started = stack.post_start(process);
    REQUIRE(started);
    CHECK_THAT(stack.log.text(), !ContainsSubstring("WARNING"));
    CHECK(supervisor::is_mounted(supervisor::read_mounts(), stack.mount_point()));
    return child;
  };
  const fs::path film = stack.mount_point() / "movies/A film (2020)/film.mkv";
  std::size_t child = start();
  CHECK(test::read_text(film) == "moving pictures");
  // Configuring beside the running mount must not touch it.
  stack.running.insert(process);
  REQUIRE(stack.configure(process));
  CHECK(test::read_text(film) == "moving pictures");
  stack.running.clear();

  supervisor::send_signal(stack.children[child], SIGKILL);
  REQUIRE(test::eventually([&] { return supervisor::try_wait(stack.children[child]).has_value(); }));
  REQUIRE(supervisor::is_mounted(supervisor::read_mounts(), stack.mount_point()));
  // The kernel answers for the root itself until what it knows of it is a second old.
  CHECK(test::eventually(
      [&] { return !supervisor::mount_answers(stack.mount_point(), std::chrono::seconds(2)); }));
  REQUIRE(stack.configure(process));
  CHECK_FALSE(supervisor::is_mounted(supervisor::read_mounts(), stack.mount_point()));
  child = start();
  CHECK(test::read_text(film) == "moving pictures");
}

TEST_CASE("zurg's configuration is written and then only edited",
          "[setup][zurg][SVC-140][SVC-141][SVC-142][SVC-143][SVC-144][SVC-145]") {
  SetupStack stack;
  const std::string zurg = "/zurg/instances/RealDebrid/";
  const char* const name = "Zurg w/ RealDebrid";
  stack.set(zurg + "enabled", true);
  test::write_text(stack.root / "zurg/RD/zurg", "#!/bin/true\n");
  fs::permissions(stack.root / "zurg/RD/zurg", fs::perms::all);
  CHECK(fails(stack.configure(name), Failure::missing_field));
  stack.set(zurg + "api_key", "0123456789");
  stack.set(zurg + "port", 0);
  const auto outcome = stack.configure(name);
  REQUIRE(outcome);
  const auto port = outcome->persisted.at("port").to_number<int>();
  CHECK((port >= 9001 && port <= 9999));
  CHECK(jsonx::print_compact(outcome->generated) == R"({"env":{"LOG_LEVEL":"INFO"}})");
  const std::string text = stack.text("zurg/RD/config.yml");
  CHECK_THAT(text, ContainsSubstring("zurg: v1\n") && ContainsSubstring("\ntoken: \"0123456789\"\n"));
  CHECK_THAT(text, ContainsSubstring("\nport: " + std::to_string(port) + "\n"));
  CHECK_THAT(text, !ContainsSubstring("username"));
  stack.set(zurg + "port", port);
  stack.set(zurg + "user", "me");
  stack.set(zurg + "password", "yes");
  REQUIRE(stack.configure(name));
  CHECK_THAT(stack.text("zurg/RD/config.yml"),
             ContainsSubstring("\nusername: me\n") && ContainsSubstring("\npassword: \"yes\"\n"));
  const auto before = stack.stamps();
  CHECK(stack.configure(name)->changed.empty());
  CHECK(stack.stamps() == before);
  stack.set(zurg + "user", "");
  REQUIRE(stack.configure(name));
  CHECK_THAT(stack.text("zurg/RD/config.yml"), ContainsSubstring("\n# username: me\n"));
  stack.set(zurg + "env", json::object{{"MINE", "1"}});
  CHECK_FALSE(stack.configure(name)->generated.contains("env"));
}
