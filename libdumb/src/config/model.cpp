#include <algorithm>
#include <boost/json.hpp>
#include <dumb/config/model.hpp>

namespace dumb::config {

const ServiceFacts* Model::find(std::string_view key) const noexcept {
  const auto found = std::find_if(services.begin(), services.end(),
                                  [key](const ServiceFacts& facts) { return facts.key == key; });
  return found == services.end() ? nullptr : &*found;
}

}  // namespace dumb::config
