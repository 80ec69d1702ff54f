#pragma once

#include <cstdint>
#include <dumb/engine/usage.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "style.hpp"

namespace dumb::cli {

enum class TopOrder { cpu, memory, name };

/// "cpu", "memory" or "name".
std::optional<TopOrder> parse_top_order(std::string_view text) noexcept;

/// The services with the greatest use first, those alike by their names. Pure.
void sort_usage(engine::Usage& usage, TopOrder order);

/// A line of totals and the table of `top`. Pure.
std::string render_usage(const engine::Usage& usage, const Style& style);

/// What draws `text` over a screen of `rows` lines: nothing flickers, lines too many are left out, and the
/// last line tells the keys. Pure.
std::string screen_text(std::string_view text, std::size_t rows, const Style& style);

/// "512 KiB", "7.3 MiB", "12 GiB".
std::string bytes_text(std::int64_t bytes);

}  // namespace dumb::cli
