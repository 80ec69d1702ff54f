#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/waits.hpp>

namespace dumb::supervisor {
namespace {

using Paths = std::vector<std::filesystem::path>;

void add_path(const json::value& value, const Root& root, Paths& out) {
  if (const auto* text = value.if_string()) {
    const std::string_view trimmed = text::trim(std::string_view(*text));
    if (!trimmed.empty()) out.push_back(root.map(std::filesystem::path(trimmed)));
  } else if (const auto* object = value.if_object()) {
    for (const char* member : {"path", "dir", "directory", "value"}) {
      if (const json::value* path = object->if_contains(member)) add_path(*path, root, out);
    }
  } else if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) add_path(element, root, out);
  }
}

void add_url(const json::value& value, std::vector<UrlWait>& out) {
  if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) add_url(element, out);
    return;
  }
  UrlWait wait;
  if (const auto* text = value.if_string()) {
    wait.url = std::string(text::trim(std::string_view(*text)));
  } else if (const auto* object = value.if_object()) {
    wait.url = std::string(text::trim(jsonx::string_at(*object, "url")));
    wait.method = text::upper(jsonx::string_at(*object, "probe_method"));
    wait.expected_json_path = jsonx::string_at(*object, "expected_json_path");
    if (const json::value* auth = object->if_contains("auth"); auth != nullptr && auth->is_object()) {
      wait.user = jsonx::string_at(auth->get_object(), "user");
      wait.password = jsonx::string_at(auth->get_object(), "password");
    }
    if (const json::value* headers = object->if_contains("probe_headers");
        headers != nullptr && headers->is_object()) {
      for (const auto& [name, header] : headers->get_object()) {
        wait.headers.emplace_back(std::string(name), jsonx::scalar_text(header));
      }
    }
    if (const json::value* timeout = object->if_contains("timeout");
        timeout != nullptr && timeout->is_number()) {
      const double seconds = timeout->to_number<double>();
      if (seconds > 0 && seconds < 86'400)
        wait.timeout = std::chrono::milliseconds(static_cast<long>(seconds * 1000));
    }
  }
  if (!wait.url.empty()) out.push_back(std::move(wait));
}

}  // namespace

WaitPlan waits_of(const json::object& block, const Root& root) {
  WaitPlan plan;
  plan.root = root;
  if (const json::value* value = block.if_contains("wait_for_dir")) add_path(*value, root, plan.directories);
  if (const json::value* value = block.if_contains("wait_for_mounts")) add_path(*value, root, plan.mounts);
  if (const json::value* value = block.if_contains("wait_for_url")) add_url(*value, plan.urls);
  return plan;
}

std::string probe_method(std::string_view target) {
  const std::string path = text::lower(target.substr(0, target.find('?')));
  const bool webdav = path.find("/dav/") != std::string::npos || path.ends_with("/dav") ||
                      path.find("/webdav") != std::string::npos;
  return webdav ? "PROPFIND" : "GET";
}

bool has_json_path(std::string_view body, std::string_view dotted) {
  const auto value = jsonx::parse(body);
  return value && jsonx::find(*value, text::split(dotted, '.')) != nullptr;
}

}  // namespace dumb::supervisor
