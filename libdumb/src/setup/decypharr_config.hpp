#pragma once

#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <string>
#include <utility>
#include <vector>

/// Decypharr's config.json as a function of what is configured and what the file holds (SVC-151 to SVC-157).
/// Pure.
namespace dumb::setup::decypharr {

/// An rclone instance that mounts for Decypharr.
struct Mount {
  std::string provider, api_key, rc_url;
};
struct Arr {
  std::string name, host, token;
};

struct Wanted {
  bool new_layout = true;
  std::string mode;
  std::string url_base, port, log_level, mount_path;
  std::string downloads, usenet_folder;
  std::string remote_folder;  ///< the provider's name follows
  unsigned uid = 0, gid = 0;
  std::vector<std::pair<std::string, std::string>> keys;  ///< provider and key
  json::object dfs;
  std::vector<Mount> mounts;
  std::vector<Arr> arrs;
  const json::value* download_uncached = nullptr;  ///< null: not configured
};

json::object new_config(const json::object& existing, const Wanted& wanted);

}  // namespace dumb::setup::decypharr
