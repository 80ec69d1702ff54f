#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Who may talk to a server without authentication (API-5). Pure.
namespace dumb::server {

/// Names besides the built-in rules that count as local.
struct LocalNames {
  std::vector<std::string>
      allowed_hosts;     ///< dumb.api_service.allowed_hosts: "name", "name:port", "[::1]:port"
  std::string own_name;  ///< this machine's host name
};

/// Host and port of a `Host` field or URL authority.
struct Authority {
  std::string host;  ///< lower case, without brackets, zone and final dot
  std::string port;  ///< digits, may be empty
  bool literal6 = false;
};
/// nullopt for what is no host[:port], user-info included.
std::optional<Authority> parse_authority(std::string_view text);

/// Whether a `Host` value is local: a loopback, private, link-local or unique-local address literal, a name
/// without a dot or under .localhost .local .lan .home .home.arpa .internal, the own name, or an allowed
/// host.
bool is_local_host(std::string_view host, const LocalNames& names);

/// The same for the host of an http(s) `Origin`; "null" and other schemes are not local.
bool is_local_origin(std::string_view origin, const LocalNames& names);

/// A request's sentence of refusal, or nullopt when it may pass. `host` is null for an HTTP/1.0 request
/// without the field, which no browser sends; `origin` is null when absent.
std::optional<std::string> refuse_cross_site(const std::string* host, const std::string* origin,
                                             const LocalNames& names);

}  // namespace dumb::server
