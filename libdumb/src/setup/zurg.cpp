#include "setup/zurg.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {

std::string new_zurg_config(const json::object& block) {
  const auto member = [&](std::string_view name) {
    const json::value* found = block.if_contains(name);
    return found == nullptr ? std::string() : jsonx::scalar_text(*found);
  };
  std::string text = "zurg: v1\n";
  text += "token: " + yaml_scalar(member("api_key"), true) + "\n";
  text += "host: \"127.0.0.1\"\n";
  text += "port: " + yaml_scalar(member("port"), false) + "\n";
  text +=
      "check_for_changes_every_secs: 10\n"
      "enable_repair: true\n"
      "auto_delete_rar_torrents: true\n"
      "directories:\n"
      "  shows:\n"
      "    group_order: 10\n"
      "    group: media\n"
      "    filters:\n"
      "      - has_episodes: true\n"
      "  movies:\n"
      "    group_order: 20\n"
      "    group: media\n"
      "    only_show_the_biggest_file: true\n"
      "    filters:\n"
      "      - regex: /.*/\n";
  return text;
}

}  // namespace dumb::setup
