#pragma once

#include <dumb/base/result.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <string>

#include "symlinks/json_stream.hpp"

namespace dumb::symlinks {

/// Reads the elements of a manifest; keeps its buffers between them.
class ElementReader {
 public:
  explicit ElementReader(JsonStream& json) : json_(json) {}
  /// The value at hand, whatever it is; one that is no object leaves `element` without members.
  Result<void> read(Element& element);

 private:
  /// False when it is not an element of the usual kind; it is cleared again then.
  Result<bool> read_quickly(Element& element);
  Result<void> member(Element& element);
  Result<void> exact_text(const Element& element, Element::Text& text);
  Result<void> plain_text(const Element& element, Element::Text& text);

  JsonStream& json_;
  std::string name_;
  std::string value_;
  unsigned exact_ = 0;  ///< texts whose exact bytes were given
};

}  // namespace dumb::symlinks
