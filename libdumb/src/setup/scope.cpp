#include "setup/scope.hpp"

#include <fmt/format.h>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <set>

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

/// Members of the block that this service's steps generate.
std::set<std::string, std::less<>> generated_members(const catalog::Service& service) {
  std::set<std::string, std::less<>> names{"command", "wait_for_url"};
  for (const json::array* steps : {&service.configure, &service.post_start}) {
    for (const json::value& step : *steps) {
      const auto* object = step.if_object();
      if (object == nullptr || jsonx::string_at(*object, "do") != "set" ||
          jsonx::bool_at(*object, "persist", false)) {
        continue;
      }
      const auto* fields = object->if_contains("fields");
      if (fields == nullptr || !fields->is_object()) continue;
      for (const auto& [name, unused] : fields->get_object()) {
        names.insert(std::string(std::string_view(name).substr(0, name.find('.'))));
      }
    }
  }
  return names;
}

json::object block_without_generated(const Context& context, const catalog::Service& service) {
  json::object own = context.config->block(context.block);
  const json::value* base = jsonx::find(context.config->base(), context.block.path);
  for (const std::string& name : generated_members(service)) {
    const json::value* user =
        base != nullptr && base->is_object() ? base->get_object().if_contains(name) : nullptr;
    if (user != nullptr) {
      own[name] = *user;
    } else if (own.contains(name)) {
      own.stable_erase(own.find(name));
    }
  }
  return own;
}

json::value as_value(std::string_view text) {
  return json::value(json::string(text));
}

}  // namespace

Error failure(Failure code, std::string message) {
  return {make_error_code(code), std::move(message)};
}

std::string text_of(const json::value& value) {
  return jsonx::scalar_text(value);
}

Scope::Scope(const Context& context, const catalog::Service& service, Facts& facts)
    : context_(context), service_(service), facts_(facts), own_(block_without_generated(context, service)) {}

const json::object* Scope::block_of(std::string_view key) const {
  const json::object* first = nullptr;
  for (const config::BlockRef* ref : context_.config->of_key(key)) {
    if (first == nullptr || (ref->enabled && !jsonx::bool_at(*first, "enabled", false))) {
      first = &context_.config->block(*ref);
    }
  }
  return first;
}

std::optional<json::value> Scope::other_service(std::string_view name) const {
  if (name.starts_with("postgres_")) {
    const json::object* block = block_of("postgres");
    const json::value* found = block == nullptr ? nullptr : block->if_contains(name.substr(9));
    return found == nullptr ? std::optional<json::value>() : *found;
  }
  for (const catalog::Service& service : context_.catalog->services()) {
    for (const std::string& prefix : {service.config_path, service.key}) {
      if (!name.starts_with(prefix) || name.size() <= prefix.size() || name[prefix.size()] != '.') continue;
      const json::object* block = block_of(service.key);
      if (block == nullptr) continue;
      if (const json::value* found = catalog::member(*block, name.substr(prefix.size() + 1))) return *found;
    }
  }
  return std::nullopt;
}

std::optional<json::value> Scope::endpoint(std::string_view name) const {
  const std::size_t colon = name.find(':');
  const std::string_view which = name.substr(0, colon);
  const auto variable = context_.environment.find("DUMB_ENDPOINT_" + text::upper(which));
  std::string url = variable != context_.environment.end() && !text::blank(variable->second)
                        ? variable->second
                        : jsonx::string_at(context_.catalog->endpoints(), which);
  if (colon != std::string_view::npos) url = text::replace_all(url, "{app}", name.substr(colon + 1));
  return as_value(url);
}

std::optional<json::value> Scope::install_context(std::string_view name) {
  if (name == "install.root") {
    const auto* root = service_.install.if_contains("root");
    if (root == nullptr) return std::nullopt;
    auto expanded = expand(*root);
    return expanded ? std::optional(std::move(*expanded)) : std::nullopt;
  }
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> members{
      {{"deb_arch", "deb"}, {"arr_arch", "arr"}, {"plex_build", "plex"}}};
  const std::string machine = facts_.machine();
  for (const auto& [arch, data] : context_.catalog->architectures()) {
    const auto* names = data.as_object().if_contains("uname");
    bool matches = false;
    for (const json::value& uname : names->as_array()) matches |= text_of(uname) == machine;
    if (!matches) continue;
    if (name == "arch") return as_value(arch);
    for (const auto& [placeholder, member] : members) {
      if (name == placeholder) return data.as_object().at(member);
    }
  }
  return std::nullopt;
}

std::optional<json::value> Scope::lookup(std::string_view name) {
  if (name == "each") return each_;
  if (name.starts_with("var.")) {
    const json::value* found = catalog::member(vars_, name.substr(4));
    return found == nullptr ? json::value(nullptr) : *found;
  }
  if (const auto computed = values.find(name); computed != values.end()) {
    auto value = computed->second();
    if (value) return std::move(*value);
    if (!error_) error_ = value.error();
    return json::value(nullptr);
  }
  if (const json::value* found = catalog::member(own_, name)) return *found;
  if (name == "instance") return as_value(context_.block.instance);
  if (name == "slug") return as_value(text::slug(context_.block.instance));
  if (name == "process_name") return as_value(context_.block.process_name);
  if (name == "random.hex16") return as_value(text::hex_encode(facts_.random_bytes(16)));
  if (name.starts_with("endpoint.")) return endpoint(name.substr(9));
  if (auto found = other_service(name)) return found;
  if (const json::value* found = catalog::member(context_.config->effective(), name)) return *found;
  if (auto found = install_context(name)) return found;
  return json::value(nullptr);
}

Result<json::value> Scope::expand(const json::value& expression) {
  auto outer = std::exchange(error_, std::nullopt);  // a computed value may expand in turn
  const catalog::Lookup look = [this](std::string_view name) { return lookup(name); };
  const catalog::Filter filter = [this](std::string_view text,
                                        const json::value& input) -> Result<json::value> {
    const auto found = filters.find(text);
    if (found != filters.end()) return found->second(input);
    return failure(Failure::not_installed, fmt::format("this build has no model {}", text));
  };
  auto value = catalog::expand(expression, look, filter);
  const auto mine = std::exchange(error_, std::move(outer));
  if (mine) return *mine;
  if (!value && value.error().is(Errc::invalid_argument))
    return failure(Failure::bad_value, value.error().message());
  return value;
}

Result<std::string> Scope::text(const json::value& expression) {
  auto value = expand(expression);
  if (!value) return value.error();
  return text_of(*value);
}

fs::path Scope::mapped(std::string_view configured) const {
  return context_.root.map(fs::path(configured));
}

fs::path Scope::map(std::string_view written, const fs::path& expanded) {
  if (context_.root.contains(expanded) && !context_.root.is_identity()) return expanded;
  for (const std::string_view host : {"/bin", "/etc", "/tmp"}) {
    if (written.starts_with(host) && lies_below(expanded, fs::path(host))) return context_.host.map(expanded);
  }
  if (written.starts_with("/usr") && lies_below(expanded, "/usr")) {
    const fs::path beneath = context_.root.map(expanded);
    return facts_.exists(beneath) ? beneath : context_.host.map(expanded);
  }
  return context_.root.map(expanded);
}

Result<fs::path> Scope::path(const json::value& expression) {
  const std::string written = text_of(expression);
  for (const catalog::Placeholder& part : catalog::placeholders(written)) {
    auto value = expand(as_value(written.substr(part.begin, part.end - part.begin)));
    if (!value) return value.error();
    if (catalog::is_blank(*value)) return failure(Failure::missing_field, part.name + " must be set");
  }
  auto expanded = text(expression);
  if (!expanded) return expanded.error();
  if (text::blank(*expanded)) return failure(Failure::missing_field, "a path is blank");
  if (expanded->find('\0') != std::string::npos)
    return failure(Failure::bad_value, "a path holds a NUL character");
  return map(written, fs::path(*expanded).lexically_normal());
}

void Scope::assign(std::string_view name, json::value value) {
  const bool variable = name.starts_with("var.");
  if (variable) name.remove_prefix(4);
  jsonx::set(variable ? vars_ : own_, text::split(name, '.'), std::move(value));
}

}  // namespace dumb::setup
