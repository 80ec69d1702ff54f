#include "config/overrides.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/secrets.hpp>

#include "config/json_schema.hpp"
#include "config/merge.hpp"

namespace dumb::config {
namespace {

/// What a text becomes; an empty optional with `reason` when it does not fit.
struct Conversion {
  std::optional<json::value> value;
  std::string reason;
};

Conversion bad(std::string reason) {
  return {std::nullopt, std::move(reason)};
}

json::array strings(const std::vector<std::string>& words) {
  json::array out;
  for (const std::string& word : words) {
    const std::string_view trimmed = text::trim(word);
    if (!trimmed.empty()) out.emplace_back(trimmed);
  }
  return out;
}

bool is_string_list(const json::object* node, const json::value& current) {
  if (node != nullptr) {
    const json::object* items = schema::element(node);
    return items == nullptr || schema::kinds(items).string;
  }
  const json::array& array = current.get_array();
  return std::all_of(array.begin(), array.end(), [](const json::value& item) { return item.is_string(); });
}

Conversion to_list(std::string_view text, std::string_view key, bool of_strings) {
  if (text.starts_with('[')) {
    auto parsed = jsonx::parse(text);
    if (!parsed || !parsed->is_array()) return bad("is no JSON array");
    return {std::move(*parsed), {}};
  }
  if (key == "command") {
    const auto words = text::shell_words(text);
    if (!words) return bad(words.error().message());
    json::array out;
    for (const std::string& word : *words) out.emplace_back(json::string(word));
    return {json::value(std::move(out)), {}};
  }
  if (!of_strings) return bad("is no JSON array");
  if (text.find(',') != std::string_view::npos) return {json::value(strings(text::split(text, ','))), {}};
  std::string blanks(text);
  std::replace_if(
      blanks.begin(), blanks.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return {json::value(strings(text::split(blanks, ' '))), {}};
}

Conversion to_object(std::string_view text) {
  auto parsed = jsonx::parse(text);
  if (!parsed || !parsed->is_object()) return bad("is no JSON object");
  return {std::move(*parsed), {}};
}

std::optional<bool> override_bool(std::string_view text) {
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text::iequals(text, yes)) return true;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (text::iequals(text, no)) return false;
  }
  return std::nullopt;
}

schema::Kinds kinds_of(const json::object* node, const json::value& current) {
  schema::Kinds kinds = schema::kinds(node);
  const bool silent =
      !(kinds.boolean || kinds.integer || kinds.number || kinds.string || kinds.array || kinds.object);
  if (!silent) return kinds;
  kinds.boolean = current.is_bool();
  kinds.integer = current.is_int64() || current.is_uint64();
  kinds.number = current.is_double();
  kinds.string = current.is_string() || current.is_null();
  kinds.array = current.is_array();
  kinds.object = current.is_object();
  return kinds;
}

Conversion convert(std::string_view text, std::string_view key, const json::object* node,
                   const json::value& current) {
  const schema::Kinds kinds = kinds_of(node, current);
  if (is_level_key(key)) {
    const auto level = parse_level(text);  // a bad one is left for validation, which names the variable
    return {json::value(json::string(level ? level_name(*level) : text)), {}};
  }
  if (kinds.array && (key == "command" || !kinds.string)) {
    return to_list(text, key, !current.is_array() || is_string_list(node, current));
  }
  if (kinds.array && text.starts_with('[')) {
    if (auto parsed = jsonx::parse(text); parsed && parsed->is_array()) return {std::move(*parsed), {}};
  }
  if (kinds.string) return {json::value(json::string(text)), {}};
  if (kinds.boolean) {
    if (const auto value = override_bool(text)) return {json::value(*value), {}};
    return bad("is neither true nor false");
  }
  if (kinds.integer && !kinds.number) {
    if (const auto value = text::to_int(text)) return {json::value(*value), {}};
    return bad("is no whole number");
  }
  if (kinds.number) {
    if (const auto value = text::to_int(text)) return {json::value(*value), {}};
    if (const auto value = text::to_double(text)) return {json::value(*value), {}};
    return bad("is no number");
  }
  if (kinds.object) return to_object(text);
  return bad("cannot be set by a variable");
}

std::string plain_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'); }, '_');
  return name;
}

/// Names that may stand for a path, the one that counts first.
std::vector<std::string> names_of(const JsonPath& path, const Model& model) {
  std::vector<std::string> names;
  const auto add = [&names](std::string name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  };
  const auto add_both = [&](const JsonPath& spelled) {
    const std::string exact = text::upper(text::join(spelled, "_"));
    add(exact);
    add(plain_name(exact));
  };
  add_both(path);
  for (const auto& [alias, key] : model.key_aliases) {
    JsonPath other = path;
    if (other.front() == key) other.front() = alias;
    if (other.back() == "use_" + key) other.back() = "use_" + alias;
    if (other != path) add_both(other);
  }
  return names;
}

class Finder {
 public:
  Finder(const Model& model, const OverrideSources& sources) : model_(model), sources_(sources) {}

  FoundOverrides find(const json::object& document) {
    for (const auto& [key, value] : document) visit(value, schema::member(&model_.schema, key), key);
    return std::move(out_);
  }

 private:
  void visit(const json::value& value, const json::object* node, std::string_view key) {
    path_.emplace_back(key);
    const auto* object = value.if_object();
    const bool open =
        object != nullptr && (schema::is_open_map(node, key) || (object->empty() && node != nullptr));
    if (object == nullptr || open) look_up(value, node);
    if (object != nullptr) {
      for (const auto& [name, member] : *object) visit(member, schema::member(node, name), name);
    }
    path_.pop_back();
  }

  void look_up(const json::value& current, const json::object* node) {
    const auto names = names_of(path_, model_);
    const auto given = given_text(names);
    if (is_secret(path_, given ? json::value(json::string(given->text)) : current))
      note_secret_variables(names);
    if (!given) return;
    Conversion done = convert(given->text, path_.back(), node, current);
    if (done.value) {
      out_.overrides.push_back({path_, std::move(*done.value), given->name});
    } else {
      out_.warnings.push_back(given->name + " " + done.reason + "; " + jsonx::pointer(path_) +
                              " keeps its value");
    }
  }

  struct Given {
    std::string name;
    std::string text;
  };

  std::optional<Given> given_text(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto found = sources_.secrets.find(name);
      if (found == sources_.secrets.end()) continue;
      if (!found->second) {
        out_.warnings.push_back("secret file " + name + " cannot be read");
      } else if (!text::blank(*found->second)) {
        return Given{name, std::string(text::trim(*found->second))};
      }
    }
    for (const Environment* variables : {&sources_.environment, &sources_.env_file}) {
      for (const std::string& name : names) {
        const auto found = variables->find(name);
        if (found != variables->end() && !text::blank(found->second)) {
          return Given{name, std::string(text::trim(found->second))};
        }
      }
    }
    return std::nullopt;
  }

  void note_secret_variables(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (sources_.environment.contains(name) || sources_.env_file.contains(name)) {
        out_.secret_variables.push_back(name);
      }
    }
  }

  const Model& model_;
  const OverrideSources& sources_;
  JsonPath path_;
  FoundOverrides out_;
};

bool is_prefix(const JsonPath& prefix, const JsonPath& path) {
  return prefix.size() <= path.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

}  // namespace

FoundOverrides find_overrides(const json::object& document, const Model& model,
                              const OverrideSources& sources) {
  return Finder(model, sources).find(document);
}

void apply_overrides(json::object& document, const Overrides& overrides) {
  for (const Override& one : overrides) {
    if (jsonx::find(document, one.path) != nullptr) jsonx::set(document, one.path, one.value);
  }
}

const Override* override_touching(const Overrides& overrides, const JsonPath& path) {
  const auto found = std::find_if(overrides.begin(), overrides.end(), [&](const Override& one) {
    return is_prefix(one.path, path) || is_prefix(path, one.path);
  });
  return found == overrides.end() ? nullptr : &*found;
}

}  // namespace dumb::config
