#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The parts of URLs and paths the model compares. Pure.
namespace dumb::graph {

/// Collapses `//`, `.` and `..` and drops a trailing slash (DEP-5); "" for what publishes and matches
/// nothing.
std::string normal_path(std::string_view path);
/// Whether `path` equals `ancestor` or lies below it; both normalised.
bool within(std::string_view path, std::string_view ancestor) noexcept;

struct Address {
  bool valid = false;
  bool local = false;      ///< DEP-15
  std::string host;        ///< as written, without brackets
  std::uint16_t port = 0;  ///< explicit, or that of http and https; 0 = none
  std::string ui_segment;  ///< of a path /ui/<segment>, decoded; "" = none
};
/// DEP-14 b, c.
Address address_of(std::string_view url);
/// The URL without user-info.
std::string without_user_info(std::string_view url);

}  // namespace dumb::graph
