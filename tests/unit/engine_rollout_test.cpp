#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>

#include "engine/rollout.hpp"
#include "engine/stabilizer.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::engine;
using Condition = Need::Condition;
using Step = Rollout::Step;
using Names = std::vector<std::string>;
using std::chrono::milliseconds;

namespace {

SteadyTime at(int ms) {
  return SteadyTime{} + milliseconds(ms);
}

RolloutItem item(std::string name, std::vector<Need> needs = {}) {
  return {std::move(name), std::move(needs)};
}

Need need(std::string name, Condition condition = Condition::settled, bool binding = false) {
  return {std::move(name), condition, binding};
}

ServiceView running() {
  ServiceView view;
  view.running = view.settled = true;
  return view;
}
ServiceView coming() {
  ServiceView view;
  view.coming = true;
  return view;
}
ServiceView gone(std::string reason) {
  ServiceView view;
  view.reason = std::move(reason);
  return view;
}

std::string service(std::size_t number) {
  return "s" + std::to_string(1000 + number);
}

}  // namespace

TEST_CASE("a service begins at the instant its own last need is met", "[engine][LIF-36][LIF-37][DEP-45]") {
  Rollout run(
      {item("app", {need("db"), need("mount")}), item("db"), item("mount", {need("dav")}), item("dav")},
      at(0));
  CHECK(run.begin(at(1)) == Names{"dav", "db"});
  CHECK(run.on_ended("dav", std::nullopt, at(5)) == Names{"mount"});
  CHECK(run.on_ended("mount", std::nullopt, at(9)).empty());
  CHECK_FALSE(run.over());
  CHECK(run.on_ended("db", std::nullopt, at(20)) == Names{"app"});
  CHECK(run.find("app")->last_need == "db");
  CHECK(run.find("app")->begun == at(20));
  CHECK(run.on_ended("app", std::nullopt, at(22)).empty());
  CHECK(run.over());
  CHECK(run.finished());
  const auto path = run.critical_path();
  CHECK(path.chain == Names{"db", "app"});
  CHECK(path.length == milliseconds(21));
}

TEST_CASE("a failed need lets its dependents go on, with a warning that names it",
          "[engine][LIF-8][DEP-45]") {
  Rollout run({item("app", {need("db")}), item("db")}, at(0));
  run.begin(at(0));
  CHECK(run.on_ended("db", "exit code 1", at(3)) == Names{"app"});
  CHECK(run.find("app")->warnings == Names{"db: exit code 1"});
  CHECK(run.find("db")->step == Step::failed);
}

TEST_CASE("a binding need that fails holds its dependents, and them only, until it is met after all",
          "[engine][DEP-45]") {
  Rollout run({item("app", {need("job", Condition::completed, true)}), item("front", {need("app")}),
               item("job"), item("other", {need("job")})},
              at(0));
  CHECK(run.begin(at(0)) == Names{"job"});
  CHECK(run.on_ended("job", "exit code 4", at(2)) == Names{"other"});
  CHECK_FALSE(run.over());
  run.on_ended("other", std::nullopt, at(3));
  CHECK(run.over());
  CHECK_FALSE(run.finished());
  CHECK(run.find("app")->held);
  CHECK(run.find("app")->reason == "job: exit code 4");
  CHECK(run.on_met("job", Condition::completed, at(9)) == Names{"app"});
  CHECK_FALSE(run.find("app")->held);
  CHECK(run.find("app")->reason.empty());
  CHECK(run.on_ended("app", std::nullopt, at(10)) == Names{"front"});
}

TEST_CASE("conditions are waited for one by one", "[engine][CFG-21]") {
  Rollout run({item("b", {need("p", Condition::healthy)}), item("c", {need("p")}), item("p")}, at(0));
  CHECK(run.begin(at(0)) == Names{"p"});
  run.observe("p", running(), at(1));
  CHECK(run.find("p")->running == at(1));
  CHECK(run.waits_for("p", Condition::healthy));
  CHECK(run.on_ended("p", std::nullopt, at(4)) == Names{"c"});
  CHECK(run.on_met("p", Condition::healthy, at(6)) == Names{"b"});
  CHECK_FALSE(run.waits_for("p", Condition::healthy));
}

TEST_CASE("what is known before the beginning counts, of services outside as well", "[engine][DEP-45]") {
  Rollout run({item("app", {need("db"), need("gone", Condition::healthy)})}, at(0));
  CHECK(run.on_met("db", Condition::settled, at(0)).empty());
  CHECK(run.on_met("gone", Condition::healthy, at(0)).empty());
  CHECK(run.begin(at(1)) == Names{"app"});
}

TEST_CASE("a service that ends while somebody waits for its health holds them with the reason",
          "[engine][DEP-45]") {
  Rollout run({item("app", {need("web", Condition::healthy, true)}), item("web")}, at(0));
  run.begin(at(0));
  run.on_ended("web", std::nullopt, at(1));
  CHECK_FALSE(run.over());
  CHECK(run.observe("web", coming(), at(2)).empty());  // it is being restarted
  CHECK_FALSE(run.over());
  CHECK(run.observe("web", gone("ended by itself: exit code 2"), at(3)).empty());
  CHECK(run.over());
  CHECK(run.find("app")->reason == "web: ended by itself: exit code 2");
  CHECK(run.observe("web", running(), at(4)).empty());
  CHECK(run.on_met("web", Condition::healthy, at(5)) == Names{"app"});
}

TEST_CASE("needs that change while a service waits for its turn count at once", "[engine][DEP-45][CFG-21]") {
  Rollout run(
      {item("app", {need("sick", Condition::healthy, true)}), item("late", {need("app")}), item("one")},
      at(0));
  CHECK(run.begin(at(0)) == Names{"one"});
  CHECK(run.on_failed("sick", Condition::healthy, "does not answer", at(1)).empty());
  CHECK(run.on_ended("one", std::nullopt, at(2)).empty());
  CHECK(run.over());
  // What was known stays known: of the new needs, one is met and one has failed already.
  CHECK(run.renew({item("app", {need("one"), need("sick", Condition::healthy, true)}), item("else")}, at(3))
            .empty());
  CHECK(run.find("app")->held);
  CHECK(run.find("app")->reason == "sick: does not answer");
  CHECK(run.find("app")->open.size() == 1);
  CHECK(run.renew({item("app", {need("one")})}, at(4)) == Names{"app"});
  CHECK_FALSE(run.find("app")->held);
  CHECK(run.renew({item("app", {need("other")})}, at(5)).empty());  // it has begun
  CHECK(run.on_ended("app", std::nullopt, at(6)) == Names{"late"});
}

TEST_CASE("a need that another one decides is no warning", "[engine][DEP-45][CFG-21]") {
  Need settled = need("late");
  settled.silent = true;
  Rollout run({item("app", {settled, need("late", Condition::healthy, true)})}, at(0));
  CHECK(run.begin(at(0)).empty());
  ServiceView view;
  view.running = true;
  view.reason = "not ready after 2 s";
  CHECK(run.observe("late", view, at(2)).empty());
  CHECK(run.over());  // held, with the reason
  CHECK(run.stuck() == std::set<std::string>{"app"});
  CHECK(run.find("app")->reason == "late: not ready after 2 s");
  CHECK(run.on_met("late", Condition::healthy, at(4)) == Names{"app"});
  CHECK(run.find("app")->warnings.empty());
}

TEST_CASE("what is told later does not change why a service was called off", "[engine][DEP-45]") {
  Rollout run({item("app", {need("sick", Condition::healthy, true)})}, at(0));
  run.begin(at(0));
  run.call_off("app", "it was disabled", at(1));
  CHECK(run.on_failed("sick", Condition::healthy, "is not running", at(2)).empty());
  CHECK(run.find("app")->reason == "it was disabled");
  CHECK_FALSE(run.find("app")->held);
  CHECK(run.find("app")->open.empty());
}

TEST_CASE("a service that is called off does not begin, and holds nobody up", "[engine][DEP-45][LIF-11]") {
  Rollout run({item("app", {need("db")}), item("db", {need("disk")}), item("disk")}, at(0));
  run.begin(at(0));
  CHECK(run.call_off("db", "a stop was asked for", at(1)) == Names{"app"});
  CHECK(run.find("db")->step == Step::called_off);
  CHECK(run.on_ended("disk", std::nullopt, at(2)).empty());
  CHECK(run.find("app")->warnings == Names{"db: a stop was asked for"});

  Rollout all({item("app", {need("db")}), item("db")}, at(0));
  all.begin(at(0));
  CHECK(all.call_off_all("DUMB is shutting down", at(1)).empty());
  CHECK(all.find("app")->step == Step::called_off);
  CHECK_FALSE(all.over());
  CHECK(all.on_ended("db", "cancelled", at(2)).empty());
  CHECK(all.finished());
}

TEST_CASE("a cycle that was not contracted stops nobody", "[engine][DEP-40]") {
  Rollout run({item("a", {need("b")}), item("b", {need("a"), need("c")}), item("c"), item("d", {need("d")})},
              at(0));
  CHECK(run.begin(at(0)) == Names{"a", "c", "d"});
  CHECK(run.on_ended("c", std::nullopt, at(1)) == Names{"b"});
}

TEST_CASE(
    "in random stacks every service begins when its needs are over, and the makespan is the critical path",
    "[engine][LIF-37][DEP-39]") {
  std::mt19937 random(20261121);
  for (int round = 0; round < 400; ++round) {
    const std::size_t count = 1 + random() % 40;
    std::vector<RolloutItem> items;
    std::map<std::string, int> takes;
    std::set<std::string> failing;
    for (std::size_t i = 0; i < count; ++i) {
      RolloutItem made = item(service(i));
      for (std::size_t j = 0; j < i; ++j) {
        if (random() % 6 == 0) made.needs.push_back(need(service(j)));
      }
      takes[made.name] = 1 + static_cast<int>(random() % 50);
      if (random() % 10 == 0) failing.insert(made.name);
      items.push_back(std::move(made));
    }
    const std::vector<RolloutItem> original = items;
    std::shuffle(items.begin(), items.end(), random);
    Rollout run(items, at(0));
    using Event = std::pair<int, std::string>;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
    const auto launch = [&](const Names& names, int now) {
      for (const std::string& name : names) events.emplace(now + takes[name], name);
    };
    launch(run.begin(at(0)), 0);
    int now = 0;
    std::size_t ended = 0;
    while (!events.empty()) {
      const auto [time, name] = events.top();
      events.pop();
      now = time;
      ++ended;
      const std::optional<std::string> error =
          failing.contains(name) ? std::optional<std::string>("x") : std::nullopt;
      launch(run.on_ended(name, error, at(now)), now);
    }
    REQUIRE(ended == count);
    REQUIRE(run.finished());
    for (const RolloutItem& made : original) {
      SteadyTime latest = at(0);
      for (const Need& one : made.needs) latest = std::max(latest, *run.find(one.name)->ended);
      REQUIRE(run.find(made.name)->begun == latest);
    }
    REQUIRE(run.critical_path().length == milliseconds(now));
  }
}

TEST_CASE("a long chain needs no stack", "[engine][DEP-47]") {
  std::vector<RolloutItem> items{item(service(0))};
  for (std::size_t i = 1; i < 50'000; ++i) items.push_back(item(service(i), {need(service(i - 1))}));
  Rollout run(std::move(items), at(0));
  Names next = run.begin(at(0));
  std::size_t seen = 0;
  while (!next.empty()) {
    REQUIRE(next.size() == 1);
    ++seen;
    next = run.on_ended(next.front(), std::nullopt, at(static_cast<int>(seen)));
  }
  CHECK(seen == 50'000);
  CHECK(run.critical_path().chain.size() == 50'000);
}

TEST_CASE("the stack is ready when all were healthy for the whole time of stabilization",
          "[engine][LIF-31]") {
  using Verdict = Stabilizer::Verdict;
  const Stabilizer::Limits limits{milliseconds(300), milliseconds(5), milliseconds(15)};
  Stabilizer one(limits, at(0));
  CHECK(one.on(false, at(1)) == Verdict::open);
  CHECK(one.look_again(at(1)) == at(6));
  CHECK(one.on(true, at(10)) == Verdict::open);
  CHECK(one.look_again(at(22)) == at(25));
  CHECK(one.on(true, at(24)) == Verdict::open);
  CHECK(one.on(true, at(25)) == Verdict::ready);

  Stabilizer broken(limits, at(0));
  broken.on(true, at(10));
  CHECK(broken.on(false, at(20)) == Verdict::open);
  CHECK(broken.on(true, at(26)) == Verdict::open);
  CHECK(broken.on(true, at(41)) == Verdict::ready);

  Stabilizer late(limits, at(0));
  CHECK(late.on(false, at(299)) == Verdict::open);
  CHECK(late.look_again(at(299)) == at(300));
  CHECK(late.on(false, at(300)) == Verdict::degraded);

  const Stabilizer::Limits at_once{milliseconds(300), milliseconds(5), milliseconds(0)};
  Stabilizer quick(at_once, at(0));
  CHECK(quick.on(true, at(1)) == Verdict::ready);
}
