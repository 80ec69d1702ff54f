#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>

#include "setup/edits.hpp"
#include "setup/scope.hpp"
#include "setup/xml.hpp"
#include "setup/xml_tree.hpp"

namespace dumb::setup::xml {
namespace {

/// A path taken apart: "/Root/Elem" or "/Root/@attr".
struct Place {
  std::vector<std::string> elements;
  std::string attribute;
};

Error no_path(std::string_view path) {
  return failure(Failure::bad_value,
                 fmt::format("\"{}\" must look like /Root/Element or /Root/@attribute", path));
}

Result<Place> place_of(std::string_view path) {
  Place place;
  if (!path.starts_with('/')) return no_path(path);
  place.elements = text::split(path.substr(1), '/');
  if (place.elements.back().starts_with('@')) {
    place.attribute = place.elements.back().substr(1);
    place.elements.pop_back();
  }
  if (place.elements.empty() || place.elements.front().empty()) return no_path(path);
  return place;
}

/// The element at the first `depth` names of the place; nullopt when there is none.
std::optional<std::size_t> find(const std::vector<Element>& elements, const Place& place, std::size_t depth) {
  std::size_t at = 0;
  for (std::size_t level = 1; level < depth; ++level) {
    std::size_t next = at + 1;
    while (next < elements.size() &&
           (elements[next].parent != at || elements[next].name != place.elements[level]))
      ++next;
    if (next >= elements.size()) return std::nullopt;
    at = next;
  }
  return at;
}

std::string indent_before(std::string_view text, std::size_t at) {
  const std::size_t line = text.rfind('\n', at == 0 ? 0 : at - 1);
  const std::size_t begin = line == std::string_view::npos ? 0 : line + 1;
  const std::string_view blanks = text.substr(begin, at - begin);
  return text::blank(blanks) ? std::string(blanks) : std::string();
}

std::string element_text(std::string_view name, std::string_view value) {
  return value.empty() ? fmt::format("<{} />", name) : fmt::format("<{0}>{1}</{0}>", name, escape(value));
}

/// The text with a new last child in `parent`.
std::string with_child(std::string text, const std::vector<Element>& elements, std::size_t parent,
                       const std::string& child) {
  const Element& into = elements[parent];
  const std::string newline = text.find("\r\n") == std::string::npos ? "\n" : "\r\n";
  const std::string outer = indent_before(text, into.begin);
  if (into.self_closing) {
    const std::size_t slash = text.rfind('/', into.open_end);
    const std::string head(text::trim(std::string_view(text).substr(into.begin, slash - into.begin)));
    return text.replace(
        into.begin, into.end - into.begin,
        fmt::format("{}>{}{}  {}{}{}</{}>", head, newline, outer, child, newline, outer, into.name));
  }
  std::string inner = outer + "  ";
  for (std::size_t i = parent + 1; i < elements.size(); ++i) {
    if (elements[i].parent != parent) continue;
    inner = indent_before(text, elements[i].begin);
    break;
  }
  // Behind the last thing that is no blank, so that the end tag keeps its own indentation.
  std::size_t at = into.close_begin;
  while (at > into.open_end && (text[at - 1] == ' ' || text[at - 1] == '\t')) --at;
  const bool own_line = at > into.open_end && text[at - 1] == '\n';
  if (own_line) return text.insert(at, inner + child + newline);
  return text.insert(into.close_begin, newline + inner + child + newline + outer);
}

std::string with_value(std::string text, const Element& element, const std::string& value) {
  if (element.self_closing)
    return text.replace(element.begin, element.end - element.begin, element_text(element.name, value));
  return text.replace(element.open_end, element.close_begin - element.open_end, escape(value));
}

std::string with_attribute(std::string text, const Element& element, const std::string& name,
                           const std::string& value) {
  for (const Attribute& attribute : element.attributes) {
    if (attribute.name == name)
      return text.replace(attribute.begin, attribute.end - attribute.begin, escape(value));
  }
  const std::size_t at = element.attributes.empty() ? element.begin + 1 + element.name.size()
                                                    : element.attributes.back().end + 1;
  return text.insert(at, fmt::format(" {}=\"{}\"", name, escape(value)));
}

std::string inner_text(std::string_view text, const Element& element) {
  const std::string inner = decode(text.substr(element.open_end, element.close_begin - element.open_end));
  return std::string(text::trim(inner));
}

std::optional<std::string> value_in(std::string_view text, const std::vector<Element>& elements,
                                    const Place& place) {
  const auto at = find(elements, place, place.elements.size());
  if (!at) return std::nullopt;
  if (place.attribute.empty()) return inner_text(text, elements[*at]);
  for (const Attribute& attribute : elements[*at].attributes) {
    if (attribute.name == place.attribute)
      return decode(text.substr(attribute.begin, attribute.end - attribute.begin));
  }
  return std::nullopt;
}

Result<std::string> set_one(std::string text, const Setting& setting) {
  const auto place = place_of(setting.path);
  if (!place) return place.error();
  for (;;) {
    const auto elements = parse(text);
    if (!elements) return elements.error();
    if (elements->front().name != place->elements.front())
      return bad_file(1, 1, "the root element must be " + place->elements.front());
    const auto present = value_in(text, *elements, *place);
    const bool same = present && (*present == setting.value ||
                                  (setting.ignore_case && text::iequals(*present, setting.value)));
    if (same || (setting.if_blank && present && !text::blank(*present))) return text;
    // The deepest part of the path that is there; what is missing below it is made one by one.
    std::size_t depth = place->elements.size();
    while (depth > 1 && !find(*elements, *place, depth)) --depth;
    const std::size_t at = *find(*elements, *place, depth);
    if (depth < place->elements.size()) {
      const bool leaf = depth + 1 == place->elements.size() && place->attribute.empty();
      text = with_child(std::move(text), *elements, at,
                        element_text(place->elements[depth], leaf ? setting.value : std::string()));
      if (leaf) return text;
      continue;
    }
    const Element& element = (*elements)[at];
    return place->attribute.empty()
               ? with_value(std::move(text), element, setting.value)
               : with_attribute(std::move(text), element, place->attribute, setting.value);
  }
}

/// Sets the port in those of `names` that exist, or adds those of `otherwise`.
Result<std::string> set_ports(std::string_view text, std::string_view root,
                              const std::vector<std::string>& names,
                              const std::vector<std::string>& otherwise, int port) {
  std::vector<Setting> settings;
  const auto path = [&](const std::string& name) { return fmt::format("/{}/{}", root, name); };
  for (const std::string& name : names) {
    const auto present = value(text, path(name));
    if (!present) return present.error();
    if (*present) settings.push_back({path(name), std::to_string(port)});
  }
  if (settings.empty()) {
    for (const std::string& name : otherwise) settings.push_back({path(name), std::to_string(port)});
  }
  return edit(text, settings);
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Result<std::string> edit(std::string_view text, const std::vector<Setting>& settings) {
  std::string edited(text);
  for (const Setting& setting : settings) {
    auto next = set_one(std::move(edited), setting);
    if (!next) return next;
    edited = std::move(*next);
  }
  return edited;
}

Result<std::optional<std::string>> value(std::string_view text, std::string_view path) {
  const auto place = place_of(path);
  if (!place) return place.error();
  const auto elements = parse(text);
  if (!elements) return elements.error();
  if (elements->front().name != place->elements.front()) return std::optional<std::string>();
  return value_in(text, *elements, *place);
}

Result<std::optional<std::string>> attribute_of_any(std::string_view text, std::string_view element,
                                                    std::string_view attribute) {
  const auto elements = parse(text);
  if (!elements) return elements.error();
  for (const Element& candidate : *elements) {
    if (candidate.name != element) continue;
    for (const Attribute& found : candidate.attributes) {
      if (found.name == attribute)
        return std::optional(decode(text.substr(found.begin, found.end - found.begin)));
    }
    return std::optional(std::string());
  }
  return std::optional<std::string>();
}

Result<std::optional<std::string>> text_of_any(std::string_view text, std::string_view element) {
  const auto elements = parse(text);
  if (!elements) return elements.error();
  for (const Element& candidate : *elements) {
    if (candidate.name == element) return std::optional(inner_text(text, candidate));
  }
  return std::optional<std::string>();
}

Result<std::string> jellyfin_network(std::string_view text, int port) {
  if (!text.empty()) {
    return set_ports(text, "NetworkConfiguration",
                     {"HttpServerPortNumber", "PublicPort", "HttpPort", "InternalHttpPort", "PublicHttpPort"},
                     {"InternalHttpPort", "PublicHttpPort"}, port);
  }
  const std::string number = std::to_string(port);
  const std::array<std::pair<const char*, std::string>, 22> members{{
      {"BaseUrl", ""},
      {"EnableHttps", "false"},
      {"RequireHttps", "false"},
      {"CertificatePath", ""},
      {"CertificatePassword", ""},
      {"InternalHttpPort", number},
      {"InternalHttpsPort", "8920"},
      {"PublicHttpPort", number},
      {"PublicHttpsPort", "8920"},
      {"AutoDiscovery", "true"},
      {"EnableUPnP", "false"},
      {"EnableIPv4", "true"},
      {"EnableIPv6", "false"},
      {"EnableRemoteAccess", "true"},
      {"LocalNetworkSubnets", ""},
      {"LocalNetworkAddresses", ""},
      {"KnownProxies", ""},
      {"IgnoreVirtualInterfaces", "true"},
      {"VirtualInterfaceNames", "veth"},
      {"EnablePublishedServerUriByRequest", "false"},
      {"PublishedServerUriBySubnet", ""},
      {"RemoteIPFilter", ""},
  }};
  std::string out = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<NetworkConfiguration>\n";
  for (const auto& [name, value] : members) {
    if (value == "veth") {
      out += fmt::format("  <{0}>\n    <string>{1}</string>\n  </{0}>\n", name, value);
    } else {
      out += "  " + element_text(name, value) + "\n";
    }
  }
  return out + "  <IsRemoteIPFilterBlacklist>false</IsRemoteIPFilterBlacklist>\n</NetworkConfiguration>\n";
}

Result<std::string> emby_system(std::string_view text, int port) {
  return set_ports(text, "ServerConfiguration", {"HttpServerPortNumber", "PublicPort", "HttpPort"},
                   {"HttpServerPortNumber", "PublicPort"}, port);
}

}  // namespace dumb::setup::xml
