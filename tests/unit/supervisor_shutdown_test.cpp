#include <dumb/catalog/catalog.hpp>
#include <dumb/supervisor/shutdown.hpp>

#include <algorithm>
#include <random>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;

namespace {

StopPlan plan(std::chrono::milliseconds grace) {
  StopPlan out;
  out.grace = grace;
  return out;
}

StopPlan database() {
  StopPlan out = plan(90s);
  out.reserve = 5s;
  out.quit_signal = SIGQUIT;
  out.quit_grace = 2s;
  return out;
}

std::chrono::milliseconds longest(const StopGroup& group, const StopGroup& fitted) {
  std::chrono::milliseconds most{0};
  for (const auto& [name, unused] : group) {
    most = std::max(most, fitted.at(name).grace + fitted.at(name).quit_grace);
  }
  return most;
}

std::chrono::milliseconds sum(const std::vector<StopGroup>& groups, const StopGroup& fitted) {
  std::chrono::milliseconds all{0};
  for (const StopGroup& group : groups) all += longest(group, fitted);
  return all;
}

}  // namespace

TEST_CASE("graces that fit the budget stay as they are", "[supervisor][LIF-79]") {
  const std::vector<StopGroup> groups{{{"Plex", plan(90s)}}, {{"Sonarr", plan(30s)}, {"Radarr", plan(20s)}}};
  const StopGroup fitted = fit_graces(groups, 122s);
  CHECK(fitted.at("Plex").grace == 90s);
  CHECK(fitted.at("Sonarr").grace == 30s);
  CHECK(fitted.at("Radarr").grace == 20s);
  CHECK(fit_graces({}, 10s).empty());
}

TEST_CASE("graces shrink until their sum leaves two seconds for unmounting", "[supervisor][LIF-79]") {
  const std::vector<StopGroup> groups{{{"Plex", plan(90s)}}, {{"Sonarr", plan(30s)}, {"Quick", plan(2s)}}};
  const StopGroup fitted = fit_graces(groups, 14s);
  CHECK(fitted.at("Plex").grace == 9s);
  CHECK(fitted.at("Sonarr").grace == 3s);
  CHECK(fitted.at("Quick").grace == 2s);  // its group has the time
}

TEST_CASE("the database keeps five seconds of its own and its quit signal, whatever the budget",
          "[supervisor][LIF-79]") {
  const std::vector<StopGroup> groups{
      {{"Plex", plan(90s)}}, {{"rclone", plan(48s)}}, {{"PostgreSQL", database()}}};
  for (const auto budget : {0s, 3s, 9s, 20s, 30s, 100s}) {
    INFO("budget " << budget.count());
    const StopGroup fitted = fit_graces(groups, budget);
    CHECK(fitted.at("PostgreSQL").grace >= 5s);
    CHECK(fitted.at("PostgreSQL").quit_grace == 2s);
    CHECK(fitted.at("PostgreSQL").quit_signal == SIGQUIT);
  }
  CHECK(fit_graces(groups, 9s).at("Plex").grace == 0s);
  const StopGroup tight = fit_graces(groups, 15s);
  CHECK(tight.at("PostgreSQL").grace == 5s);
  CHECK(sum(groups, tight) <= 13s);
  CHECK(sum(groups, tight) > 12s);
  CHECK(tight.at("Plex").grace > tight.at("rclone").grace);
  // With more time it gets its part like everybody.
  CHECK(fit_graces(groups, 100s).at("PostgreSQL").grace > 30s);
}

TEST_CASE("random stacks keep to any budget that holds what is reserved", "[supervisor][LIF-79]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<StopGroup> groups(1 + random() % 6);
    std::chrono::milliseconds reserved = unmount_reserve;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t k = 0; k < 1 + random() % 4; ++k) {
        groups[i].emplace(std::to_string(i) + "/" + std::to_string(k),
                          plan(std::chrono::milliseconds(random() % 90'000)));
      }
    }
    if (random() % 2 == 0) {
      groups.push_back({{"PostgreSQL", database()}});
      reserved += 7s;
    }
    const auto budget = reserved + std::chrono::milliseconds(random() % 300'000);
    const StopGroup fitted = fit_graces(groups, budget);
    REQUIRE(sum(groups, fitted) <= budget - unmount_reserve);
    for (const StopGroup& group : groups) {
      for (const auto& [name, wished] : group) {
        REQUIRE(fitted.at(name).grace >= std::min(wished.reserve, wished.grace));
        REQUIRE(fitted.at(name).grace <= wished.grace);
      }
    }
  }
}

TEST_CASE("only the database has a quit signal and a reserve", "[catalog][LIF-64][LIF-79]") {
  for (const catalog::Service& service : catalog::Catalog::embedded().services()) {
    INFO(service.key);
    const bool database = service.key == "postgres";
    CHECK(service.shutdown.quit_signal == (database ? "SIGQUIT" : ""));
    CHECK((service.shutdown.quit_seconds > 0) == database);
    CHECK(service.shutdown.reserve_seconds == (database ? 5 : 0));
  }
}
