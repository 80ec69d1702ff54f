#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "setup/host_links.hpp"
#include "setup/host_owners.hpp"
#include "setup/host_users.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
namespace host = dumb::setup::host;
using host::Found;
using host::LinkStep;

namespace {

const host::UserTexts debian{
    "root:x:0:0:root:/root:/bin/bash\n# a "
    "remark\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "root:x:0:\nnogroup:x:65534:\n", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n"};

std::vector<std::string> lines_with(const std::string& text, std::string_view start) {
  std::vector<std::string> found;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (std::string_view(text).substr(at, end - at).starts_with(start))
      found.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

}  // namespace

TEST_CASE("the service user gets an entry in each file, with a locked password", "[setup][LIF-122]") {
  const host::UserEdit made = host::with_service_user(debian, 1000, 1001);
  CHECK(made.texts.passwd == debian.passwd + "DUMB:x:1000:1001::/home/DUMB:/bin/bash\n");
  CHECK(made.texts.group == debian.group + "DUMB:x:1001:\n");
  CHECK(made.texts.shadow == *debian.shadow + "DUMB:!::0:99999:7:::\n");
  CHECK(made.account == "DUMB");
  CHECK(made.group == "DUMB");
}

TEST_CASE("making the service user twice changes nothing the second time", "[setup][LIF-122]") {
  const host::UserEdit once = host::with_service_user(debian, 1000, 1001);
  CHECK(host::with_service_user(once.texts, 1000, 1001).texts == once.texts);
}

TEST_CASE("an existing service user with other ids is updated", "[setup][LIF-122]") {
  host::UserTexts old = host::with_service_user(debian, 1000, 1000).texts;
  old.passwd += "later:x:3000:3000::/:/bin/false\n";
  const host::UserTexts now = host::with_service_user(old, 2000, 2001).texts;
  CHECK(lines_with(now.passwd, "DUMB:") ==
        std::vector<std::string>{"DUMB:x:2000:2001::/home/DUMB:/bin/bash"});
  CHECK(lines_with(now.group, "DUMB:") == std::vector<std::string>{"DUMB:x:2001:"});
  CHECK(lines_with(now.passwd, "later:").size() == 1);
  CHECK(now.shadow == old.shadow);
}

TEST_CASE("an id that belongs to another name stays that name's", "[setup][LIF-122]") {
  host::UserTexts texts = debian;
  texts.passwd += "node:x:1000:1000::/home/node:/bin/sh\n";
  texts.group += "node:x:1000:\n";
  const host::UserEdit made = host::with_service_user(texts, 1000, 1000);
  CHECK(made.texts == texts);
  CHECK(made.account == "node");
  CHECK(made.group == "node");

  const host::UserEdit user_only = host::with_service_user(texts, 1500, 1000);
  CHECK(user_only.account == "DUMB");
  CHECK(user_only.group == "node");
  CHECK(user_only.texts.group == texts.group);
  CHECK(lines_with(user_only.texts.passwd, "DUMB:") ==
        std::vector<std::string>{"DUMB:x:1500:1000::/home/DUMB:/bin/bash"});
  // Back to the taken id: the entry stays as it is.
  CHECK(host::with_service_user(user_only.texts, 1000, 1000).texts == user_only.texts);
}

TEST_CASE("a password that would let somebody in is locked and not lost", "[setup][LIF-122]") {
  host::UserTexts texts = host::with_service_user(debian, 1000, 1000).texts;
  texts.shadow = *debian.shadow + "DUMB:$y$hash:19000:0:99999:7:::\n";
  CHECK(lines_with(*host::with_service_user(texts, 1000, 1000).texts.shadow, "DUMB:") ==
        std::vector<std::string>{"DUMB:!$y$hash:19000:0:99999:7:::"});
  texts.shadow = *debian.shadow + "DUMB::19000:0:99999:7:::\n";
  CHECK(lines_with(*host::with_service_user(texts, 1000, 1000).texts.shadow, "DUMB:") ==
        std::vector<std::string>{"DUMB:!:19000:0:99999:7:::"});
  texts.shadow = debian.shadow;
  texts.passwd = debian.passwd + "DUMB::1000:1000::/home/DUMB:/bin/bash\n";
  const host::UserTexts moved = host::with_service_user(texts, 1000, 1000).texts;
  CHECK(lines_with(moved.passwd, "DUMB:") ==
        std::vector<std::string>{"DUMB:x:1000:1000::/home/DUMB:/bin/bash"});
  CHECK(lines_with(*moved.shadow, "DUMB:!").size() == 1);
}

TEST_CASE("without a shadow file the password is locked in passwd", "[setup][LIF-122]") {
  host::UserTexts texts = debian;
  texts.shadow.reset();
  const host::UserTexts made = host::with_service_user(texts, 1000, 1000).texts;
  CHECK_FALSE(made.shadow.has_value());
  CHECK(lines_with(made.passwd, "DUMB:!").size() == 1);
}

TEST_CASE("a missing final newline is no reason to join two entries", "[setup][LIF-122]") {
  host::UserTexts texts{"root:x:0:0:root:/root:/bin/bash", "root:x:0:", "root:*:1::::::"};
  const host::UserTexts made = host::with_service_user(texts, 1000, 1000).texts;
  CHECK(made.passwd == "root:x:0:0:root:/root:/bin/bash\nDUMB:x:1000:1000::/home/DUMB:/bin/bash\n");
  CHECK(made.group == "root:x:0:\nDUMB:x:1000:\n");
}

TEST_CASE("lines that are no entries are neither found nor changed", "[setup][LIF-122]") {
  host::UserTexts texts = debian;
  texts.passwd += "DUMB\n+::::::\n\nDUMB:x:7\n";
  const host::UserTexts made = host::with_service_user(texts, 1000, 1000).texts;
  CHECK(made.passwd == texts.passwd + "DUMB:x:1000:1000::/home/DUMB:/bin/bash\n");
}

TEST_CASE("the catalogue holds every data link of the table and no other", "[setup][LIF-122][SVC-27]") {
  std::map<std::string, std::string> wanted = {{"/zurg/RD", "zurg_RD"},
                                               {"/riven/backend/data", "riven"},
                                               {"/postgres_data", "postgres"},
                                               {"/pgadmin/data", "pgadmin"},
                                               {"/zilean/app/data", "zilean"},
                                               {"/plex_debrid/config", "plex_debrid"},
                                               {"/cli_debrid/data", "cli_debrid"},
                                               {"/phalanx_db/data", "phalanx_db"}};
  for (const char* name :
       {"decypharr", "nzbdav", "plex", "tautulli", "seerr", "jellyfin", "emby", "sonarr", "radarr", "lidarr",
        "prowlarr", "readarr", "whisparr", "traefik", "huntarr", "profilarr"})
    wanted[std::string("/") + name] = name;
  std::vector<std::string> problems;
  std::map<std::string, std::string> found;
  for (const host::DataLink& link : host::data_links(catalog::Catalog::embedded(), "/data", problems))
    found[link.path.native()] = link.target.lexically_relative("/data").native();
  CHECK(found == wanted);
  CHECK(problems.empty());
}

TEST_CASE("a data link that data_root lies in is left out", "[setup][LIF-123]") {
  std::vector<std::string> problems;
  const auto links = host::data_links(catalog::Catalog::embedded(), "/plex/data", problems);
  CHECK(links.size() == 23);
  REQUIRE(problems.size() == 1);
  CHECK(problems.front() == "plex: /plex cannot be linked into /plex/data");
}

TEST_CASE("what stands at both ends decides what is done with a data link", "[setup][LIF-123]") {
  struct Case {
    Found source, target;
    LinkStep step;
  };
  const Case cases[] = {{Found::filled, Found::absent, LinkStep::move},
                        {Found::filled, Found::empty, LinkStep::move},
                        {Found::filled, Found::filled, LinkStep::retire},
                        {Found::filled, Found::mount, LinkStep::leave},
                        {Found::filled, Found::link_other, LinkStep::leave},
                        {Found::filled, Found::other, LinkStep::leave},
                        {Found::empty, Found::absent, LinkStep::move},
                        {Found::empty, Found::empty, LinkStep::link},
                        {Found::empty, Found::filled, LinkStep::link},
                        {Found::empty, Found::mount, LinkStep::link},
                        {Found::absent, Found::absent, LinkStep::link},
                        {Found::absent, Found::filled, LinkStep::link},
                        {Found::absent, Found::other, LinkStep::leave},
                        {Found::mount, Found::filled, LinkStep::skip},
                        {Found::mount, Found::absent, LinkStep::skip},
                        {Found::link_other, Found::filled, LinkStep::skip},
                        {Found::link_right, Found::filled, LinkStep::nothing},
                        {Found::link_right, Found::absent, LinkStep::make_target},
                        {Found::other, Found::absent, LinkStep::leave}};
  for (const Case& one : cases) {
    CAPTURE(static_cast<int>(one.source), static_cast<int>(one.target));
    const host::LinkDecision decision = host::decide(one.source, one.target);
    CHECK(decision.step == one.step);
    const bool says_why = decision.step == LinkStep::leave || decision.step == LinkStep::skip;
    CHECK(says_why != decision.reason.empty());
  }
}

TEST_CASE("a source that is put aside is named after the time", "[setup][LIF-123]") {
  const test::FakeClock clock;
  CHECK(host::aside_name("data", clock.wall()) == "data.pre-dumb-20260211T120000Z");
}

TEST_CASE("the trees of the service user come from the table and the configuration", "[setup][LIF-124]") {
  const auto document = jsonx::parse(R"({"dumb":{"log_dir":"/var/log/dumb/"},
    "rclone":{"instances":{
      "one":{"enabled":true,"process_name":"rclone one","mount_dir":"/mnt/debrid"},
      "two":{"enabled":true,"process_name":"rclone two","mount_dir":"/mnt/debrid"},
      "off":{"enabled":false,"process_name":"rclone off","mount_dir":"/mnt/other"}}}})");
  REQUIRE(document);
  const json::object& object = document->get_object();
  const config::Snapshot snapshot(object, object, 1);
  std::map<std::string, host::Depth> found;
  for (const host::OwnedPath& path : host::owned_paths(snapshot)) {
    CHECK(found.emplace((path.path / "").parent_path().native(), path.depth).second);
  }
  const auto all = host::Depth::everything_below;
  const auto top = host::Depth::itself;
  CHECK(found == std::map<std::string, host::Depth>{{"/var/log/dumb", all},
                                                    {"/config", all},
                                                    {"/home/DUMB", all},
                                                    {"/riven/backend/data", all},
                                                    {"/zilean/app/data", all},
                                                    {"/plex_debrid/config", all},
                                                    {"/cli_debrid/data", all},
                                                    {"/cli_debrid/utilities", all},
                                                    {"/zurg", top},
                                                    {"/mnt/debrid", top}});
}

TEST_CASE("no setting gives a directory of the system to the service user", "[setup][LIF-124]") {
  for (const char* path :
       {"/", "/etc", "/etc/", "/var/log", "/usr/share/x", "/mnt", "/home/../etc/x", "/root"})
    CHECK(host::is_system_directory(path));
  for (const char* path :
       {"/log", "/config", "/home/DUMB", "/var/log/dumb", "/mnt/debrid", "/zurg", "/opt/sonarr"})
    CHECK_FALSE(host::is_system_directory(path));
}
