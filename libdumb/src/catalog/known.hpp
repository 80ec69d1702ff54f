#pragma once

#include <string_view>

/// The closed sets a catalogue file may use (SVC-2). A member of one of them is code somewhere; everything
/// else is data.
namespace dumb::catalog::known {

bool step(std::string_view name) noexcept;       ///< `do` (SVC 7.2)
bool condition(std::string_view name) noexcept;  ///< member of `when` and `check` (SVC-218)
/// Models of SVC-219 by the place they stand in.
bool template_model(std::string_view name) noexcept;  ///< `template` of render
bool edit_model(std::string_view name) noexcept;
bool sql_model(std::string_view name) noexcept;
bool http_model(std::string_view name) noexcept;
bool run_model(std::string_view name) noexcept;
bool value_model(std::string_view name) noexcept;     ///< a placeholder's name or filter
bool version_source(std::string_view name) noexcept;  ///< SVC-43

}  // namespace dumb::catalog::known
