#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::codec {
namespace detail {

void add_fault(Faults& faults, std::string_view type, const json::array& loc, std::string msg,
               const json::value& input) {
  faults.push_back({std::string(type), loc, std::move(msg), input, nullptr});
}

json::array below(const json::array& loc, json::value step) {
  json::array longer = loc;
  longer.push_back(std::move(step));
  return longer;
}

bool is_empty(const json::value& value) noexcept {
  if (const auto* text = value.if_string()) return text->empty();
  if (const auto* array = value.if_array()) return array->empty();
  if (const auto* object = value.if_object()) return object->empty();
  return value.is_null();
}

bool decode_bool(const json::value& value, const json::array& loc, Faults& faults, bool& out) {
  if (value.is_bool()) {
    out = value.get_bool();
    return true;
  }
  if (value.is_number()) {
    const double number = value.to_number<double>();
    if (number == 0.0 || number == 1.0) {
      out = number == 1.0;
      return true;
    }
  } else if (value.is_string()) {
    if (const auto parsed = text::to_bool(std::string_view(value.get_string()))) {
      out = *parsed;
      return true;
    }
  } else {
    add_fault(faults, "bool_type", loc, "must be a boolean", value);
    return false;
  }
  add_fault(faults, "bool_parsing", loc, "must be a boolean, such as true or false", value);
  return false;
}

bool decode_int(const json::value& value, const json::array& loc, Faults& faults, std::int64_t& out) {
  if (value.is_int64()) {
    out = value.get_int64();
    return true;
  }
  if (value.is_double() && std::nearbyint(value.get_double()) == value.get_double() &&
      std::abs(value.get_double()) < 9.0e15) {
    out = static_cast<std::int64_t>(value.get_double());
    return true;
  }
  if (value.is_string()) {
    if (const auto parsed = text::to_int(text::trim(std::string_view(value.get_string())))) {
      out = *parsed;
      return true;
    }
    add_fault(faults, "int_parsing", loc, "must be an integer", value);
    return false;
  }
  add_fault(faults, "int_type", loc, "must be an integer", value);
  return false;
}

bool decode_double(const json::value& value, const json::array& loc, Faults& faults, double& out) {
  if (value.is_number()) {
    out = value.to_number<double>();
    return true;
  }
  if (value.is_string()) {
    if (const auto parsed = text::to_double(text::trim(std::string_view(value.get_string())))) {
      out = *parsed;
      return true;
    }
    add_fault(faults, "float_parsing", loc, "must be a number", value);
    return false;
  }
  add_fault(faults, "float_type", loc, "must be a number", value);
  return false;
}

bool decode_string(const json::value& value, const json::array& loc, Faults& faults, std::string& out) {
  if (!value.is_string()) {
    add_fault(faults, "string_type", loc, "must be a string", value);
    return false;
  }
  out.assign(value.get_string().data(), value.get_string().size());
  return true;
}

}  // namespace detail

std::vector<Problem> to_problems(const Faults& faults) {
  std::vector<Problem> problems;
  for (const Fault& fault : faults) {
    JsonPath path;
    for (std::size_t i = 1; i < fault.loc.size(); ++i) path.push_back(jsonx::scalar_text(fault.loc[i]));
    problems.push_back({jsonx::pointer(path), fault.msg});
  }
  return problems;
}

}  // namespace dumb::codec
