#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <dumb/http/client.hpp>
#include <exception>

#include "http/exchange_asio.hpp"

namespace dumb::http {
namespace {

namespace asio = boost::asio;

/// Keeps a body that is known to be small.
class Text final : public Sink {
 public:
  explicit Text(const Request& request) : limit_(request.max_body), where_(request.url.display()) {}
  asio::awaitable<Result<void>> head(Response) override { co_return Result<void>(); }
  asio::awaitable<Result<void>> data(std::string bytes) override {
    if (bytes.size() > limit_ - body.size())
      co_return Error(Errc::io, fmt::format("the answer is larger than {} bytes", limit_), where_);
    body += bytes;
    co_return Result<void>();
  }
  std::string body;

 private:
  std::uint64_t limit_;
  std::string where_;
};

}  // namespace

asio::awaitable<Result<Response>> fetch(Request request) {
  Limits limits;
  limits.connect = limits.first_byte = limits.idle = limits.whole = request.timeout;
  Text sink(request);
  Result<Response> answer = co_await exchange(std::move(request), limits, sink);
  if (answer) answer->body = std::move(sink.body);
  co_return answer;
}

Result<Response> fetch_blocking(Request request) {
  asio::io_context context(1);
  Result<Response> answer = Error(Errc::io, "the request was not carried out");
  std::exception_ptr thrown;
  asio::co_spawn(context, fetch(std::move(request)),
                 [&](const std::exception_ptr& exception, Result<Response> result) {
                   thrown = exception;
                   answer = std::move(result);
                   context.stop();
                 });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return answer;
}

}  // namespace dumb::http
