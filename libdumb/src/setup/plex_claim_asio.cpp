#include <fmt/format.h>
#include <openssl/evp.h>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/api_asio.hpp"
#include "setup/xml.hpp"

/// A Plex server is given to an account with a single-use claim (SVC-191).
namespace dumb::setup {
namespace {

std::string sha1_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) return {};
  return text::hex_encode({reinterpret_cast<const char*>(digest.data()), size});
}

/// A random UUID of version 4.
std::string uuid_of(std::string random) {
  random[6] = static_cast<char>((static_cast<unsigned char>(random[6]) & 0x0fU) | 0x40U);
  random[8] = static_cast<char>((static_cast<unsigned char>(random[8]) & 0x3fU) | 0x80U);
  const std::string hex = text::hex_encode(random);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

struct Identity {
  std::filesystem::path file;
  std::string text;       ///< of Preferences.xml
  std::string processed;  ///< what the server calls itself to others
};

Result<void> write_preferences(Run& run, const Identity& identity) {
  file::WriteOptions options = run.owned(0600);
  options.force_mode = true;
  auto made = file::make_directories(identity.file.parent_path(), 0755, options.uid, options.gid);
  if (!made) return Run::failed(made.error());
  const auto written = file::write_if_changed(identity.file, identity.text, options);
  if (!written) return Run::failed(written.error());
  if (*written) run.changed(identity.file);
  return {};
}

/// Makes sure of the two identifiers, which outlive a failed claim.
Result<Identity> identify(Run& run) {
  Identity identity;
  const auto path = run.scope.path(json::value("{config_file}"));
  if (!path) return path.error();
  identity.file = *path;
  const auto present = file::read(*path);
  identity.text = present ? *present : "<Preferences/>";
  const auto machine = xml::value(identity.text, "/Preferences/@MachineIdentifier");
  if (!machine) return Error(machine.error().code(), path->native() + ": " + machine.error().message());
  const bool known = *machine && !text::blank(**machine);
  const std::string id = known ? **machine : uuid_of(run.facts.random_bytes(16));
  const auto processed = xml::value(identity.text, "/Preferences/@ProcessedMachineIdentifier");
  if (!processed) return processed.error();
  identity.processed =
      *processed && !text::blank(**processed) ? **processed : sha1_hex(id + "- Plex Media Server");
  auto text = xml::edit(identity.text, {{"/Preferences/@MachineIdentifier", id},
                                        {"/Preferences/@ProcessedMachineIdentifier", identity.processed}});
  if (!text) return text.error();
  identity.text = std::move(*text);
  const auto written = write_preferences(run, identity);
  if (!written) return written.error();
  return identity;
}

Result<void> keep_token(Run& run, Identity identity, const std::string& answer) {
  const auto token = xml::text_of_any(answer, "authentication-token");
  if (!token || !*token || text::blank(**token))
    return failure(Failure::api_failed, "the answer to the claim holds no authentication-token");
  auto text = xml::edit(identity.text, {{"/Preferences/@PlexOnlineToken", **token}});
  if (!text) return text.error();
  identity.text = std::move(*text);
  const auto written = write_preferences(run, identity);
  if (!written) return written.error();
  assign_member(run, "plex_claim", json::value(""), true);
  return {};
}

}  // namespace

Task<StepResult> claim_plex(RunPtr run) {
  auto identify_it = [run](const std::atomic<bool>&) { return identify(*run); };
  const auto identity = co_await offload(*run->context.workers, std::move(identify_it));
  if (!identity) co_return identity.error();
  const auto base = run->scope.text(json::value("{endpoint.plex_tv}"));
  if (!base) co_return base.error();
  ApiCall call;
  call.method = "POST";
  call.url = *base + "/api/claim/exchange?token=" +
             text::percent_encode(text::trim(jsonx::text_at(run->scope.own(), "plex_claim")));
  call.headers = {{"X-Plex-Client-Identifier", identity->processed},
                  {"X-Plex-Product", "Plex Media Server"},
                  {"X-Plex-Version", "1.1"},
                  {"X-Plex-Provides", "server"},
                  {"X-Plex-Platform", "Linux"},
                  {"X-Plex-Platform-Version", "1.0"},
                  {"X-Plex-Device-Name", "PlexMediaServer"},
                  {"X-Plex-Device", "Linux"}};
  const auto response = co_await call_api(call);
  if (!response) co_return response.error();
  if (response->status != 200 && response->status != 201) co_return unexpected(call, *response);
  auto keep = [run, identity, response](const std::atomic<bool>&) {
    return keep_token(*run, *identity, response->body);
  };
  const auto kept = co_await offload(*run->context.workers, std::move(keep));
  if (!kept) co_return kept.error();
  co_return Effect::changed;
}

}  // namespace dumb::setup
