#include "engine/rest.hpp"

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::engine;

TEST_CASE("services at rest are read as they were written, in the same life", "[engine][LIF-125]") {
  Resting resting;
  resting["One"] = {"One", false, 0, ""};
  resting["Job"] = {"Job", true, 1234.5, "0011223344556677"};
  const std::string text = print_resting(resting, "boot/17");
  const auto again = parse_resting(text, "boot/17");
  REQUIRE(again);
  CHECK(*again == resting);
  const auto other = parse_resting(text, "boot/18");
  REQUIRE(other);
  CHECK(other->empty());
}

TEST_CASE("a torn list of services at rest is an error", "[engine][LIF-125]") {
  const std::string text = print_resting({{"One", {"One", false, 0, ""}}}, "life");
  CHECK_FALSE(parse_resting(text.substr(0, text.size() / 2), "life"));
  CHECK_FALSE(parse_resting("", "life"));
  CHECK_FALSE(parse_resting("[]", "life"));
  CHECK_FALSE(parse_resting(R"({"version": 2, "life": "life", "services": []})", "life"));
  CHECK_FALSE(parse_resting(R"({"version": 1, "life": "life", "services": 3})", "life"));
  // More digits than a number has room for.
  const std::string digits(150, '3');
  CHECK_FALSE(
      parse_resting(R"({"version":1,"life":"life","services":[{"process_name":"One","completed":true,)"
                    R"("completed_at":)" +
                        digits + R"(1.5e444449,"config_hash":""}]})",
                    "life"));
}
