#include "logs/redact_scanner.hpp"

#include <algorithm>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

constexpr std::string_view quotes = "\"'";
constexpr std::string_view value_stops = ",\"']}; \t";
constexpr std::string_view query_stops = "&#\"'<>` \t";

/// How far a rule walks where the text it walks over may belong to other matches too; keeps the whole linear.
constexpr std::size_t most = 256;

bool is_name_char(char c) noexcept {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}
bool is_local_char(char c) noexcept {
  return is_name_char(c) || c == '.' || c == '%' || c == '+';
}

bool contains_folded(std::string_view text, std::string_view lower) noexcept {
  const auto same = [](char a, char b) { return lower_of(a) == b; };
  return std::search(text.begin(), text.end(), lower.begin(), lower.end(), same) != text.end();
}

}  // namespace

SecretTable::SecretTable(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const std::string& secret) { return secret.size() < 8; });
  std::sort(secrets_.begin(), secrets_.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (const std::string& secret : secrets_) {
    by_first_[static_cast<unsigned char>(secret.front())].push_back(secret);
  }
}

std::string SecretTable::replace(std::string_view line) const {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == '[' && line.substr(i).starts_with(redacted)) {
      i += redacted.size();
      continue;
    }
    const auto& candidates = by_first_[static_cast<unsigned char>(line[i])];
    const auto found = std::find_if(candidates.begin(), candidates.end(), [&](std::string_view secret) {
      return line.substr(i).starts_with(secret);
    });
    if (found == candidates.end()) {
      ++i;
      continue;
    }
    out += line.substr(copied, i - copied);
    out += redacted;
    copied = i += found->size();
  }
  out += line.substr(copied);
  return out;
}

RedactScanner::RedactScanner(std::string_view line, std::string& out) : line_(line), out_(out) {
  myplex_ = contains_folded(line, "myplex");
  signed_in_ = contains_folded(line, "signed in") || contains_folded(line, "signed-in");
}

void RedactScanner::run() {
  while (i_ < line_.size()) {
    const char c = line_[i_];
    if (c == '[' && line_.substr(i_).starts_with(redacted)) {
      i_ += redacted.size();
      continue;
    }

    const Index before = i_;
    if (is_letter(c)) {
      const bool starts = i_ == 0 || !(is_letter(line_[i_ - 1]) || is_digit(line_[i_ - 1]));
      if (starts && word()) continue;
    } else if (c == '@') {
      email(1);
    } else if (c == '%' && at(i_, "%40")) {
      email(3);
    } else if (c == ':' && at(i_, "://")) {
      user_info();
    } else if (c == '/') {
      path_id();
    }
    if (i_ == before) ++i_;
  }
  out_ += line_.substr(copied_);
}

/// The rules that begin with a name; `i_` stands on the first letter of a word.
bool RedactScanner::word() {
  return header_name() || credential() || aiostreams() || webdav_credentials() || identifier() ||
         (signed_in_ && plex_token()) || secret_name() || (myplex_ && plex_account());
}

/// Row 1: the header and everything after its colon, or the quoted value of a quoted name.
bool RedactScanner::header_name() {
  static constexpr std::array<std::string_view, 7> names{
      "cookie",    "set-cookie",   "authorization", "proxy-authorization",
      "x-api-key", "x-auth-token", "x-plex-token"};
  const bool prefixed = i_ > 0 && (line_[i_ - 1] == '-' || line_[i_ - 1] == '_');
  for (const std::string_view name : names) {
    const Index end = i_ + name.size();
    if (!at(i_, name) || !word_ends(end)) continue;
    const bool authorization = name.ends_with("authorization");
    if (authorization) authorization_ = true;
    if (prefixed && !authorization) continue;
    return header_value(end);
  }
  if (at(i_, "authorization")) authorization_ = true;
  return false;
}

bool RedactScanner::header_value(Index after_name) {
  const Index unquoted = quote(after_name);
  const Index colon = blanks(unquoted);
  if (byte(colon) != ':') return false;
  const Index value = blanks(colon + 1);
  const Index inside = quote(value);
  if (unquoted != after_name && inside != value) {
    return replace(inside, closing_quote(value, inside));
  }
  const bool hidden = line_.substr(std::min(value, line_.size())).starts_with(redacted);
  if (unquoted != after_name && hidden) return replace(value, value);
  const bool scalar_in_map = unquoted != after_name && byte(value) != '[' && byte(value) != '{';
  if (scalar_in_map) return replace(value, until(value, ",}]"));
  return replace(value, line_.size());
}

/// Row 2.
bool RedactScanner::credential() {
  if (!authorization_) return false;
  const Index end = at(i_, "bearer") ? i_ + 6 : at(i_, "basic") ? i_ + 5 : i_;
  if (end == i_) return false;
  const Index value = blanks(end);
  if (value == end) return false;
  return replace(value, until(value, value_stops));
}

/// Rows 3, 4 and the tunnel tokens of row 6. A name may carry a prefix that ends in '_' or '-'
/// (TUNNEL_TOKEN), all but `code`, which would catch status and exit codes.
bool RedactScanner::secret_name() {
  struct Name {
    std::string_view first, second;
  };
  static constexpr std::array<Name, 13> names{{{"api", "key"},
                                               {"auth", "token"},
                                               {"access", "token"},
                                               {"refresh", "token"},
                                               {"id", "token"},
                                               {"xplex", "token"},
                                               {"auth", "password"},
                                               {"secret", "key"},
                                               {"client", "secret"},
                                               {"token", ""},
                                               {"password", ""},
                                               {"passwd", ""},
                                               {"secret", ""}}};
  const auto matches = [this](const Name& name) -> Index {
    if (!at(i_, name.first)) return 0;
    Index end = i_ + name.first.size();
    if (name.second.empty()) return word_ends(end) ? end : 0;
    if (byte(end) == '_' || byte(end) == '-' || byte(end) == ' ') ++end;
    if (!at(end, name.second)) return 0;
    end += name.second.size();
    return word_ends(end) ? end : 0;
  };
  Index end = 0;
  for (const Name& name : names) {
    end = matches(name);
    if (end != 0) break;
  }
  const bool prefixed = i_ > 0 && (line_[i_ - 1] == '-' || line_[i_ - 1] == '_');
  if (end == 0 && !prefixed && at(i_, "code") && word_ends(i_ + 4)) end = i_ + 4;
  if (end == 0) return false;
  Index begin = i_;
  while (begin > copied_ && is_name_char(line_[begin - 1])) --begin;
  return query_value(begin, end) || named_value(end);
}

bool RedactScanner::query_value(Index begin, Index name_end) {
  if (begin == 0 || (line_[begin - 1] != '?' && line_[begin - 1] != '&') || byte(name_end) != '=')
    return false;
  const Index value = name_end + 1;
  return replace(value, until(value, query_stops));
}

bool RedactScanner::named_value(Index name_end) {
  Index value = blanks(quote(name_end));
  if (byte(value) != '=' && byte(value) != ':') return false;
  while (byte(value) == '=' || byte(value) == ':' || byte(value) == '>') ++value;
  return replace_value(blanks(value), value_stops);
}

/// A quoted value up to its closing quote, a bracketed one with its brackets, any other up to one of `stops`.
bool RedactScanner::replace_value(Index value, std::string_view stops) {
  if (line_.substr(std::min(value, line_.size())).starts_with(redacted)) return replace(value, value);
  // Prefixes of string literals: b'…'.
  const bool literal = value + 1 < line_.size() && is_letter(line_[value]);
  if (literal && quotes.find(line_[value + 1]) != std::string_view::npos) ++value;
  if (byte(value) == '[' || byte(value) == '{') {
    const Index close = until(value, byte(value) == '[' ? "]" : "}");
    return replace(value, std::min(close + 1, line_.size()));
  }
  const Index inside = quote(value);
  if (inside == value) return replace(value, until(value, stops));
  return replace(inside, closing_quote(value, inside));
}

/// Where the text ends that is quoted from `inside` on; the quote, perhaps with its backslash, stands at
/// `opening`.
RedactScanner::Index RedactScanner::closing_quote(Index opening, Index inside) const noexcept {
  if (inside - opening == 2) return std::min(line_.find(line_.substr(opening, 2), inside), line_.size());
  Index close = inside;
  while (close < line_.size() && line_[close] != line_[opening]) close += line_[close] == '\\' ? 2 : 1;
  return std::min(close, line_.size());
}

/// Row 5: `i_` stands on "://".
void RedactScanner::user_info() {
  const Index begin = i_ + 3;
  const Index authority = until(begin, "/?# \t\"'<>`");
  Index mark = line_.substr(begin, authority - begin).rfind('@');
  if (mark == std::string_view::npos) {
    // A password may hold a slash; then what follows the colon is no port.
    const Index colon = line_.substr(begin, authority - begin).find(':');
    const char next = colon == std::string_view::npos ? '/' : byte(begin + colon + 1);
    if (next == '/' || is_digit(next) || byte(begin) == '[') return;
    const std::string_view window = line_.substr(begin, most);
    const std::string_view stretch = window.substr(0, window.find_first_of(" \t\"'<>`"));
    mark = stretch.find('@');
    if (mark == std::string_view::npos) return;
  }
  mark += begin;
  const Index colon = line_.substr(begin, mark - begin).find(':');
  if (colon == std::string_view::npos) return;
  replace(begin + colon + 1, mark);
}

/// Row 6: variables that list AIOStreams users with their passwords.
bool RedactScanner::aiostreams() {
  if (!at(i_, "aiostreams")) return false;
  Index end = i_;
  while (end < line_.size() && end - i_ < most && is_name_char(line_[end])) ++end;
  if (!contains_folded(line_.substr(i_, end - i_), "auth")) return false;
  const Index separator = blanks(quote(end));
  if (byte(separator) != '=' && byte(separator) != ':') return false;
  return replace_value(blanks(separator + 1), "\"'; \t");
}

/// Row 6: "WebDAV credentials: user / password".
bool RedactScanner::webdav_credentials() {
  static constexpr std::string_view name = "webdav credentials";
  if (!at(i_, name)) return false;
  const Index colon = blanks(i_ + name.size());
  if (byte(colon) != ':') return false;
  const Index slash = line_.find(" / ", colon);
  return replace(slash == std::string_view::npos ? blanks(colon + 1) : slash + 3, line_.size());
}

/// Row 7: ids of servers, at least 16 hex digits.
bool RedactScanner::identifier() {
  static constexpr std::string_view machine = "machineidentifier";
  static constexpr std::string_view server = "serveruuid";
  Index value = at(i_, machine) ? i_ + machine.size() : at(i_, server) ? i_ + server.size() : i_;
  if (value == i_) return false;
  if (at(value, "%3d")) value += 3;
  for (int skipped = 0;
       skipped < 8 && std::string_view("=: \"'\\").find(byte(value)) != std::string_view::npos; ++skipped) {
    if (value >= line_.size()) return false;
    ++value;
  }
  Index end = value;
  while (end < line_.size() && is_hex(line_[end])) ++end;
  return end - value >= 16 && replace(value, end);
}

/// Row 7: the account in a MyPlex line.
bool RedactScanner::plex_account() {
  static constexpr std::array<std::string_view, 8> phrases{"signed in as", "logged in as", "account name is",
                                                           "account name", "username",     "user name",
                                                           "account",      "user"};
  for (const std::string_view phrase : phrases) {
    const Index end = i_ + phrase.size();
    if (!at(i_, phrase) || !word_ends(end)) continue;
    Index value = blanks(end);
    const bool separated = byte(value) == ':' || byte(value) == '=';
    if (separated) value = blanks(value + 1);
    const bool common = phrase == "account" || phrase == "user";
    if (common && !separated && quote(value) == value) return false;
    return replace_value(value, ",\"')]; \t");
  }
  return false;
}

/// Row 7: a token in a line about signing in, without a separator.
bool RedactScanner::plex_token() {
  if (!at(i_, "token") || !word_ends(i_ + 5)) return false;
  Index value = blanks(i_ + 5);
  if (at(value, "is ")) value = blanks(value + 3);
  value = quote(value);
  Index end = value;
  while (end < line_.size() && is_name_char(line_[end])) ++end;
  return end - value >= 8 && replace(value, end);
}

/// Row 7: device ids in paths, at least 32 hex digits.
void RedactScanner::path_id() {
  static constexpr std::string_view devices = "/devices/";
  static constexpr std::string_view servers = "/api/servers/";
  const Index value = at(i_, devices) ? i_ + devices.size() : at(i_, servers) ? i_ + servers.size() : i_;
  Index end = value;
  while (value != i_ && end < line_.size() && is_hex(line_[end])) ++end;
  if (value != i_ && end - value >= 32) replace(value, end);
}

/// Row 8: `i_` stands on '@', or on its escape "%40".
void RedactScanner::email(Index mark_length) {
  Index begin = i_;
  while (begin > copied_ && i_ - begin < most && is_local_char(line_[begin - 1])) --begin;
  const Index domain = i_ + mark_length;
  Index end = domain;
  while (end < line_.size() &&
         (is_letter(line_[end]) || is_digit(line_[end]) || line_[end] == '-' || line_[end] == '.')) {
    ++end;
  }
  while (end > domain && !is_letter(line_[end - 1])) --end;
  const std::string_view name = line_.substr(domain, end - domain);
  const Index dot = name.rfind('.');
  if (begin == i_ || dot == std::string_view::npos || dot == 0 || name.size() - dot < 3) return;
  if (!std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(), is_letter)) return;
  replace(begin, end);
}

bool RedactScanner::replace(Index from, Index to) {
  from = std::min(from, line_.size());
  to = std::min(to, line_.size());
  if (line_.substr(from).starts_with(redacted) && to < from + redacted.size()) to = from + redacted.size();
  out_ += line_.substr(copied_, from - copied_);
  if (to > from) out_ += redacted;
  copied_ = i_ = to;
  return true;
}

bool RedactScanner::at(Index index, std::string_view lower) const noexcept {
  if (index > line_.size() || line_.size() - index < lower.size()) return false;
  for (std::size_t k = 0; k < lower.size(); ++k) {
    if (lower_of(line_[index + k]) != lower[k]) return false;
  }
  return true;
}

bool RedactScanner::word_ends(Index index) const noexcept {
  return index >= line_.size() || !is_name_char(line_[index]);
}

RedactScanner::Index RedactScanner::blanks(Index index) const noexcept {
  while (index < line_.size() && (line_[index] == ' ' || line_[index] == '\t')) ++index;
  return index;
}

/// Past one quote, perhaps escaped by a backslash; `index` itself when there is none.
RedactScanner::Index RedactScanner::quote(Index index) const noexcept {
  const Index mark = byte(index) == '\\' ? index + 1 : index;
  return mark < line_.size() && quotes.find(line_[mark]) != std::string_view::npos ? mark + 1 : index;
}

RedactScanner::Index RedactScanner::until(Index index, std::string_view stops) const noexcept {
  return std::min(line_.find_first_of(stops, index), line_.size());
}

}  // namespace dumb::logs
