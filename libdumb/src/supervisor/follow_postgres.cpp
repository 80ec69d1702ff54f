#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/resolve.hpp>

namespace dumb::supervisor {
namespace {

struct Part {
  std::string key;
  std::string value;
};

/// Splits `Key=Value;…`; a quoted value may hold semicolons, its quotes doubled inside.
std::vector<Part> split_parts(std::string_view text) {
  std::vector<Part> parts;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) break;
    Part part{std::string(text::trim(text.substr(at, equals - at))), {}};
    at = equals + 1;
    if (at < text.size() && (text[at] == '\'' || text[at] == '"')) {
      const char quote = text[at++];
      for (; at < text.size(); ++at) {
        if (text[at] == quote) {
          if (at + 1 >= text.size() || text[at + 1] != quote) break;
          ++at;
        }
        part.value += text[at];
      }
      at = text.find(';', at);
    } else {
      const std::size_t end = text.find(';', at);
      part.value = std::string(text::trim(text.substr(at, end == std::string_view::npos ? end : end - at)));
      at = end;
    }
    if (!part.key.empty()) parts.push_back(std::move(part));
    if (at == std::string_view::npos) break;
    ++at;
  }
  return parts;
}

std::string quoted(const std::string& value) {
  if (value.find_first_of(";='\" ") == std::string::npos) return value;
  return "\"" + text::replace_all(value, "\"", "\"\"") + "\"";
}

std::string member(const json::object& postgres, std::string_view name) {
  const json::value* value = postgres.if_contains(name);
  return value == nullptr ? std::string() : jsonx::scalar_text(*value);
}

std::string host_of(const json::object& postgres) {
  const std::string host = member(postgres, "host");
  return host.empty() || host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host;
}

}  // namespace

std::string follow_postgres_in_connection_string(std::string_view value, std::string_view database,
                                                 const json::object& postgres) {
  std::vector<Part> parts = split_parts(value);
  for (const Part& part : parts) {
    if (text::iequals(part.key, "Database") && part.value != database) return std::string(value);
  }
  const std::vector<Part> wanted{{"Host", host_of(postgres)},
                                 {"Port", member(postgres, "port")},
                                 {"Username", member(postgres, "user")},
                                 {"Password", member(postgres, "password")}};
  for (const Part& want : wanted) {
    bool found = false;
    for (Part& part : parts) {
      if (!text::iequals(part.key, want.key)) continue;
      part.value = want.value;
      found = true;
    }
    if (!found) parts.push_back(want);
  }
  std::string out;
  for (const Part& part : parts) out += part.key + "=" + quoted(part.value) + ";";
  return out;
}

std::string follow_postgres_in_url(std::string_view value, const json::object& postgres) {
  const std::size_t colon = value.find("://");
  if (colon == std::string_view::npos) return std::string(value);
  const std::string_view scheme = value.substr(0, colon);
  if (scheme != "postgres" && scheme != "postgresql" && scheme != "postgresql+psycopg2")
    return std::string(value);
  const std::string_view rest = value.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  const std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  std::string host = host_of(postgres);
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return std::string(scheme) + "://" + text::percent_encode(member(postgres, "user")) + ":" +
         text::percent_encode(member(postgres, "password")) + "@" + host + ":" + member(postgres, "port") +
         std::string(path);
}

}  // namespace dumb::supervisor
