#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/layers.hpp"
#include "config/validate.hpp"

/// From the text of a file to a checked document, and back. Pure.
namespace dumb::config {

struct Loaded {
  json::object user;
  json::object base;       ///< base_of(user)
  json::object effective;  ///< in force as long as nothing is edited or generated
  std::shared_ptr<const Overrides> overrides;
  std::vector<std::string> secret_variables;
  std::vector<std::pair<Level, std::string>> notices;  ///< for the log
};

/// The document in a file's text. Fails with Errc::bad_json (line and column) or Errc::invalid_config.
Result<json::object> parse_document(std::string_view text, jsonx::Spelling* spelling = nullptr);

/// Steps 3 to 8 of CFG-32. Fails with Errc::bad_json or Errc::invalid_config, every problem listed.
Result<Loaded> load_text(std::string_view text, const Model& model, const OverrideSources& sources);

/// Problems of faults; those at a member that a variable set name the variable.
std::vector<Problem> explained(const schema::Faults& faults, const Overrides& overrides);

/// The text with the edits applied, everything else as it is (CFG-59, CFG-60). A path that changed on both
/// sides is named in `warnings`. Fails as load_text.
Result<std::string> edited_text(std::string_view text, const Edits& edits, const Model& model,
                                const Overrides& overrides, std::vector<std::string>& warnings);

}  // namespace dumb::config
