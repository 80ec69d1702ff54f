#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <dumb/symlinks/paths.hpp>
#include <dumb/symlinks/retention.hpp>
#include <tuple>

namespace dumb::symlinks {
namespace {

constexpr std::string_view default_name = "{process_slug}-{timestamp}.json";

struct Placeholder {
  std::string_view text;
  std::string_view shape;  ///< '0' is a digit, everything else stands for itself
};
constexpr std::array<Placeholder, 3> time_placeholders{
    {{"{timestamp}", "00000000T000000Z"}, {"{date}", "00000000"}, {"{time}", "000000"}}};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

Error refused(std::string_view path, std::string_view why) {
  return {Errc::invalid_argument, "template \"" + printable(path) + "\" " + std::string(why)};
}

/// "20260301T040000Z".
std::string timestamp(WallTime time) {
  std::string out = manifest_time(time).substr(0, 19);
  std::erase_if(out, [](char c) { return c == '-' || c == ':'; });
  return out + "Z";
}

/// Calls `literal` and `time` for the pieces of a name in order.
template <class Literal, class Time>
bool each_piece(std::string_view name, Literal literal, Time time) {
  while (!name.empty()) {
    const auto* found =
        std::find_if(time_placeholders.begin(), time_placeholders.end(),
                     [&](const Placeholder& holder) { return name.starts_with(holder.text); });
    if (found != time_placeholders.end()) {
      if (!time(*found)) return false;
      name.remove_prefix(found->text.size());
      continue;
    }
    if (!literal(name.front())) return false;
    name.remove_prefix(1);
  }
  return true;
}

bool fits(std::string_view text, std::string_view shape) noexcept {
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '0' ? !is_digit(text[i]) : text[i] != shape[i]) return false;
  }
  return true;
}

}  // namespace

std::string process_slug(std::string_view process_name) {
  std::string out;
  for (const char c : process_name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (byte | 0x20U) >= 'a' && (byte | 0x20U) <= 'z' && byte < 0x80;
    if (letter) {
      out += static_cast<char>(byte | 0x20U);
    } else {
      out += is_digit(c) || byte >= 0x80 ? c : '-';
    }
  }
  const std::size_t first = out.find_first_not_of('-');
  if (first == std::string::npos) return "service";
  return out.substr(first, out.find_last_not_of('-') - first + 1);
}

std::string process_part(std::string_view process_name) {
  std::string out(process_name);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/' || byte < 0x20 || byte == 0x7F) c = '-';
  }
  for (char& c : out) {
    if (c != '.') break;
    c = '-';
  }
  return out;
}

Result<SnapshotTemplate> SnapshotTemplate::make(std::string_view given, std::string_view process_name,
                                                std::string_view repair_directory) {
  std::string path(text::trim(given));
  if (path.empty()) path = std::string(repair_directory) + "/snapshots/" + std::string(default_name);
  if (path.front() != '/') return refused(given, "is not absolute");
  path = text::replace_all(std::move(path), "{process_slug}", process_slug(process_name));
  path = tidy_path(text::replace_all(std::move(path), "{process_name}", process_part(process_name)));
  if (has_dotdot(path)) return refused(given, "has a \"..\" component");
  if (path.find('\0') != std::string::npos) return refused(given, "holds a NUL");
  SnapshotTemplate out;
  out.directory_ = parent_path(path);
  out.name_ = base_name(path);
  out.process_name_ = process_name;
  for (const Placeholder& holder : time_placeholders) {
    if (out.directory_.find(holder.text) != std::string::npos)
      return refused(given, "has a time in its directory");
  }
  if (is_denied(out.directory_) && !is_within(out.directory_, repair_directory)) {
    return refused(given, "lies where no manifest may be");
  }
  if (out.name_.starts_with('.') || out.directory_.find("/.") != std::string::npos) {
    return refused(given, "has a component that begins with a dot");
  }
  if (out.name_.size() < 5 ||
      !text::iequals(std::string_view(out.name_).substr(out.name_.size() - 5), ".json")) {
    return refused(given, "does not end in .json");
  }
  return out;
}

bool SnapshotTemplate::has_time() const noexcept {
  return std::any_of(time_placeholders.begin(), time_placeholders.end(),
                     [&](const Placeholder& holder) { return name_.find(holder.text) != std::string::npos; });
}

std::string SnapshotTemplate::path_at(WallTime time) const {
  const std::string stamp = timestamp(time);
  std::string name = text::replace_all(name_, "{timestamp}", stamp);
  name = text::replace_all(std::move(name), "{date}", stamp.substr(0, 8));
  return join_path(directory_, text::replace_all(std::move(name), "{time}", stamp.substr(9, 6)));
}

std::string SnapshotTemplate::pattern() const {
  std::string name = name_;
  for (const Placeholder& holder : time_placeholders)
    name = text::replace_all(std::move(name), holder.text, "*");
  return join_path(directory_, name);
}

bool SnapshotTemplate::matches(std::string_view file_name, std::string* time) const {
  std::string_view rest = file_name;
  std::string date;
  std::string clock;
  const bool good = each_piece(
      name_,
      [&](char c) {
        if (!rest.starts_with(c)) return false;
        rest.remove_prefix(1);
        return true;
      },
      [&](const Placeholder& holder) {
        if (!fits(rest, holder.shape)) return false;
        if (holder.text != "{time}" && date.empty()) date = rest.substr(0, 8);
        if (holder.text == "{timestamp}" && clock.empty()) clock = rest.substr(9, 6);
        if (holder.text == "{time}" && clock.empty()) clock = rest.substr(0, 6);
        rest.remove_prefix(holder.shape.size());
        return true;
      });
  if (!good || !rest.empty()) return false;
  if (time != nullptr) *time = date.empty() ? std::string() : date + clock;
  return true;
}

bool SnapshotTemplate::owns(std::string_view file_name,
                            const std::optional<std::string>& named_process) const {
  if (!matches(file_name)) return false;
  if (named_process) return *named_process == process_name_;
  return file_name.find(process_slug(process_name_)) != std::string_view::npos ||
         file_name.find(process_part(process_name_)) != std::string_view::npos;
}

void sort_newest_first(std::vector<SnapshotFile>& files) {
  std::sort(files.begin(), files.end(), [](const SnapshotFile& a, const SnapshotFile& b) {
    // Files whose name tells no time are compared by when they were written.
    if (!a.time.empty() && !b.time.empty() && a.time != b.time) return a.time > b.time;
    if (a.time.empty() != b.time.empty()) return b.time.empty();
    if (a.time.empty() && a.mtime_ns != b.mtime_ns) return a.mtime_ns > b.mtime_ns;
    return a.path > b.path;
  });
}

std::vector<std::string> to_prune(std::vector<SnapshotFile> files, std::uint64_t count,
                                  std::string_view written) {
  std::vector<std::string> gone;
  if (count == 0) return gone;
  sort_newest_first(files);
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (i >= count && files[i].path != written) gone.push_back(files[i].path);
  }
  return gone;
}

std::optional<std::string> held_because(const Trust& trust) {
  if (!trust.complete) return "incomplete";
  if (trust.lost_root) return "missing_root";
  if (trust.older_entries && *trust.older_entries >= 20 && trust.entries * 2 < *trust.older_entries)
    return "shrunk";
  return std::nullopt;
}

std::string held_path(std::string_view path, WallTime time) {
  std::string_view stem = path;
  if (stem.size() > 5 && text::iequals(stem.substr(stem.size() - 5), ".json")) stem.remove_suffix(5);
  return std::string(stem) + ".held-" + timestamp(time) + ".json";
}

std::string name_before_held(std::string_view file_name) {
  constexpr std::string_view mark = ".held-";
  constexpr std::string_view shape = "00000000T000000Z.json";
  const auto at = file_name.rfind(mark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = file_name.substr(at + mark.size());
  if (rest.size() != shape.size() || !fits(rest, shape)) return {};
  return std::string(file_name.substr(0, at)) + ".json";
}

}  // namespace dumb::symlinks
