#include <algorithm>
#include <dumb/logs/redact.hpp>

#include "logs/redact_scanner.hpp"
#include "logs/redact_trigger.hpp"

namespace dumb::logs {
namespace {

/// One of these, or a mark of an e-mail address, stands in every line that a rule applies to.
std::vector<std::string> trigger_words(const std::vector<std::string>& secrets) {
  std::vector<std::string> words{
      "cookie",     "authoriz",     "apikey",      "api_key",   "api-key",    "api key",
      "token",      "passw",        "secret",      "code=",     "code:",      "code\"",
      "code'",      "code\\",       "code ",       "code\t",    "myplex",     "aiostreams",
      "serveruuid", "machineident", "webdav cred", "/devices/", "/api/server"};
  for (const std::string& secret : secrets) words.push_back(secret.substr(0, 8));
  return words;
}

/// '@', or its escape.
bool has_mark(std::string_view line) noexcept {
  if (line.find('@') != std::string_view::npos) return true;
  for (std::size_t at = line.find('%'); at != std::string_view::npos; at = line.find('%', at + 1)) {
    if (line.substr(at).starts_with("%40")) return true;
  }
  return false;
}

}  // namespace

struct Redactor::Impl {
  explicit Impl(std::vector<std::string> values)
      : secrets(std::move(values)), trigger(trigger_words(secrets.all())) {}
  SecretTable secrets;
  Trigger trigger;
};

Redactor::Redactor() {
  static const std::shared_ptr<const Impl> rules_only =
      std::make_shared<const Impl>(std::vector<std::string>());
  impl_ = rules_only;
}

Redactor::Redactor(std::vector<std::string> secrets)
    : impl_(std::make_shared<const Impl>(std::move(secrets))) {}

bool Redactor::apply(std::string_view line, std::string& out) const {
  if (!impl_->trigger.hit(line) && !has_mark(line)) return false;
  // A replacement can bring a further match to light, in the text beside it; so until nothing changes, which
  // is nearly always the second time. Of a line made to need many more nothing is shown.
  static constexpr int most_passes = 8;
  std::string text = impl_->secrets.replace(line);
  std::string next;
  for (int pass = 0;; ++pass) {
    next.clear();
    RedactScanner(text, next).run();
    if (next == text) break;
    text.swap(next);
    if (pass < most_passes) continue;
    text = redacted;
    break;
  }
  if (text == line) return false;
  out += text;
  return true;
}

std::string Redactor::operator()(std::string_view line) const {
  std::string out;
  return apply(line, out) ? out : std::string(line);
}

std::string Redactor::lines(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!apply(line, out)) out += line;
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace dumb::logs
