#pragma once

#include <cstdint>

namespace dumb::server {

/// Bytes of a TCP connection that the other machine has acknowledged so far (`tcpi_bytes_acked`, tcp(7));
/// 0 when that cannot be told.
std::uint64_t acknowledged_bytes(int socket) noexcept;

}  // namespace dumb::server
