#include "engine/rest.hpp"

#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/codec.hpp>
#include <dumb/base/json.hpp>
#include <utility>

namespace dumb::engine {
namespace {

struct RestFile {
  std::int64_t version = 1;
  std::string life;
  std::vector<RestingService> services;
};
BOOST_DESCRIBE_STRUCT(RestFile, (), (version, life, services))

}  // namespace

std::string print_resting(const Resting& resting, std::string_view life) {
  RestFile file;
  file.life = std::string(life);
  for (const auto& [name, service] : resting) file.services.push_back(service);
  return jsonx::print(codec::encode(file));
}

Result<Resting> parse_resting(std::string_view text, std::string_view life) {
  const auto document = jsonx::parse(text);
  if (!document) return document.error();
  RestFile file;
  codec::Faults faults;
  if (!document->is_object() || !codec::decode(*document, {}, faults, file) || file.version != 1)
    return Error(Errc::invalid_argument, "is no list of services at rest");
  Resting resting;
  if (file.life != life) return resting;
  for (RestingService& service : file.services) {
    // A number with too many digits is read as infinity, which JSON cannot say.
    if (!std::isfinite(service.completed_at))
      return Error(Errc::invalid_argument, "holds a time that is out of range", "services.completed_at");
    std::string name = service.process_name;
    resting.insert_or_assign(std::move(name), std::move(service));
  }
  return resting;
}

}  // namespace dumb::engine
