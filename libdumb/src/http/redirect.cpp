#include <algorithm>
#include <dumb/base/text.hpp>
#include <dumb/http/transfer.hpp>

namespace dumb::http {
namespace {

bool is_credential(std::string_view name) {
  return text::iequals(name, "Authorization") || text::iequals(name, "Cookie") ||
         text::iequals(name, "Proxy-Authorization");
}

/// "scheme://host:port" of a URL, without credentials.
std::string origin(const Url& url) {
  const bool v6 = url.host.find(':') != std::string::npos;
  return url.scheme + "://" + (v6 ? "[" : "") + url.host + (v6 ? "]" : "") + ":" + std::to_string(url.port);
}

/// The path a relative reference is resolved against: everything up to the last slash.
std::string_view directory(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.substr(0, path.rfind('/') + 1);
}

}  // namespace

Result<Url> redirect_target(const Url& from, std::string_view location) {
  const std::string_view place = text::trim(location);
  if (place.empty()) return Error(Errc::invalid_argument, "a redirect names no place", from.display());
  std::string absolute;
  const std::size_t mark = place.find("://");
  if (mark != std::string_view::npos && mark < place.find_first_of("/?#")) {
    absolute = place;
  } else if (place.starts_with("//")) {
    absolute = from.scheme + ":" + std::string(place);
  } else if (place.starts_with('/')) {
    absolute = origin(from) + std::string(place);
  } else if (place.starts_with('?')) {
    absolute = origin(from) + from.target.substr(0, from.target.find('?')) + std::string(place);
  } else {
    absolute = origin(from) + std::string(directory(from.target)) + std::string(place);
  }
  Result<Url> target = parse_url(absolute);
  if (!target) return target.error();
  if (from.scheme == "https" && target->scheme != "https")
    return Error(Errc::unsupported, "a redirect from https to http is refused", from.display());
  return target;
}

Request redirected(Request request, Url target) {
  const Url& from = request.url;
  const bool same =
      text::iequals(from.host, target.host) && from.port == target.port && from.scheme == target.scheme;
  if (!same) std::erase_if(request.headers, [](const auto& header) { return is_credential(header.first); });
  if (same && target.user.empty() && target.password.empty()) {
    target.user = from.user;
    target.password = from.password;
  }
  request.url = std::move(target);
  return request;
}

}  // namespace dumb::http
