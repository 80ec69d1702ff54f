#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/http/client.hpp>
#include <dumb/supervisor/readiness.hpp>
#include <dumb/supervisor/resolve.hpp>

#include "base/line_regex.hpp"

namespace dumb::supervisor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{10};
constexpr std::size_t most_status = 200;

const json::object empty_object;

const json::object& object_of(const json::value& value) {
  return value.is_object() ? value.get_object() : empty_object;
}

std::optional<std::int64_t> number_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return static_cast<std::int64_t>(value->to_number<double>());
}

/// Reads one `readiness` object; every text of it goes through `expand`.
class Reader {
 public:
  Reader(const json::object& block, const json::object& own, const Root& root, const Expand& expand)
      : block_(block), own_(own), root_(root), expand_(expand) {}

  Result<Readiness> run() {
    auto how = read_how();
    if (!how) return how.error();
    Readiness out;
    out.how = std::move(*how);
    read(out.initial_delay, "initial_delay_ms");
    read(out.period, "period_ms");
    read(out.timeout, "timeout_ms");
    read(out.start_timeout, "start_timeout_ms");
    if (const auto count = number_at(own_, "success_threshold"))
      out.success_threshold = static_cast<int>(*count);
    if (const auto count = number_at(own_, "failure_threshold"))
      out.failure_threshold = static_cast<int>(*count);
    return out;
  }

 private:
  void read(milliseconds& target, std::string_view key) const {
    if (const auto count = number_at(own_, key)) target = milliseconds(*count);
  }
  static Error fault(std::string message) {
    return Error(Errc::invalid_config, "readiness " + std::move(message));
  }

  const json::value* given(std::string_view kind) const {
    const json::value* value = own_.if_contains(kind);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  Result<readiness::How> read_how() {
    if (const json::value* value = given("http")) return read_http(*value);
    if (const json::value* value = given("tcp")) return read_tcp(*value);
    if (const json::value* value = given("exec")) return read_exec(*value);
    if (const json::value* value = given("log_line")) return read_log_line(*value);
    if (const json::value* value = given("mount")) return read_mount(*value);
    if (given("notify") != nullptr) return readiness::How(readiness::Notify());
    return fault("has no way to tell it");
  }

  Result<std::string> text(const json::value& value, std::string_view key) {
    if (const auto* plain = value.if_string()) return expand_(std::string_view(*plain));
    return expand_(jsonx::string_at(object_of(value), key));
  }
  /// The port given, else the block's; fails when neither is one.
  Result<std::uint16_t> port(const json::object& given) {
    const std::int64_t number = number_at(given, "port").value_or(number_at(block_, "port").value_or(0));
    if (number < 1 || number > 65535) return fault("has no port between 1 and 65535");
    return static_cast<std::uint16_t>(number);
  }
  Result<std::string> host(const json::object& given) {
    return expand_(jsonx::string_at(given, "host", "127.0.0.1"));
  }

  Result<readiness::How> read_http(const json::value& value) {
    const json::object& given = object_of(value);
    std::string url;
    if (value.is_string() || given.contains("url")) {
      auto expanded = text(value, "url");
      if (!expanded) return expanded.error();
      url = std::move(*expanded);
    } else {
      auto name = host(given);
      auto number = port(given);
      auto path = text(value, "path");
      if (!name) return name.error();
      if (!number) return number.error();
      if (!path) return path.error();
      const bool v6 = name->find(':') != std::string::npos && !name->starts_with('[');
      url = "http://" + (v6 ? "[" + *name + "]" : *name) + ":" + std::to_string(*number);
      url += (path->starts_with('/') ? "" : "/") + *path;
    }
    const auto parsed = http::parse_url(url);
    if (!parsed) return fault(parsed.error().message());
    if (parsed->scheme != "http") return fault("must be asked over http, https is not supported");
    return readiness::How(readiness::Http{std::move(url)});
  }

  Result<readiness::How> read_tcp(const json::value& value) {
    json::object given = object_of(value);
    if (value.is_number()) given["port"] = value;
    auto name = host(given);
    auto number = port(given);
    if (!name) return name.error();
    if (!number) return number.error();
    return readiness::How(readiness::Tcp{std::move(*name), *number});
  }

  Result<readiness::How> read_exec(const json::value& value) {
    std::vector<std::string> words;
    if (const auto* line = value.if_string()) {
      auto split = text::shell_words(std::string_view(*line));
      if (!split) return fault("exec: " + split.error().message());
      words = std::move(*split);
    } else if (const auto* list = value.if_array()) {
      for (const json::value& word : *list) words.push_back(jsonx::scalar_text(word));
    }
    const std::vector<std::string> paths = own_paths(block_);
    for (std::string& word : words) {
      auto expanded = expand_(word);
      if (!expanded) return expanded.error();
      word = map_argument(*expanded, paths, root_);
    }
    if (words.empty() || text::blank(words.front())) return fault("exec has no command");
    return readiness::How(readiness::Exec{std::move(words)});
  }

  Result<readiness::How> read_log_line(const json::value& value) {
    // A pattern is taken as it stands: braces mean something else there.
    const json::object& given = object_of(value);
    readiness::LogLine line;
    line.regex = given.contains("regex");
    line.pattern = value.is_string() ? std::string(value.get_string())
                                     : jsonx::string_at(given, line.regex ? "regex" : "text");
    if (line.pattern.empty()) return fault("log_line is empty");
    if (line.regex && !LineRegex::compile(line.pattern)) return fault("log_line is no regular expression");
    return readiness::How(std::move(line));
  }

  Result<readiness::How> read_mount(const json::value& value) {
    auto path = text(value, "path");
    if (!path) return path.error();
    if (!path->starts_with('/')) return fault("mount is no absolute path");
    return readiness::How(readiness::Mount{root_.map(std::filesystem::path(*path)), *path});
  }

  const json::object& block_;
  const json::object& own_;
  const Root& root_;
  const Expand& expand_;
};

/// A status line as it may be shown.
std::string shown_status(std::string_view raw) {
  constexpr std::size_t longest_character = 4;
  std::string text = text::to_utf8(raw.substr(0, most_status + longest_character - 1));
  if (text.size() > most_status) {
    std::size_t size = most_status;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    text.resize(size);
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return std::string(text::trim(text));
}

}  // namespace

Result<std::optional<Readiness>> readiness_of(const json::object& block, const Root& root,
                                              const Expand& expand) {
  const json::value* own = block.if_contains("readiness");
  if (own == nullptr || own->is_null()) return std::optional<Readiness>();
  auto read = Reader(block, object_of(*own), root, expand).run();
  if (!read) return read.error();
  return std::optional<Readiness>(std::move(*read));
}

ReadinessTracker::ReadinessTracker(const Readiness& settings)
    : period_(settings.period),
      pause_(std::min(first_pause, settings.period)),
      success_threshold_(settings.success_threshold),
      failure_threshold_(settings.failure_threshold) {}

std::optional<ReadinessState> ReadinessTracker::on(bool good, std::string answer) {
  ReadinessState next = state_;
  if (good) {
    failures_ = 0;
    successes_ = std::min(successes_ + 1, success_threshold_);
    if (successes_ == success_threshold_) next = {true, {}};
  } else {
    successes_ = 0;
    failures_ = std::min(failures_ + 1, failure_threshold_);
    if (!state_.ready || failures_ == failure_threshold_) next = {false, std::move(answer)};
  }
  if (next == state_) return std::nullopt;
  was_ready_ = was_ready_ || next.ready;
  state_ = std::move(next);
  return state_;
}

milliseconds ReadinessTracker::next_pause() {
  if (was_ready_) return period_;
  const milliseconds now = pause_;
  pause_ = std::min(pause_ * 3 / 2, period_);
  return now;
}

Notification parse_notification(std::string_view datagram) {
  Notification out;
  for (const std::string& line : text::split(datagram, '\n')) {
    if (line == "READY=1") out.ready = true;
    if (line == "STOPPING=1") out.stopping = true;
    if (line.starts_with("STATUS=")) out.status = shown_status(std::string_view(line).substr(7));
  }
  return out;
}

LineMatcher line_matcher(const readiness::LogLine& wanted) {
  if (!wanted.regex) {
    return
        [text = wanted.pattern](std::string_view line) { return line.find(text) != std::string_view::npos; };
  }
  auto regex = LineRegex::compile(wanted.pattern);
  if (!regex) return [](std::string_view) { return false; };
  return [regex = std::move(*regex)](std::string_view line) {
    try {
      return regex.found_in(line);
    } catch (const std::exception&) {
      return false;  // too complex for this line
    }
  };
}

}  // namespace dumb::supervisor
