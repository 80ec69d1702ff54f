#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/http/transfer.hpp>
#include <memory>

#include "base/offload.hpp"

namespace dumb::http {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
constexpr std::size_t batch = 1U << 20U;

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const void* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::string hex() {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), value, &size);
    return text::hex_encode(std::string_view(reinterpret_cast<const char*>(value), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

/// The file a body goes to. Used by one coroutine and, between its awaits, by one worker.
struct Partial {
  fs::path path;
  UniqueFd fd;
  std::uint64_t size = 0;
  Digest digest;
};
using PartialPtr = std::shared_ptr<Partial>;

fs::path note_path(const fs::path& partial) {
  return partial.native() + ".from";
}

/// What tells a version of the remote file from another; empty when the server does not say.
std::string validator(const Response& head) {
  const std::string_view etag = head.header("ETag");
  if (!etag.empty() && !etag.starts_with("W/")) return std::string(etag);
  return std::string(head.header("Last-Modified"));
}

/// The validator of the partial file, when it came from the same place.
std::string noted(const fs::path& partial, const std::string& place) {
  const auto text = file::read(note_path(partial), 64U << 10U);
  if (!text) return {};
  const auto note = jsonx::parse(*text);
  if (!note || !note->is_object()) return {};
  const json::object& object = note->get_object();
  return jsonx::string_at(object, "place") == place ? jsonx::string_at(object, "version") : std::string();
}

/// Opens the partial file and reads what is there into the digest; starts empty when it cannot be continued.
Result<PartialPtr> open_partial(const fs::path& path, bool go_on, const std::atomic<bool>& stop) {
  auto partial = std::make_shared<Partial>();
  partial->path = path;
  partial->fd.reset(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (go_on ? 0 : O_TRUNC), 0600));
  if (!partial->fd) return system_error(errno, "open", path.native());
  std::string block(batch, '\0');
  while (go_on) {
    if (stop) return Error(Errc::cancelled, "the download was cancelled");
    const ssize_t got = ::read(partial->fd.get(), block.data(), block.size());
    if (got < 0) return system_error(errno, "read", path.native());
    if (got == 0) break;
    partial->digest.add(block.data(), static_cast<std::size_t>(got));
    partial->size += static_cast<std::uint64_t>(got);
  }
  return partial;
}

Result<void> restart(Partial& partial) {
  if (::ftruncate(partial.fd.get(), 0) != 0 || ::lseek(partial.fd.get(), 0, SEEK_SET) != 0)
    return system_error(errno, "truncate", partial.path.native());
  partial.size = 0;
  partial.digest = Digest();
  return {};
}

Result<void> append(Partial& partial, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(partial.fd.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const int number = errno;
      if (number == ENOSPC || number == EDQUOT) {
        ::unlink(partial.path.c_str());
        ::unlink(note_path(partial.path).c_str());
      }
      return system_error(number, "write", partial.path.native());
    }
    done += static_cast<std::size_t>(wrote);
  }
  partial.digest.add(bytes.data(), bytes.size());
  partial.size += bytes.size();
  return {};
}

std::optional<std::uint64_t> announced(const Response& head) {
  const auto length = text::to_int(head.header("Content-Length"));
  if (!length || *length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*length);
}

/// First byte of "bytes 5-9/10"; nullopt when it is not that.
std::optional<std::uint64_t> first_of(std::string_view range) {
  if (!range.starts_with("bytes ")) return std::nullopt;
  const auto first = text::to_int(range.substr(6, range.find('-') - 6));
  return first && *first >= 0 ? std::optional(static_cast<std::uint64_t>(*first)) : std::nullopt;
}

/// Replaces the note. Nothing is flushed, as nothing of the partial file is: on a busy disk that takes a
/// minute and more, and after a power cut a note that fits no data only makes the sum wrong and the file
/// anew.
Result<void> keep_note(const fs::path& path, const std::string& text) {
  const std::string fresh = path.native() + ".new";
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(errno, "create", fresh);
  const ssize_t wrote = ::write(fd.get(), text.data(), text.size());
  if (wrote < 0 || static_cast<std::size_t>(wrote) != text.size()) {
    const int number = wrote < 0 ? errno : ENOSPC;
    ::unlink(fresh.c_str());
    return system_error(number, "write", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(errno, "rename", fresh);
  return {};
}

class Writer final : public Sink {
 public:
  Writer(const Download& what, PartialPtr partial) : what_(what), partial_(std::move(partial)) {}

  asio::awaitable<Result<void>> head(Response head) override {
    resumed = head.status == 206;
    if (resumed && first_of(head.header("Content-Range")) != partial_->size)
      co_return Error(Errc::io, "the server continues at another place", what_.request.url.display());
    if (!resumed) {
      const Result<void> emptied = restart(*partial_);
      if (!emptied) co_return emptied.error();
    }
    const auto left = announced(head);
    if (left && partial_->size + *left > what_.max_bytes) co_return too_large();
    if (what_.room) {
      const Result<void> fits = what_.room(left);
      if (!fits) co_return fits.error();
    }
    json::object note;
    note["place"] = what_.request.url.display();
    note["version"] = validator(head);
    const std::string text = jsonx::print(note);
    const fs::path path = note_path(what_.partial);
    auto write_it = [text, path] { return keep_note(path, text); };
    const Result<void> written = co_await offload(*what_.workers, write_it);
    co_return written;
  }
  asio::awaitable<Result<void>> data(std::string bytes) override {
    if (partial_->size + waiting_.size() + bytes.size() > what_.max_bytes) co_return too_large();
    waiting_ += bytes;
    if (waiting_.size() < batch) co_return Result<void>();
    const Result<void> written = co_await flush();
    co_return written;
  }
  asio::awaitable<Result<void>> flush() {
    const PartialPtr partial = partial_;
    const auto bytes = std::make_shared<std::string>(std::move(waiting_));
    waiting_.clear();
    auto write_it = [partial, bytes] { return append(*partial, *bytes); };
    const Result<void> written = co_await offload(*what_.workers, write_it);
    co_return written;
  }
  bool resumed = false;

 private:
  Error too_large() const {
    return {Errc::invalid_argument, fmt::format("is larger than {} bytes", what_.max_bytes),
            what_.request.url.display()};
  }
  const Download& what_;
  PartialPtr partial_;
  std::string waiting_;
};

}  // namespace

asio::awaitable<Result<Downloaded>> download(Download what) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const std::string version = noted(what.partial, what.request.url.display());
  const fs::path path = what.partial;
  const bool go_on = !version.empty();
  auto open_it = [path, go_on](const std::atomic<bool>& stop) { return open_partial(path, go_on, stop); };
  const Result<PartialPtr> partial = co_await offload(*what.workers, open_it);
  if (!partial) co_return partial.error();
  Request request = what.request;
  if ((*partial)->size > 0) {
    request.headers.emplace_back("Range", fmt::format("bytes={}-", (*partial)->size));
    request.headers.emplace_back("If-Range", version);
  }
  Writer writer(what, *partial);
  Result<Response> answer = co_await transfer(request, what.limits, writer);
  if (answer && answer->status == 416) {
    const Result<void> emptied = restart(**partial);
    if (!emptied) co_return emptied.error();
    answer = co_await transfer(what.request, what.limits, writer);
  }
  // What has arrived counts, however the exchange ended.
  const Result<void> flushed = co_await writer.flush();
  if (!answer) co_return answer.error();
  Downloaded out;
  out.head = std::move(*answer);
  if (out.head.status >= 300) co_return out;
  if (!flushed) co_return flushed.error();
  auto finish_it = [partial = *partial] {
    if (::fsync(partial->fd.get()) != 0)
      return Result<std::string>(system_error(errno, "flush", partial->path.native()));
    return Result<std::string>(partial->digest.hex());
  };
  const Result<std::string> sha256 = co_await offload(*what.workers, finish_it);
  if (!sha256) co_return sha256.error();
  out.bytes = (*partial)->size;
  out.sha256 = *sha256;
  out.resumed = writer.resumed;
  co_return out;
}

}  // namespace dumb::http
