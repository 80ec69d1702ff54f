#pragma once

#include "base/offload.hpp"

namespace dumb::setup {
using dumb::offload;
}  // namespace dumb::setup
