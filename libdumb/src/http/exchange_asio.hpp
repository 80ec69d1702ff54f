#pragma once

#include <boost/asio/awaitable.hpp>
#include <dumb/http/transfer.hpp>

namespace dumb::http {

/// One request and its answer on a connection of its own; redirects are not followed. The body goes to
/// `sink`. Honours cancellation.
boost::asio::awaitable<Result<Response>> exchange(Request request, Limits limits, Sink& sink);

}  // namespace dumb::http
