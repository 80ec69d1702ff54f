#include "config/dotenv.hpp"

#include <algorithm>
#include <dumb/base/text.hpp>
#include <optional>

namespace dumb::config {
namespace {

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

class LineReader {
 public:
  LineReader(const Environment& environment, const Environment& earlier)
      : environment_(environment), earlier_(earlier) {}

  /// The value written after '='; nullopt with `problem` set.
  std::optional<std::string> value(std::string_view rest) {
    rest = text::trim(rest);
    if (rest.starts_with('\'')) return single_quoted(rest.substr(1));
    if (rest.starts_with('"')) return double_quoted(rest.substr(1));
    return plain(rest);
  }
  const std::string& problem() const { return problem_; }

 private:
  std::optional<std::string> fail(std::string problem) {
    problem_ = std::move(problem);
    return std::nullopt;
  }

  std::optional<std::string> finish(std::string_view after, std::string value) {
    after = text::trim(after);
    if (!after.empty() && !after.starts_with('#')) return fail("has text after the closing quote");
    return value;
  }

  std::optional<std::string> single_quoted(std::string_view rest) {
    const std::size_t end = rest.find('\'');
    if (end == std::string_view::npos) return fail("has no closing quote");
    return finish(rest.substr(end + 1), std::string(rest.substr(0, end)));
  }

  std::optional<std::string> double_quoted(std::string_view rest) {
    std::string out;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const char c = rest[i];
      if (c == '"') return finish(rest.substr(i + 1), std::move(out));
      if (c == '\\' && i + 1 < rest.size()) {
        const char next = rest[++i];
        if (next == 'n') {
          out += '\n';
        } else if (next == 't') {
          out += '\t';
        } else {
          if (next != '"' && next != '\\' && next != '$') out += c;
          out += next;
        }
      } else if (c == '$') {
        if (!expand(rest, i, out)) return std::nullopt;
      } else {
        out += c;
      }
    }
    return fail("has no closing quote");
  }

  std::optional<std::string> plain(std::string_view rest) {
    if (rest.starts_with('#')) return std::string();
    for (std::size_t at = rest.find('#'); at != std::string_view::npos; at = rest.find('#', at + 1)) {
      if (rest[at - 1] == ' ' || rest[at - 1] == '\t') {
        rest = text::trim(rest.substr(0, at));
        break;
      }
    }
    std::string out;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] != '$') {
        out += rest[i];
      } else if (!expand(rest, i, out)) {
        return std::nullopt;
      }
    }
    return out;
  }

  /// Appends what stands for the `$` at `i`, which is moved to the last character used.
  bool expand(std::string_view in, std::size_t& i, std::string& out) {
    if (!in.substr(i).starts_with("${")) {
      out += '$';
      return true;
    }
    const std::size_t end = in.find('}', i);
    if (end == std::string_view::npos) {
      fail("has \"${\" without \"}\"");
      return false;
    }
    std::string_view name = in.substr(i + 2, end - i - 2);
    std::string_view otherwise;
    if (const std::size_t mark = name.find(":-"); mark != std::string_view::npos) {
      otherwise = name.substr(mark + 2);
      name = name.substr(0, mark);
    }
    if (!is_name(name)) {
      fail("has a bad name in \"${…}\"");
      return false;
    }
    const std::string value = look_up(name);
    out += value.empty() ? std::string(otherwise) : value;
    i = end;
    return true;
  }

  std::string look_up(std::string_view name) const {
    if (const auto found = environment_.find(name); found != environment_.end()) return found->second;
    const auto found = earlier_.find(name);
    return found == earlier_.end() ? std::string() : found->second;
  }

  const Environment& environment_;
  const Environment& earlier_;
  std::string problem_;
};

}  // namespace

DotEnv parse_dotenv(std::string_view text, const Environment& environment) {
  DotEnv out;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::size_t number = 0;
  for (const std::string& raw : text::split(text, '\n')) {
    ++number;
    std::string_view line = text::trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    const auto warn = [&](std::string_view problem) {
      out.warnings.push_back("line " + std::to_string(number) + ": " + std::string(problem));
    };
    if (line.starts_with("export ") || line.starts_with("export\t")) line = text::trim(line.substr(7));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      warn("is not NAME=value");
      continue;
    }
    const std::string_view name = text::trim(line.substr(0, equals));
    if (!is_name(name)) {
      warn("has no valid variable name before '='");
      continue;
    }
    LineReader reader(environment, out.variables);
    if (auto value = reader.value(line.substr(equals + 1))) {
      out.variables.insert_or_assign(std::string(name), std::move(*value));
    } else {
      warn(reader.problem());
    }
  }
  return out;
}

}  // namespace dumb::config
