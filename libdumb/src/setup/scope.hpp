#pragma once

#include <boost/json/object.hpp>
#include <dumb/catalog/expression.hpp>
#include <dumb/setup/setup.hpp>
#include <functional>
#include <map>
#include <string>

#include "setup/facts.hpp"

namespace dumb::setup {

Error failure(Failure code, std::string message);

/// A value's text; arrays and objects are compact JSON.
std::string text_of(const json::value& value);

/// The names a step may use (SVC-9) and what earlier steps of this run assigned. One run's property; not
/// thread-safe.
///
/// Paths. The values seen here are spelled as the configuration spells them. A step that touches the disk
/// maps with path(); what goes into the configuration (`command`, `env`, `wait_for_url` …) stays unmapped,
/// because the launcher maps the block's own paths at launch; what a service reads from a file rendered for
/// it is mapped.
class Scope {
 public:
  Scope(const Context& context, const catalog::Service& service, Facts& facts);

  /// The service's block, with what steps have set so far. Members that set steps generate show the user's
  /// values to begin with, so that running the list again starts from the same input.
  const json::object& own() const noexcept { return own_; }
  const Context& context() const noexcept { return context_; }
  const catalog::Service& service() const noexcept { return service_; }
  Facts& facts() const noexcept { return facts_; }

  std::optional<json::value> lookup(std::string_view name);
  Result<json::value> expand(const json::value& expression);
  Result<std::string> text(const json::value& expression);
  /// A path to act on: expanded and mapped beneath the root. A literal path below /bin, /etc, /tmp, or below
  /// /usr and absent beneath the root, is the host's. Fails with missing_field when a placeholder of it is
  /// blank.
  Result<std::filesystem::path> path(const json::value& expression);
  /// An expanded literal or configured path, mapped as path() does.
  std::filesystem::path map(std::string_view written, const std::filesystem::path& expanded);
  /// A configured path beneath the root.
  std::filesystem::path mapped(std::string_view configured) const;

  /// Assigns "var.x" or a dotted member of the block.
  void assign(std::string_view name, json::value value);
  void set_each(json::value value) { each_ = std::move(value); }
  /// Members assigned with assign(), by dotted name.
  const json::object* block_of(std::string_view key) const;

  /// Values models compute: `{rclone.password}` and the like, and `{x|rclone-mount}`.
  std::map<std::string, std::function<Result<json::value>()>, std::less<>> values;
  std::map<std::string, std::function<Result<json::value>(const json::value&)>, std::less<>> filters;

 private:
  std::optional<json::value> other_service(std::string_view name) const;
  std::optional<json::value> install_context(std::string_view name);
  std::optional<json::value> endpoint(std::string_view name) const;

  const Context& context_;
  const catalog::Service& service_;
  Facts& facts_;
  json::object own_;
  json::object vars_;
  json::value each_;
  std::optional<Error> error_;  ///< of a computed value met during an expansion
};

/// Whether a step's `when` or `check` holds (SVC-218). Fails with bad_value for an unknown condition.
Result<bool> holds(const json::value& condition, Scope& scope);

}  // namespace dumb::setup
