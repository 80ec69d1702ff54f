#include <algorithm>
#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <dumb/base/json.hpp>
#include <dumb/base/json_text.hpp>
#include <dumb/base/text.hpp>
#include <optional>
#include <utility>

namespace dumb::jsonx {
namespace {

std::string number_text(const json::value& value) {
  char buffer[40];
  char* end = buffer;
  if (value.is_int64()) {
    end = std::to_chars(buffer, buffer + sizeof buffer, value.get_int64()).ptr;
  } else if (value.is_uint64()) {
    end = std::to_chars(buffer, buffer + sizeof buffer, value.get_uint64()).ptr;
  } else {
    const double number = value.get_double();
    if (!std::isfinite(number)) return "null";  // JSON has no spelling for it
    end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
    std::string text(buffer, end);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
  }
  return {buffer, end};
}

/// Builds a value tree; numbers are converted from their text, so that every double is exact.
class Handler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  explicit Handler(NumberText* numbers) : numbers_(numbers) {}
  json::value take() { return std::move(root_); }

  bool on_document_begin(boost::system::error_code&) { return true; }
  bool on_document_end(boost::system::error_code&) { return true; }
  bool on_object_begin(boost::system::error_code&) {
    open(json::object());
    return true;
  }
  bool on_object_end(std::size_t, boost::system::error_code&) { return close(); }
  bool on_array_begin(boost::system::error_code&) {
    open(json::array());
    return true;
  }
  bool on_array_end(std::size_t, boost::system::error_code&) { return close(); }
  bool on_key_part(json::string_view part, std::size_t, boost::system::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, boost::system::error_code&) {
    text_.append(part.data(), part.size());
    stack_.back().key = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, boost::system::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, std::size_t, boost::system::error_code&) {
    text_.append(part.data(), part.size());
    put(json::string(std::exchange(text_, {})));
    return true;
  }
  bool on_number_part(json::string_view part, boost::system::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t number, json::string_view part, boost::system::error_code&) {
    return on_number(json::value(number), part);
  }
  bool on_uint64(std::uint64_t number, json::string_view part, boost::system::error_code&) {
    return on_number(json::value(number), part);
  }
  bool on_double(double number, json::string_view part, boost::system::error_code&) {
    const std::string text = text_ + std::string(part.data(), part.size());
    double exact = number;
    std::from_chars(text.data(), text.data() + text.size(), exact);
    return on_number(json::value(exact), part);
  }
  bool on_bool(bool value, boost::system::error_code&) {
    put(value);
    return true;
  }
  bool on_null(boost::system::error_code&) {
    put(nullptr);
    return true;
  }
  bool on_comment_part(json::string_view, boost::system::error_code&) { return true; }
  bool on_comment(json::string_view, boost::system::error_code&) { return true; }

 private:
  struct Level {
    json::value value;
    std::string key;  // name of the member being read, in an object
  };

  bool on_number(json::value value, json::string_view part) {
    text_.append(part.data(), part.size());
    const std::string text = std::exchange(text_, {});
    if (numbers_ != nullptr && text != number_text(value)) {
      JsonPath path;
      for (const Level& level : stack_) {
        path.push_back(level.value.is_array() ? std::to_string(level.value.get_array().size()) : level.key);
      }
      (*numbers_)[pointer(path)] = text;
    }
    put(std::move(value));
    return true;
  }
  void open(json::value value) { stack_.push_back({std::move(value), {}}); }
  bool close() {
    json::value value = std::move(stack_.back().value);
    stack_.pop_back();
    put(std::move(value));
    return true;
  }
  void put(json::value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (json::value& top = stack_.back().value; top.is_object()) {
      top.get_object().insert_or_assign(stack_.back().key, std::move(value));
    } else {
      top.get_array().push_back(std::move(value));
    }
  }

  NumberText* numbers_;
  json::value root_;
  std::vector<Level> stack_;
  std::string text_;
};

/// Builds the same tree when nobody asks how numbers are spelled, which lets it make each object and array at
/// once, of its final size.
class PlainHandler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  PlainHandler() { stack_.reset(); }
  json::value take() { return stack_.release(); }

  bool on_document_begin(boost::system::error_code&) { return true; }
  bool on_document_end(boost::system::error_code&) { return true; }
  bool on_object_begin(boost::system::error_code&) { return true; }
  bool on_object_end(std::size_t members, boost::system::error_code&) {
    stack_.push_object(members);
    return true;
  }
  bool on_array_begin(boost::system::error_code&) { return true; }
  bool on_array_end(std::size_t elements, boost::system::error_code&) {
    stack_.push_array(elements);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, boost::system::error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, boost::system::error_code&) {
    stack_.push_key(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, boost::system::error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, std::size_t, boost::system::error_code&) {
    stack_.push_string(part);
    return true;
  }
  bool on_number_part(json::string_view part, boost::system::error_code&) {
    number_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t number, json::string_view, boost::system::error_code&) {
    number_.clear();
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, json::string_view, boost::system::error_code&) {
    number_.clear();
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double number, json::string_view part, boost::system::error_code&) {
    number_.append(part.data(), part.size());
    double exact = number;
    std::from_chars(number_.data(), number_.data() + number_.size(), exact);
    number_.clear();
    stack_.push_double(exact);
    return true;
  }
  bool on_bool(bool value, boost::system::error_code&) {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(boost::system::error_code&) {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, boost::system::error_code&) { return true; }
  bool on_comment(json::string_view, boost::system::error_code&) { return true; }

 private:
  json::value_stack stack_;
  std::string number_;  // the parts so far of the number being read
};

std::string place_of(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::size_t line = 1;
  std::size_t start = 0;
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      ++line;
      start = i + 1;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(offset - start + 1);
}

/// The text of a string, escaped as it was if it is still the same.
std::string string_text(const json::string& string,
                        const std::map<std::string, std::string, std::less<>>* spelled,
                        const JsonPath& path) {
  if (spelled != nullptr) {
    if (const auto found = spelled->find(pointer(path)); found != spelled->end()) {
      const auto decoded = parse(found->second);
      if (decoded && decoded->is_string() && decoded->get_string() == string) return found->second;
    }
  }
  return json::serialize(string);
}

void print_to(std::string& out, const json::value& value, const NumberText* numbers, const Spelling* spelling,
              JsonPath& path) {
  const auto indent = [&](std::size_t depth) {
    out += '\n';
    out.append(depth * 4, ' ');
  };
  if (value.is_object() && !value.get_object().empty()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : value.get_object()) {
      if (!std::exchange(first, false)) out += ',';
      path.emplace_back(key);
      indent(path.size());
      out += string_text(key, spelling == nullptr ? nullptr : &spelling->keys, path);
      out += ": ";
      print_to(out, member, numbers, spelling, path);
      path.pop_back();
    }
    indent(path.size());
    out += '}';
  } else if (value.is_array() && !value.get_array().empty()) {
    out += '[';
    std::size_t index = 0;
    for (const json::value& element : value.get_array()) {
      if (index != 0) out += ',';
      path.push_back(std::to_string(index++));
      indent(path.size());
      print_to(out, element, numbers, spelling, path);
      path.pop_back();
    }
    indent(path.size());
    out += ']';
  } else if (value.is_number()) {
    std::string text = number_text(value);
    if (numbers != nullptr) {
      if (const auto spelled = numbers->find(pointer(path)); spelled != numbers->end()) {
        // Only when the member still holds the number that was spelled so.
        if (text::to_double(spelled->second) == text::to_double(text)) text = spelled->second;
      }
    }
    out += text;
  } else if (value.is_string()) {
    out += string_text(value.get_string(), spelling == nullptr ? nullptr : &spelling->strings, path);
  } else {
    out += json::serialize(value);
  }
}

const json::value* child(const json::value& value, const std::string& key) noexcept {
  if (const auto* object = value.if_object()) return object->if_contains(key);
  if (const auto* array = value.if_array()) {
    const auto index = text::to_int(key);
    if (index && *index >= 0) return array->if_contains(static_cast<std::size_t>(*index));
  }
  return nullptr;
}

}  // namespace

std::string pointer(const JsonPath& path) {
  std::string out;
  for (const std::string& step : path) {
    out += '/';
    for (const char c : step) {
      if (c == '~') {
        out += "~0";
      } else if (c == '/') {
        out += "~1";
      } else {
        out += c;
      }
    }
  }
  return out;
}

Result<JsonPath> parse_pointer(std::string_view pointer) {
  if (pointer.empty()) return JsonPath{};
  if (pointer.front() != '/') {
    return Error(Errc::invalid_argument, "a JSON pointer begins with '/'", std::string(pointer));
  }
  JsonPath path;
  for (const std::string& step : text::split(pointer.substr(1), '/')) {
    path.push_back(text::replace_all(text::replace_all(step, "~1", "/"), "~0", "~"));
  }
  return path;
}

namespace {

template <class Built, class... Arguments>
Result<json::value> parse_with(std::string_view text, std::size_t* fault_offset, Arguments... arguments) {
  const std::size_t mark = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  text.remove_prefix(mark);
  json::parse_options options;
  options.max_depth = 64;
  json::basic_parser<Built> parser(options, arguments...);
  boost::system::error_code error;
  std::size_t used = 0;
  if (!text.empty()) used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && !parser.done()) error = json::error::incomplete;
  if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    used = text.find_first_not_of(" \t\r\n", used);
    error = json::error::extra_data;
  }
  if (error) {
    if (fault_offset != nullptr) *fault_offset = mark + used;
    return Error(Errc::bad_json, place_of(text, used) + ": " + error.message());
  }
  return parser.handler().take();
}

}  // namespace

Result<json::value> parse(std::string_view text, NumberText* numbers, std::size_t* fault_offset) {
  if (numbers != nullptr) return parse_with<Handler>(text, fault_offset, numbers);
  return parse_with<PlainHandler>(text, fault_offset);
}

std::string print(const json::value& value, const NumberText* numbers) {
  std::string out;
  JsonPath path;
  print_to(out, value, numbers, nullptr, path);
  out += '\n';
  return out;
}

std::string print(const json::value& value, const Spelling& spelling) {
  std::string out;
  JsonPath path;
  print_to(out, value, &spelling.numbers, &spelling, path);
  out += '\n';
  return out;
}

void append_string(std::string& out, std::string_view text) {
  // Most strings hold nothing to escape, and need no serialiser.
  const bool plain = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7F;
  });
  if (plain) {
    out.append(1, '"').append(text).append(1, '"');
  } else {
    out += json::serialize(json::string_view(text.data(), text.size()));
  }
}

void append_compact(std::string& out, const json::value& value) {
  if (const auto* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, member] : *object) {
      if (!std::exchange(first, false)) out += ',';
      append_string(out, key);
      out += ':';
      append_compact(out, member);
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    bool first = true;
    for (const json::value& element : *array) {
      if (!std::exchange(first, false)) out += ',';
      append_compact(out, element);
    }
    out += ']';
  } else if (const auto* string = value.if_string()) {
    append_string(out, *string);
  } else if (value.is_number()) {
    out += number_text(value);
  } else {
    out += json::serialize(value);
  }
}

std::string print_compact(const json::value& value) {
  std::string out;
  append_compact(out, value);
  return out;
}

const json::value* find(const json::value& root, const JsonPath& path) noexcept {
  const json::value* at = &root;
  for (const std::string& step : path) {
    at = child(*at, step);
    if (at == nullptr) return nullptr;
  }
  return at;
}

const json::value* find(const json::object& root, const JsonPath& path) noexcept {
  if (path.empty()) return nullptr;
  const json::value* at = root.if_contains(path.front());
  for (std::size_t i = 1; at != nullptr && i < path.size(); ++i) at = child(*at, path[i]);
  return at;
}

void set(json::object& root, const JsonPath& path, json::value value) {
  if (path.empty()) return;
  json::object* at = &root;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    json::value& next = (*at)[path[i]];
    if (auto* array = next.if_array()) {
      const auto index = text::to_int(path[i + 1]);
      if (index && *index >= 0 && static_cast<std::size_t>(*index) < array->size()) {
        json::value& element = (*array)[static_cast<std::size_t>(*index)];
        if (i + 2 == path.size()) {
          element = std::move(value);
          return;
        }
        if (!element.is_object()) element = json::object();
        at = &element.get_object();
        ++i;
        continue;
      }
    }
    if (!next.is_object()) next = json::object();
    at = &next.get_object();
  }
  (*at)[path.back()] = std::move(value);
}

bool erase(json::object& root, const JsonPath& path) {
  if (path.empty()) return false;
  json::object* at = &root;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    json::value* next = at->if_contains(path[i]);
    if (next == nullptr || !next->is_object()) return false;
    at = &next->get_object();
  }
  const auto member = at->find(path.back());
  if (member == at->end()) return false;
  at->stable_erase(member);
  return true;
}

std::string string_at(const json::object& object, std::string_view key, std::string_view otherwise) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string(otherwise);
}

bool bool_at(const json::object& object, std::string_view key, bool otherwise) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

std::string scalar_text(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_null()) return {};
  return print_compact(value);
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? std::string() : scalar_text(*value);
}

bool same(const json::value& a, const json::value& b) noexcept {
  if (a.is_number() && b.is_number()) {
    if (a.is_double() || b.is_double()) return a.to_number<double>() == b.to_number<double>();
    return a == b;
  }
  if (a.is_object() && b.is_object()) {
    const json::object& x = a.get_object();
    const json::object& y = b.get_object();
    if (x.size() != y.size()) return false;
    for (const auto& [key, member] : x) {
      const json::value* other = y.if_contains(key);
      if (other == nullptr || !same(member, *other)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    const json::array& x = a.get_array();
    const json::array& y = b.get_array();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!same(x[i], y[i])) return false;
    }
    return true;
  }
  return a == b;
}

}  // namespace dumb::jsonx
