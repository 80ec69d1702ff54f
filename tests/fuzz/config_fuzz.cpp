// Any document either gives a list of faults or a snapshot whose blocks can be found again.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <dumb/base/json.hpp>
#include <dumb/config/secrets.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/supervisor/waits.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = dumb::jsonx::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!value || !value->is_object()) return 0;
  const dumb::config::Snapshot snapshot(value->get_object(), value->get_object(), 1);
  for (const auto& ref : snapshot.blocks()) {
    const auto* found = snapshot.find(ref.process_name);
    if (found == nullptr || found->path != ref.path) std::abort();
    dumb::supervisor::waits_of(snapshot.block(ref), dumb::Root("/r"));
  }
  dumb::config::secret_values(value->get_object());
  return 0;
}
