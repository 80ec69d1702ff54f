#pragma once

/// Runs handlers through this program's own, header-only Asio; true when each was called exactly once.
bool own_asio_works();
