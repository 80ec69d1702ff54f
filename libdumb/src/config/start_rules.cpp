#include "config/start_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/text.hpp>
#include <initializer_list>

#include "base/line_regex.hpp"

namespace dumb::config {
namespace {

constexpr std::array<std::string_view, 6> kinds{"http", "tcp", "exec", "log_line", "notify", "mount"};
constexpr std::array<std::string_view, 3> conditions{"started", "healthy", "completed_successfully"};

struct Range {
  std::string_view name;
  std::int64_t least;
  std::int64_t most;
};
constexpr std::int64_t hour = 3'600'000;
constexpr std::array<Range, 6> settings{{{"initial_delay_ms", 0, hour},
                                         {"period_ms", 10, hour},
                                         {"timeout_ms", 1, hour},
                                         {"success_threshold", 1, 1000},
                                         {"failure_threshold", 1, 1000},
                                         {"start_timeout_ms", 1, 24 * hour}}};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// Walks a value and notes faults at the place where it stands.
class Walk {
 public:
  Walk(JsonPath path, schema::Faults& faults) : path_(std::move(path)), faults_(faults) {}

  void fault(std::string message) { faults_.push_back({path_, std::move(message)}); }
  template <class Visit>
  void at(std::string_view step, Visit visit) {
    path_.emplace_back(step);
    visit();
    path_.pop_back();
  }
  /// Visits a member that is there.
  template <class Visit>
  bool member(const json::object& object, std::string_view key, Visit visit) {
    const json::value* value = object.if_contains(key);
    if (value != nullptr) at(key, [&] { visit(*value); });
    return value != nullptr;
  }
  void no_others(const json::object& object, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object) {
      const std::string_view name = key;
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        at(name, [&] { fault("is not known here"); });
      }
    }
  }
  void number(const json::value& value, std::int64_t least, std::int64_t most) {
    const double count = value.is_number() ? value.to_number<double>() : 0.5;
    const bool whole = std::trunc(count) == count;
    if (!whole) return fault("must be an integer");
    if (count < static_cast<double>(least) || count > static_cast<double>(most)) {
      fault(fmt::format("must be between {} and {}, is {}", least, most, jsonx::scalar_text(value)));
    }
  }
  /// A string that says something; false when it is none.
  bool filled(const json::value& value) {
    const bool good = value.is_string() && !text::blank(value.get_string());
    if (!good) fault(value.is_string() ? "must not be empty" : "must be a string");
    return good;
  }

 private:
  JsonPath path_;
  schema::Faults& faults_;
};

class ReadinessCheck {
 public:
  ReadinessCheck(const json::object& block, Walk& walk) : block_(block), walk_(walk) {}

  void run(const json::object& own) {
    std::string_view first;
    for (const auto& [key, value] : own) {
      const std::string_view name = key;
      if (value.is_null()) continue;  // as if it were not there, so that an update can take it out
      walk_.at(name, [&] {
        const auto* range = std::find_if(settings.begin(), settings.end(),
                                         [&](const Range& one) { return one.name == name; });
        if (range != settings.end()) return walk_.number(value, range->least, range->most);
        if (!contains(kinds, name)) return walk_.fault("is not known here");
        if (!first.empty()) {
          return walk_.fault(
              fmt::format("must not stand beside \"{}\": one way to tell readiness is given", first));
        }
        first = name;
        kind(name, value);
      });
    }
    if (first.empty()) {
      walk_.fault("has no way to tell readiness; it is one of http, tcp, exec, log_line, notify, mount");
    }
  }

 private:
  void kind(std::string_view name, const json::value& value) {
    if (name == "http") return http(value);
    if (name == "tcp") return tcp(value);
    if (name == "exec") return exec(value);
    if (name == "log_line") return log_line(value);
    if (name == "mount") return mount(value);
    if (!value.is_bool() || !value.get_bool()) walk_.fault("must be true");
  }

  void url(const json::value& value) {
    if (!walk_.filled(value)) return;
    const std::string_view text = value.get_string();
    if (!text::lower(text).starts_with("http://") || text.size() < 8) {
      walk_.fault("must be a URL that begins with http://");
      return;
    }
    const std::string_view authority = text.substr(7, text.find_first_of("/?#", 7) - 7);
    const std::size_t open = authority.find('[');
    const std::size_t close = authority.find(']');
    const std::string_view rest = close == std::string_view::npos ? "" : authority.substr(close + 1);
    const bool bracketed = open == 0 && close > 1 && close != std::string_view::npos &&
                           (rest.empty() || rest.front() == ':') && rest.find(']') == std::string_view::npos;
    if ((open != std::string_view::npos || close != std::string_view::npos) && !bracketed)
      walk_.fault("must be a URL whose IPv6 address stands in a pair of brackets");
  }
  /// The port of `given`, or else the block's.
  void port(const json::object& given) {
    const bool own =
        walk_.member(given, "port", [&](const json::value& value) { walk_.number(value, 1, 65535); });
    if (!own && !block_.contains("port")) walk_.fault("has no \"port\", and neither has the service");
    walk_.member(given, "host", [&](const json::value& value) { walk_.filled(value); });
  }
  void http(const json::value& value) {
    const auto* given = value.if_object();
    if (given == nullptr) {
      if (!value.is_string()) return walk_.fault("must be a string or an object");
      return url(value);
    }
    if (walk_.member(*given, "url", [&](const json::value& text) { url(text); })) {
      return walk_.no_others(*given, {"url"});
    }
    walk_.no_others(*given, {"path", "port", "host"});
    if (!walk_.member(*given, "path", [&](const json::value& text) { walk_.filled(text); })) {
      walk_.fault("has neither \"url\" nor \"path\"");
    }
    port(*given);
  }
  void tcp(const json::value& value) {
    if (value.is_number()) return walk_.number(value, 1, 65535);
    const auto* given = value.if_object();
    if (given == nullptr) return walk_.fault("must be an integer or an object");
    walk_.no_others(*given, {"port", "host"});
    port(*given);
  }
  void exec(const json::value& value) {
    if (const auto* line = value.if_string()) {
      const auto words = text::shell_words(std::string_view(*line));
      if (!words) {
        walk_.fault("must be a command: " + words.error().message());
      } else if (words->empty() || text::blank(words->front())) {
        walk_.fault("must not be empty");
      }
      return;
    }
    const auto* words = value.if_array();
    if (words == nullptr) return walk_.fault("must be a list or a string");
    for (std::size_t i = 0; i < words->size(); ++i) {
      walk_.at(std::to_string(i), [&] {
        if (!(*words)[i].is_string()) walk_.fault("must be a string");
      });
    }
    const bool blank =
        words->empty() || (words->front().is_string() && text::blank(words->front().get_string()));
    if (blank) walk_.fault("must not be empty");
  }
  void log_line(const json::value& value) {
    const auto* given = value.if_object();
    if (given == nullptr) {
      if (!value.is_string()) return walk_.fault("must be a string or an object");
      walk_.filled(value);
      return;
    }
    const bool plain = walk_.member(*given, "text", [&](const json::value& text) { walk_.filled(text); });
    const bool regex = walk_.member(*given, "regex", [&](const json::value& text) {
      if (walk_.filled(text) && !LineRegex::compile(text.get_string())) {
        walk_.fault("must be a regular expression (ECMAScript, without back-references)");
      }
    });
    walk_.no_others(*given, {"text", "regex"});
    if (plain == regex) walk_.fault("must have either \"text\" or \"regex\"");
  }
  void mount(const json::value& value) {
    const auto path = [this](const json::value& text) {
      if (walk_.filled(text) && !std::string_view(text.get_string()).starts_with('/') &&
          !std::string_view(text.get_string()).starts_with('{')) {
        walk_.fault("must be an absolute path");
      }
    };
    const auto* given = value.if_object();
    if (given == nullptr) {
      if (!value.is_string()) return walk_.fault("must be a string or an object");
      return path(value);
    }
    walk_.no_others(*given, {"path"});
    if (!walk_.member(*given, "path", path)) walk_.fault("has no \"path\", which is required");
  }

  const json::object& block_;
  Walk& walk_;
};

Walk walk_to(const BlockRef& ref, std::string_view member, schema::Faults& faults) {
  JsonPath path = ref.path;
  path.emplace_back(member);
  return Walk(std::move(path), faults);
}

void check_dependency(const json::value& entry, const BlockRef& ref,
                      const std::set<std::string, std::less<>>& names, Walk& walk) {
  const auto name = [&](const json::value& value) {
    if (!walk.filled(value)) return;
    const std::string_view text = text::trim(std::string_view(value.get_string()));
    if (text == ref.process_name) {
      walk.fault("must not be the service itself");
    } else if (!names.contains(text)) {
      walk.fault(fmt::format("must be the name of a process, there is no \"{}\"", text));
    }
  };
  if (entry.is_string()) return name(entry);
  const auto* given = entry.if_object();
  if (given == nullptr) return walk.fault("must be a string or an object");
  walk.no_others(*given, {"process_name", "condition"});
  if (!walk.member(*given, "process_name", name)) walk.fault("has no \"process_name\", which is required");
  walk.member(*given, "condition", [&](const json::value& value) {
    if (!value.is_string() || !contains(conditions, std::string_view(value.get_string()))) {
      walk.fault("must be one of started, healthy, completed_successfully");
    }
  });
}

}  // namespace

void check_depends_on(const json::object& block, const BlockRef& ref,
                      const std::set<std::string, std::less<>>& names, schema::Faults& faults) {
  const json::value* value = block.if_contains("depends_on");
  const auto* list = value == nullptr ? nullptr : value->if_array();
  if (list == nullptr) return;  // null takes it away; the schema tells of anything else
  Walk walk = walk_to(ref, "depends_on", faults);
  for (std::size_t i = 0; i < list->size(); ++i) {
    walk.at(std::to_string(i), [&] { check_dependency((*list)[i], ref, names, walk); });
  }
}

void check_readiness(const json::object& block, const BlockRef& ref, schema::Faults& faults) {
  const json::value* value = block.if_contains("readiness");
  const auto* own = value == nullptr ? nullptr : value->if_object();
  if (own == nullptr) return;  // null takes it away; the schema tells of anything else
  Walk walk = walk_to(ref, "readiness", faults);
  ReadinessCheck(block, walk).run(*own);
}

}  // namespace dumb::config
