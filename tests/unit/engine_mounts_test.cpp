#include <algorithm>
#include <boost/json.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/engine/symlinks.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;

TEST_CASE("every mount point that services may have is guarded, whatever their order and state",
          "[engine][SYM-19]") {
  // The order of the keys is that of the document.
  for (
      const char* text : {
          R"({"rclone":{"instances":{"A":{"process_name":"A","enabled":true,"mount_dir":"/m","mount_name":"a"},
               "B":{"process_name":"B","enabled":false,"mount_dir":"/m/","mount_name":"/b/"}}},
               "decypharr":{"process_name":"D","enabled":true,"mount_type":"dfs"}})",
          R"({"decypharr":{"process_name":"D","enabled":true,"mount_type":"dfs"},
               "rclone":{"instances":{"A":{"process_name":"A","enabled":true,"mount_dir":"/m","mount_name":"a"},
               "B":{"process_name":"B","enabled":false,"mount_dir":"/m/","mount_name":"/b/"}}}})"}) {
    auto value = jsonx::parse(text);
    REQUIRE(value);
    const config::Snapshot config(value->as_object(), value->as_object(), 1);
    auto points = engine::link_environment(config, Root("/nowhere")).mount_points;
    std::sort(points.begin(), points.end());
    CHECK(points == std::vector<std::string>{"/m/a", "/m/b", "/mnt/debrid/decypharr"});
  }
}
