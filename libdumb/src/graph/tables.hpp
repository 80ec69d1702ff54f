#pragma once

#include <dumb/catalog/catalog.hpp>
#include <dumb/graph/types.hpp>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dumb::graph {

/// Look-up by string_view without making a string.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
template <class T>
using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

/// What the catalogue says of one key (DEP-6, DEP-17 to DEP-20).
struct KeyRow {
  std::string display_name;
  bool core = false;
  catalog::Dependencies links;
  std::vector<std::string> mentioned_by;  ///< keys whose row names this key
};

/// The catalogue as the model needs it; independent of the catalogue's life.
struct Tables {
  explicit Tables(const catalog::Catalog& catalog);

  /// Trimmed, lower-cased, an alias replaced by its key (DEP-2).
  std::string token(std::string_view text) const;
  const KeyRow* find(std::string_view key) const;
  bool scoped(std::string_view key) const;
  /// The key itself when the catalogue does not know it.
  std::string display_name(std::string_view key) const;
  /// "core" of DEP-24: the key has a row in one of the tables of DEP-6.
  bool tabled(std::string_view key) const;

  ByText<KeyRow> rows;
  ByText<std::string> tokens;
  std::vector<std::string> core_keys;       ///< DEP-6, in order
  std::vector<std::string> watched_fields;  ///< every start_after_field
};

/// Whether `key` lacks nothing vital without `need` (DEP-42).
bool optional_need(const KeyRow& row, std::string_view need);

}  // namespace dumb::graph
