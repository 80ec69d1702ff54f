#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The placeholders of the catalogue: `{name}`, `{a.b}`, `{command.0}`, `{name|filter|filter:argument}`
/// (SVC-9, SVC-10). All pure; errors are Errc::invalid_argument and name the placeholder, never a value.
namespace dumb::catalog {

/// Supplies the value of a name as it stands between brace and first bar ("port", "env_copy.source",
/// "endpoint.servarr:radarr"); nullopt for a name it does not know.
using Lookup = std::function<std::optional<json::value>(std::string_view name)>;
/// Performs a filter that is none of SVC-10: the models of SVC-219 that stand after a bar.
using Filter = std::function<Result<json::value>(std::string_view filter, const json::value& input)>;

/// One placeholder of a text. Its filters are not split from their arguments ("default:{host}").
struct Placeholder {
  std::size_t begin = 0, end = 0;  ///< from '{' to behind '}'
  std::string name;
  std::vector<std::string> filters;
};
/// Every outermost placeholder, in order. `${NAME}`, and braces around anything that is no name, are none.
std::vector<Placeholder> placeholders(std::string_view text);

/// The value of a string, array or object with every placeholder replaced, recursively; other values as they
/// are. A string that is one placeholder takes its value with its type. An array that is an element of an
/// array by way of a placeholder is spliced, null as such an element is left out. Member names are expanded
/// too. Members named "url", "join" or ending in "_url" follow expand_optional(). A name `lookup` does not
/// know stays as written, unless a `default` filter follows it.
Result<json::value> expand(const json::value& expression, const Lookup& lookup, const Filter& filter = {});

/// The same for a text: values are put in as text (jsonx::scalar_text).
Result<std::string> expand_text(std::string_view text, const Lookup& lookup, const Filter& filter = {});

/// expand_text() for URLs and `join`: a part in `[…]` that holds placeholders is dropped unless each of them
/// is known and not blank; other brackets are text.
Result<std::string> expand_optional(std::string_view text, const Lookup& lookup, const Filter& filter = {});

/// Null, a text of blanks, an empty array or object.
bool is_blank(const json::value& value) noexcept;

/// A member of a block by dotted name ("a.b", "command.0"); a member whose name has dots itself wins.
const json::value* member(const json::object& block, std::string_view name) noexcept;

/// Whether `filter` (without argument) is one of SVC-10.
bool is_builtin_filter(std::string_view name) noexcept;

/// A command with the pair of option and port set (SVC-10 `with-port-arg`): the element behind each of
/// `options` becomes `port`; without any of them the first option and `port` are appended. Text is split by
/// shell-word rules.
Result<json::array> with_port_argument(const json::value& command, const std::vector<std::string>& options,
                                       std::string_view port);

}  // namespace dumb::catalog
