#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <dumb/http/transfer.hpp>

#include "http/exchange_asio.hpp"

namespace dumb::http {
namespace {

namespace asio = boost::asio;
constexpr std::size_t kept_text = 64U << 10U;

bool is_redirect(int status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Hands a good answer on, and keeps the beginning of what any other says.
class Sorter final : public Sink {
 public:
  explicit Sorter(Sink& taker) : taker_(taker) {}
  asio::awaitable<Result<void>> head(Response head) override {
    good_ = head.status < 300;
    if (!good_) co_return Result<void>();
    const Result<void> taken = co_await taker_.head(std::move(head));
    co_return taken;
  }
  asio::awaitable<Result<void>> data(std::string bytes) override {
    if (!good_) {
      text.append(bytes, 0, kept_text - std::min(kept_text, text.size()));
      co_return Result<void>();
    }
    const Result<void> taken = co_await taker_.data(std::move(bytes));
    co_return taken;
  }
  std::string text;

 private:
  Sink& taker_;
  bool good_ = false;
};

}  // namespace

asio::awaitable<Result<Response>> transfer(Request request, Limits limits, Sink& sink, Url* end) {
  for (int followed = 0;; ++followed) {
    Sorter sorter(sink);
    Request asked = request;
    Result<Response> answer = co_await exchange(std::move(asked), limits, sorter);
    if (!answer) co_return answer.error();
    answer->body = std::move(sorter.text);
    const std::string location(answer->header("Location"));
    if (end != nullptr) *end = request.url;
    if (!is_redirect(answer->status) || location.empty()) co_return answer;
    if (followed >= limits.redirects) co_return Error(Errc::io, "too many redirects", request.url.display());
    Result<Url> target = redirect_target(request.url, location);
    if (!target) co_return target.error();
    request = redirected(std::move(request), std::move(*target));
  }
}

}  // namespace dumb::http
