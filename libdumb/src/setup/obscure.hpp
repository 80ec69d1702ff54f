#pragma once

#include <array>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>

/// rclone's reversible hiding of passwords in its configuration file (SVC-132). Pure.
namespace dumb::setup {

using ObscureIv = std::array<unsigned char, 16>;

/// base64url(IV + AES-256-CTR(text)). The same text and IV give the same result.
Result<std::string> obscure(std::string_view text, const ObscureIv& iv);
/// The hidden text; nullopt when `hidden` is not something obscure() made.
std::optional<std::string> reveal(std::string_view hidden);

}  // namespace dumb::setup
