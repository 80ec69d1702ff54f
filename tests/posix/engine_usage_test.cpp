// When the use of resources is measured.
#include "engine_scratch.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using test::Scratch;

TEST_CASE("nothing is measured while nobody asks", "[engine][LIF-172]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.usage_interval = 20ms;
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  const engine::Usage first = s.run(s.engine->usage());
  REQUIRE(first.services.size() == 1);
  const auto until = std::chrono::steady_clock::now() + 1s;
  REQUIRE(test::run_until(s.context, [&] { return std::chrono::steady_clock::now() >= until; }));
  // The interval of a measurement reaches back to the one before, whoever made that.
  const engine::Usage second = s.run(s.engine->usage());
  CHECK(second.interval_seconds >= 0.99);
  CHECK(second.interval_seconds == Approx(second.sampled_at - first.sampled_at).margin(0.2));
  s.run(s.engine->shutdown());
}
