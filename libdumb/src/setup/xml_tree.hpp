#pragma once

#include <dumb/base/result.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Where the parts of an XML text stand; offsets into it.
namespace dumb::setup::xml {

struct Attribute {
  std::string name;
  std::size_t begin = 0, end = 0;  ///< of the value, without its quotes
};

struct Element {
  std::string name;
  std::size_t parent = 0;                ///< index; the root is its own
  std::size_t begin = 0, open_end = 0;   ///< of the start tag
  std::size_t close_begin = 0, end = 0;  ///< of the end tag; equal to open_end when self-closing
  bool self_closing = false;
  std::vector<Attribute> attributes;
};

/// In document order; the root first. Fails with Failure::bad_file for what is not well formed.
Result<std::vector<Element>> parse(std::string_view text);
/// Character references and the five entities replaced, comments left out.
std::string decode(std::string_view text);

}  // namespace dumb::setup::xml
