// A request line, a host and a body from outside: targets and queries decode to valid UTF-8, hosts are
// judged, and whatever a body holds, its faults make a JSON answer.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <dumb/base/text.hpp>

#include "answers.hpp"
#include "cross_site.hpp"
#include "input.hpp"

namespace dumb::server {

struct FuzzBody {
  std::string process_name;
  bool flag = false;
  std::int64_t number = 0;
  std::optional<std::string> note;
  std::vector<std::string> list;
  json::object updates;
  static constexpr std::array<std::string_view, 2> required{"process_name", "updates"};
  static constexpr bool forbid_unknown = true;
};
BOOST_DESCRIBE_STRUCT(FuzzBody, (), (process_name, flag, number, note, list, updates))

void check(std::string_view text) {
  const auto end = text.find('\n');
  const Target target = parse_target(text.substr(0, end));
  codec::Faults faults;
  const QueryParameters query = parse_query(target.query);
  for (const auto& [name, value] : query) {
    if (!text::is_utf8(name) || !text::is_utf8(value)) std::abort();
  }
  read_query<FuzzBody>(query, faults);
  if (target.authority) {
    const std::string origin = "http://" + *target.authority;
    // An origin is as local as its host.
    if (is_local_host(*target.authority, {}) != is_local_origin(origin, {})) std::abort();
    if (const auto refusal = refuse_cross_site(&*target.authority, &origin, {});
        refusal && refusal->size() > 300) {
      std::abort();
    }
  }
  Request request;
  request.body = end == std::string_view::npos ? std::string() : std::string(text.substr(end + 1));
  read_body<FuzzBody>(request, faults);
  if (faults.empty()) return;
  if (!jsonx::parse(fault_response(faults).body)) std::abort();
}

}  // namespace dumb::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dumb::server::check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
