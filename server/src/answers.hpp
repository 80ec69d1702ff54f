#pragma once

#include <boost/json/value.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/error.hpp>
#include <string_view>

#include "message.hpp"

/// How results, failures and faults become responses. Pure.
namespace dumb::server {

/// The one place where an error turns into an HTTP status (API-14).
int status_of(const Error& error) noexcept;

Response json_response(int status, const json::value& body);
Response text_response(int status, std::string_view media_type, std::string text);
/// `{"detail": <sentence>}`.
Response detail_response(int status, std::string_view detail);
Response error_response(const Error& error);
/// 422 with every fault (API-10); values of secret fields are masked (API-13).
Response fault_response(const codec::Faults& faults);

/// `value` with the values of secret fields, at any depth, replaced by "***".
json::value masked(const json::value& value);

}  // namespace dumb::server
