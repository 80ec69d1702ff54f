#include "symlinks/decide.hpp"

#include "support/catch.hpp"

using namespace dumb::symlinks;

namespace {

LinkState absent() {
  return {};
}
LinkState link(std::string target) {
  return {LinkState::Kind::link, std::move(target)};
}
LinkState other() {
  return {LinkState::Kind::other};
}

Change rewrite(std::optional<std::string> from, std::optional<std::string> to) {
  Change change;
  change.path = "/l";
  change.old_target = std::move(from);
  change.new_target = std::move(to);
  return change;
}

Change move(std::optional<std::string> replaced = {}, bool two_step = false) {
  Change change = rewrite("/old", "/new");
  change.kind = Change::Kind::move;
  change.destination = "/d";
  change.replaced_target = std::move(replaced);
  change.two_step = two_step;
  return change;
}

struct Undone {
  Outcome outcome;
  std::size_t steps;
};
bool operator==(const Verdict& verdict, const Undone& wanted) {
  return verdict.outcome == wanted.outcome && verdict.steps.size() == wanted.steps;
}

Verdict undo(const Change& change, const LinkState& path, const LinkState& destination = {},
             Overwrite overwrite = Overwrite::no) {
  return undo_change(change, path, destination, overwrite);
}

}  // namespace

TEST_CASE("a snapshot's entry is restored only where that loses nothing", "[symlinks][SYM-34]") {
  const SnapshotEntry entry{"/l", "/t", std::nullopt, std::nullopt};
  CHECK(restore_entry(entry, link("/t"), Overwrite::no).outcome == Outcome::unchanged);
  CHECK(restore_entry(entry, link("/t"), Overwrite::yes).outcome == Outcome::unchanged);
  CHECK(restore_entry(entry, link("/u"), Overwrite::no).outcome == Outcome::existing);
  CHECK(restore_entry(entry, other(), Overwrite::no).outcome == Outcome::existing);
  CHECK(restore_entry(entry, other(), Overwrite::yes).outcome == Outcome::error);
  const Verdict replaced = restore_entry(entry, link("/u"), Overwrite::yes);
  REQUIRE(replaced.steps.size() == 1);
  CHECK(replaced.steps[0].from == "/u");
  CHECK(replaced.steps[0].to == "/t");
  const Verdict made = restore_entry(entry, absent(), Overwrite::no);
  CHECK(made.outcome == Outcome::restored);
  CHECK_FALSE(made.steps.at(0).from);
}

TEST_CASE("undoing a rewrite follows what is there", "[symlinks][SYM-35]") {
  const Change change = rewrite("/old", "/new");
  CHECK(undo(change, link("/old")) == Undone{Outcome::unchanged, 0});
  CHECK(undo(change, link("/new")) == Undone{Outcome::restored, 1});
  CHECK(undo(change, absent()) == Undone{Outcome::restored, 1});
  CHECK(undo(change, link("/x")) == Undone{Outcome::existing, 0});
  CHECK(undo(change, link("/x"), {}, Overwrite::yes) == Undone{Outcome::restored, 1});
  CHECK(undo(change, other()) == Undone{Outcome::existing, 0});
  CHECK(undo(change, other(), {}, Overwrite::yes) == Undone{Outcome::error, 0});
}

TEST_CASE("undoing a creation removes only the link it made", "[symlinks][SYM-35][SYM-36]") {
  const Change created = rewrite(std::nullopt, "/new");
  CHECK(undo(created, absent()) == Undone{Outcome::unchanged, 0});
  const Verdict removed = undo(created, link("/new"));
  REQUIRE(removed == Undone{Outcome::restored, 1});
  CHECK_FALSE(removed.steps[0].to);
  CHECK(undo(created, link("/x"), {}, Overwrite::yes) == Undone{Outcome::existing, 0});
  const Change gone = rewrite("/old", std::nullopt);
  CHECK(undo(gone, absent()) == Undone{Outcome::restored, 1});
  CHECK(undo(gone, link("/old")) == Undone{Outcome::unchanged, 0});
}

TEST_CASE("undoing a move puts the source back before it takes the destination", "[symlinks][SYM-35]") {
  const Verdict verdict = undo(move(), absent(), link("/new"));
  REQUIRE(verdict == Undone{Outcome::restored, 2});
  CHECK(verdict.steps[0].path == "/l");
  CHECK(verdict.steps[0].to == "/old");
  CHECK(verdict.steps[1].path == "/d");
  CHECK_FALSE(verdict.steps[1].to);
  CHECK(undo(move("/was"), absent(), link("/new")).steps.at(1).to == "/was");
  CHECK(undo(move(), link("/old"), absent()) == Undone{Outcome::unchanged, 0});
  CHECK(undo(move(), link("/old"), link("/new")) == Undone{Outcome::unchanged, 0});  // no rename is half done
  CHECK(undo(move(), link("/x"), link("/new")) == Undone{Outcome::existing, 0});
  CHECK(undo(move(), absent(), link("/x")) == Undone{Outcome::existing, 0});
  CHECK(undo(move(), absent(), other()) == Undone{Outcome::existing, 0});
}

TEST_CASE("a half-done move is undone from either half", "[symlinks][SYM-35]") {
  CHECK(undo(move({}, true), link("/old"), link("/new")) == Undone{Outcome::restored, 1});
  const Verdict swapped = undo(move("/was"), link("/was"), link("/new"));
  REQUIRE(swapped == Undone{Outcome::restored, 2});
  CHECK(swapped.steps[0].from == "/was");
  CHECK(swapped.steps[1].to == "/was");
  Change chained = move({}, true);
  chained.chained = true;
  CHECK(undo(chained, link("/old"), link("/new")) == Undone{Outcome::unchanged, 0});
}

TEST_CASE("undoing a copy leaves the source alone", "[symlinks][SYM-35]") {
  Change copy = move("/was");
  copy.kind = Change::Kind::copy;
  const Verdict verdict = undo(copy, link("/old"), link("/new"));
  REQUIRE(verdict == Undone{Outcome::restored, 1});
  CHECK(verdict.steps[0].path == "/d");
  CHECK(verdict.steps[0].to == "/was");
  CHECK(undo(copy, link("/old"), link("/was")) == Undone{Outcome::unchanged, 0});
  CHECK(undo(copy, link("/old"), absent()) == Undone{Outcome::unchanged, 0});
  CHECK(undo(copy, link("/old"), link("/x")) == Undone{Outcome::existing, 0});
}

TEST_CASE("a resumed run does what is still to do", "[symlinks][SYM-78]") {
  const Change change = rewrite("/old", "/new");
  CHECK(resume_change(change, link("/old"), {}) == Pending::apply);
  CHECK(resume_change(change, link("/new"), {}) == Pending::done);
  CHECK(resume_change(change, link("/x"), {}) == Pending::changed);
  CHECK(resume_change(change, absent(), {}) == Pending::changed);
  CHECK(resume_change(rewrite(std::nullopt, "/new"), absent(), {}) == Pending::apply);

  CHECK(resume_change(move(), link("/old"), absent()) == Pending::apply);
  CHECK(resume_change(move(), absent(), link("/new")) == Pending::done);
  CHECK(resume_change(move(), link("/old"), link("/x")) == Pending::changed);
  CHECK(resume_change(move("/was"), link("/old"), link("/was")) == Pending::apply);
  CHECK(resume_change(move("/was"), link("/was"), link("/new")) == Pending::finish);
  CHECK(resume_change(move({}, true), link("/old"), link("/new")) == Pending::finish);
  CHECK(resume_change(move(), link("/later"), link("/new")) == Pending::done);
  Change copy = move();
  copy.kind = Change::Kind::copy;
  CHECK(resume_change(copy, link("/old"), absent()) == Pending::apply);
  CHECK(resume_change(copy, link("/old"), link("/new")) == Pending::done);
  CHECK(resume_change(copy, link("/x"), absent()) == Pending::changed);
}

TEST_CASE("a replaced link of the same target gets its owner back", "[symlinks][SYM-35]") {
  Change same = move("/new");
  same.replaced_owner = Ownership{1, 2, 3};
  const Verdict verdict = undo(same, absent(), link("/new"));
  REQUIRE(verdict == Undone{Outcome::restored, 2});
  CHECK(verdict.steps[1].owner == same.replaced_owner);
  CHECK(undo(same, link("/old"), link("/new")) == Undone{Outcome::unchanged, 0});
}
