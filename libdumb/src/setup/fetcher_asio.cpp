#include "setup/fetcher_asio.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

namespace dumb::setup {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
constexpr std::uint64_t text_limit = std::uint64_t{64} << 20U;
constexpr std::uint64_t reserve = std::uint64_t{64} << 20U;

std::string hash_of(std::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return text::hex_encode(std::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

class TextSink final : public http::Sink {
 public:
  asio::awaitable<Result<void>> head(http::Response) override { co_return Result<void>(); }
  asio::awaitable<Result<void>> data(std::string bytes) override {
    if (text.size() + bytes.size() > text_limit) co_return Error(Errc::io, "the answer is too large");
    text += bytes;
    co_return Result<void>();
  }
  std::string text;
};

/// File name of "attachment; filename=x" (quoted or not).
std::string disposition_name(std::string_view header) {
  const std::size_t at = text::lower(header).find("filename=");
  if (at == std::string::npos) return {};
  std::string_view name = text::trim(header.substr(at + 9));
  name = name.substr(0, name.find(';'));
  if (name.size() >= 2 && name.front() == '"') name = name.substr(1, name.find('"', 1) - 1);
  return std::string(name.substr(name.rfind('/') + 1));
}

Answer answer_of(const Result<http::Response>& response) {
  Answer out;
  out.arrived = static_cast<bool>(response);
  if (!response) {
    out.problem = response.error().message();
    return out;
  }
  out.status = response->status;
  out.retry_after = response->header("Retry-After");
  out.remaining = response->header("X-RateLimit-Remaining");
  out.reset = response->header("X-RateLimit-Reset");
  return out;
}

Error cancelled() {
  return failure(Failure::cancelled, "setup was cancelled");
}

/// What no further attempt would change.
std::optional<Error> final_error(const Error& error, const std::string& what) {
  if (error.is(Errc::cancelled)) return cancelled();
  if (error.is(Errc::invalid_argument)) return failure(Failure::too_large, what + ": " + error.message());
  if (error.is(Errc::unsupported)) return failure(Failure::download_failed, what + ": " + error.message());
  if (error.code().category() == make_error_code(Failure::disk_full).category()) return error;
  const bool full = error.code() == boost::system::errc::no_space_on_device;
  if (full || error.code() == boost::system::error_code(EDQUOT, boost::system::system_category()))
    return failure(Failure::disk_full, what + ": " + error.message());
  return std::nullopt;
}

Result<void> room_in(const fs::path& cache, std::optional<std::uint64_t> bytes) {
  struct statvfs info {};
  if (::statvfs(cache.c_str(), &info) != 0) return {};
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  const std::uint64_t needed = bytes.value_or(0) + reserve;
  if (free >= needed) return {};
  return failure(Failure::disk_full,
                 fmt::format("{} bytes are needed for the download and {} are free", needed, free));
}

}  // namespace

std::string Fetcher::endpoint(std::string_view name) const {
  auto value = run_->scope.lookup("endpoint." + std::string(name));
  std::string url = value ? text_of(*value) : std::string();
  while (url.ends_with('/')) url.pop_back();
  return url;
}

bool Fetcher::is_trusted_with_token(const std::string& url) const {
  for (const char* name : {"github_api", "github_web"}) {
    const std::string base = endpoint(name);
    if (!base.empty() && url.starts_with(base + "/")) return true;
  }
  return false;
}

double Fetcher::jitter() const {
  return static_cast<double>(static_cast<unsigned char>(run_->facts.random_bytes(1).front())) / 255.0;
}

Result<http::Request> Fetcher::request(const std::string& url) const {
  http::Request out;
  auto parsed = http::parse_url(url);
  if (!parsed) return failure(Failure::bad_value, parsed.error().to_string());
  out.url = std::move(*parsed);
  out.headers.emplace_back("User-Agent", options_.product);
  if (!is_trusted_with_token(url)) return out;
  out.headers.emplace_back("X-GitHub-Api-Version", "2022-11-28");
  const json::value* dumb = run_->context.config->effective().if_contains("dumb");
  const std::string token =
      dumb != nullptr && dumb->is_object() ? jsonx::string_at(dumb->get_object(), "github_token") : "";
  if (!text::blank(token))
    out.headers.emplace_back("Authorization", "Bearer " + std::string(text::trim(token)));
  return out;
}

Task<bool> Fetcher::wait(std::chrono::milliseconds time) {
  co_await pause(Seconds(time));
  const bool over = co_await is_cancelled();
  co_return !over;
}

Task<Result<Looked>> Fetcher::text(std::string url, std::string what, Method method) {
  const fs::path known = options_.cache / "answers" / (hash_of(url) + ".json");
  json::object stored;
  const bool keeps = method == Method::get;
  if (auto text = file::read(known, text_limit); text && keeps && !options_.force) {
    if (auto value = jsonx::parse(*text); value && value->is_object()) stored = value->get_object();
  }
  for (int attempt = 1;; ++attempt) {
    Result<http::Request> asked = request(url);
    if (!asked) co_return asked.error();
    asked->method = keeps ? "GET" : "HEAD";
    asked->headers.emplace_back("Accept", is_trusted_with_token(url) ? "application/vnd.github+json" : "*/*");
    const std::string etag = jsonx::string_at(stored, "etag");
    if (!etag.empty()) asked->headers.emplace_back("If-None-Match", etag);
    TextSink sink;
    Looked out;
    http::Limits limits;
    limits.whole = std::chrono::minutes(2);
    const Result<http::Response> answer = co_await http::transfer(*asked, limits, sink, &out.end);
    if (!answer) {
      if (const auto error = final_error(answer.error(), what)) co_return *error;
    }
    const Answer seen = answer_of(answer);
    Verdict verdict = judge(seen, attempt, jitter(), options_.patience, system_clock().wall(), what);
    if (verdict.kind == Verdict::Kind::failed) co_return verdict.error;
    if (verdict.kind == Verdict::Kind::again) {
      if (!seen.arrived || seen.status >= 500) verdict.wait = verdict.wait * options_.pause.count() / 1000;
      const bool go_on = co_await wait(verdict.wait);
      if (!go_on) co_return cancelled();
      continue;
    }
    if (verdict.kind == Verdict::Kind::unchanged) {
      out.text = jsonx::string_at(stored, "body");
      co_return out;
    }
    out.text = std::move(sink.text);
    out.file_name = disposition_name(answer->header("Content-Disposition"));
    const std::string fresh(answer->header("ETag"));
    if (fresh.empty() || !keeps || !text::is_utf8(out.text)) co_return out;
    json::object keep;
    keep["etag"] = fresh;
    keep["body"] = out.text;
    const std::string kept = jsonx::print(keep);
    auto write_it = [known, kept] {
      if (auto made = file::make_directories(known.parent_path(), 0700); !made) return made;
      return file::write_atomic(known, kept, {.mode = 0600, .force_mode = true, .uid = {}, .gid = {}});
    };
    const Result<void> written = co_await offload(*run_->context.workers, write_it);
    if (!written) run_->log().debug("an answer was not kept: " + written.error().to_string());
    co_return out;
  }
}

Task<Result<json::value>> Fetcher::json_of(std::string url, std::string what) {
  const Result<Looked> looked = co_await text(url, what);
  if (!looked) co_return looked.error();
  Result<json::value> value = jsonx::parse(looked->text);
  if (!value) co_return failure(Failure::release_not_found, what + ": the answer is not JSON");
  co_return value;
}

Task<Result<http::Downloaded>> Fetcher::attempt(Wanted wanted, fs::path partial) {
  http::Download what;
  Result<http::Request> asked = request(wanted.url);
  if (!asked) co_return asked.error();
  what.request = std::move(*asked);
  if (wanted.octets) what.request.headers.emplace_back("Accept", "application/octet-stream");
  what.partial = std::move(partial);
  what.max_bytes = options_.limits.max_download_mib << 20U;
  const fs::path cache = options_.cache;
  what.room = [cache](std::optional<std::uint64_t> bytes) { return room_in(cache, bytes); };
  what.workers = run_->context.workers;
  Result<http::Downloaded> done = co_await http::download(std::move(what));
  co_return done;
}

Task<Result<http::Downloaded>> Fetcher::with_attempts(Wanted wanted, fs::path partial) {
  for (int number = 1;; ++number) {
    Result<http::Downloaded> done = co_await attempt(wanted, partial);
    Result<http::Response> head =
        done ? Result<http::Response>(done->head) : Result<http::Response>(done.error());
    if (!done) {
      if (const auto error = final_error(done.error(), wanted.what)) co_return *error;
    }
    const Answer seen = answer_of(head);
    Verdict verdict = judge(seen, number, jitter(), options_.patience, system_clock().wall(), wanted.what);
    if (verdict.kind == Verdict::Kind::good) co_return done;
    if (verdict.kind != Verdict::Kind::again) co_return verdict.error;
    if (!seen.arrived || seen.status >= 500) verdict.wait = verdict.wait * options_.pause.count() / 1000;
    const bool go_on = co_await wait(verdict.wait);
    if (!go_on) co_return cancelled();
  }
}

/// Two services may want the same file.
Task<Result<std::shared_ptr<UniqueFd>>> Fetcher::lock(fs::path path) {
  const auto fd = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!*fd) co_return Run::failed(system_error(errno, "open", path.native()));
  while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    const bool go_on = co_await wait(std::chrono::milliseconds(100));
    if (!go_on) co_return cancelled();
  }
  co_return fd;
}

Task<Result<Fetched>> Fetcher::verified(Wanted wanted, fs::path partial) {
  for (int attempts = 0;; ++attempts) {
    const Result<http::Downloaded> done = co_await with_attempts(wanted, partial);
    if (!done) co_return done.error();
    std::string wrong;
    if (!wanted.sha256.empty() && done->sha256 != wanted.sha256) {
      wrong = fmt::format("its SHA-256 is {}, not {}", done->sha256, wanted.sha256);
    } else if (wanted.sha256.empty() && wanted.size != 0 && done->bytes != wanted.size) {
      wrong = fmt::format("it has {} bytes, not {}", done->bytes, wanted.size);
    }
    const fs::path note = partial.native() + ".from";
    if (wrong.empty()) {
      Fetched out;
      out.sha256 = done->sha256;
      out.path = options_.cache / "objects" / done->sha256;
      out.file_name = disposition_name(done->head.header("Content-Disposition"));
      if (::rename(partial.c_str(), out.path.c_str()) != 0)
        co_return Run::failed(system_error(errno, "keep", out.path.native()));
      ::unlink(note.c_str());
      co_return out;
    }
    ::unlink(partial.c_str());
    ::unlink(note.c_str());
    if (attempts > 0)
      co_return failure(Failure::checksum_mismatch,
                        fmt::format("{} is not what was published: {}", wanted.what, wrong));
    run_->log().warning(fmt::format("{}: {} is not what was published ({}) and is fetched once more",
                                    run_->name(), wanted.what, wrong));
  }
}

Task<Result<Fetched>> Fetcher::file(Wanted wanted) {
  for (const char* name : {"objects", "tmp"}) {
    const auto made = file::make_directories(options_.cache / name, 0700);
    if (!made) co_return Run::failed(made.error());
  }
  const fs::path known = options_.cache / "objects" / wanted.sha256;
  if (!wanted.sha256.empty() && ::utimensat(AT_FDCWD, known.c_str(), nullptr, 0) == 0) {
    Fetched out;
    out.path = known;
    out.sha256 = wanted.sha256;
    co_return out;
  }
  const fs::path partial = options_.cache / "tmp" / (hash_of(wanted.url).substr(0, 32) + ".part");
  const fs::path guard = partial.native() + ".lock";
  const auto held = co_await lock(guard);
  if (!held) co_return held.error();
  Result<Fetched> out = co_await verified(std::move(wanted), partial);
  co_return out;
}

void Fetcher::prune(const fs::path& cache, std::uint64_t limit) {
  struct Object {
    fs::file_time_type used;
    std::uint64_t size;
    fs::path path;
  };
  std::vector<Object> objects;
  std::uint64_t sum = 0;
  std::error_code error;
  for (fs::directory_iterator at(cache / "objects", error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    objects.push_back({at->last_write_time(ignored), at->file_size(ignored), at->path()});
    sum += objects.back().size;
  }
  std::sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.used < b.used; });
  for (const Object& object : objects) {
    if (sum <= limit) return;
    std::error_code ignored;
    if (fs::remove(object.path, ignored)) sum -= object.size;
  }
}

}  // namespace dumb::setup
