#pragma once

#include <dumb/http/transfer.hpp>
#include <dumb/setup/install.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "setup/phase_asio.hpp"
#include "setup/release.hpp"

/// Requests to release servers and downloads into the cache (SVC 3.3).
namespace dumb::setup {

struct Wanted {
  std::string url;
  bool octets = false;     ///< ask for the bytes of an asset, not its description
  std::string sha256;      ///< expected; empty: unknown
  std::uint64_t size = 0;  ///< announced; 0: unknown
  std::string what;        ///< for messages
};
struct Fetched {
  std::filesystem::path path;  ///< in the cache
  std::string sha256;
  std::string file_name;  ///< from Content-Disposition; may be empty
};
struct Looked {
  std::string text;
  std::string file_name;
  http::Url end;  ///< the place that answered
};

class Fetcher {
 public:
  Fetcher(RunPtr run, const InstallOptions& options) : run_(std::move(run)), options_(options) {}

  /// A small text. `url` is complete. Fails with download_failed, release_not_found (404, 410, 422),
  /// rate_limited, cancelled.
  enum class Method { get, head };
  Task<Result<Looked>> text(std::string url, std::string what, Method method = Method::get);
  /// The same, as JSON; an unchanged answer comes from the cache (SVC-53).
  Task<Result<json::value>> json_of(std::string url, std::string what);
  /// A file, complete and verified, in the cache (SVC-57 to SVC-60).
  Task<Result<Fetched>> file(Wanted wanted);
  /// An endpoint of the catalogue without a slash at its end.
  std::string endpoint(std::string_view name) const;
  /// Removes what was not used for the longest time (SVC-59). Blocking.
  static void prune(const std::filesystem::path& cache, std::uint64_t limit);

 private:
  Result<http::Request> request(const std::string& url) const;
  bool is_trusted_with_token(const std::string& url) const;
  /// Waits for the next attempt; false when cancelled.
  Task<bool> wait(std::chrono::milliseconds time);
  Task<Result<http::Downloaded>> attempt(Wanted wanted, std::filesystem::path partial);
  Task<Result<http::Downloaded>> with_attempts(Wanted wanted, std::filesystem::path partial);
  Task<Result<std::shared_ptr<UniqueFd>>> lock(std::filesystem::path path);
  Task<Result<Fetched>> verified(Wanted wanted, std::filesystem::path partial);
  double jitter() const;

  RunPtr run_;
  const InstallOptions& options_;
};

}  // namespace dumb::setup
