#pragma once

#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// XML as text that is edited in place: declaration, comments, order, indentation and everything that is not
/// named stay as they are (SVC-29). No entities beyond the five of XML and character references are known; a
/// document type is read over and never followed. All pure; errors are Failure::bad_file, "line L, column C:
/// …" (SVC-31).
namespace dumb::setup::xml {

/// A place and what shall stand there: "/Root/Elem" or "/Root/@attr".
struct Setting {
  std::string path;
  std::string value;
  bool if_blank = false;     ///< only where there is nothing yet
  bool ignore_case = false;  ///< another spelling of the same letters stays
};
/// Elements and attributes that are missing are added, elements at the end of their parent.
Result<std::string> edit(std::string_view text, const std::vector<Setting>& settings);
/// The text of an element, or the value of an attribute; nullopt when it is not there.
Result<std::optional<std::string>> value(std::string_view text, std::string_view path);
/// The first element of that name, at any depth, and its attribute ("" when it has none).
Result<std::optional<std::string>> attribute_of_any(std::string_view text, std::string_view element,
                                                    std::string_view attribute);
/// The text of the first element of that name, at any depth.
Result<std::optional<std::string>> text_of_any(std::string_view text, std::string_view element);
std::string escape(std::string_view text);

/// The network.xml of Jellyfin with this port; empty text: a new one (SVC-197).
Result<std::string> jellyfin_network(std::string_view text, int port);
/// The system.xml of Emby with this port (SVC-199).
Result<std::string> emby_system(std::string_view text, int port);

}  // namespace dumb::setup::xml
