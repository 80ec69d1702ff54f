#pragma once

#include <boost/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace dumb::test {

/// Random configurations of every kind of dependency, the same for the same seed on every machine.
class RandomStack {
 public:
  explicit RandomStack(std::uint32_t seed) : random_(seed) {}

  /// Between four and fourteen processes with names of their own.
  boost::json::object document();
  /// One block changed, removed, renamed or added; the names this concerns.
  std::vector<std::string> change(boost::json::object& document);
  /// The same with the members of `document` and of every `instances` in another order.
  boost::json::object permuted(const boost::json::object& document);

  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  bool chance(std::size_t percent) { return below(100) < percent; }
  std::string one_of(const std::vector<std::string>& choices) { return choices[below(choices.size())]; }
  std::string fresh_name();
  std::string some_name();
  boost::json::object block(const std::string& key, const std::string& name);
  boost::json::value waits_for_url();
  boost::json::value depends_on();
  std::string path();
  void add_process(boost::json::object& document);

  std::mt19937 random_;
  std::vector<std::string> names_;
  std::size_t counter_ = 0;
};

}  // namespace dumb::test
