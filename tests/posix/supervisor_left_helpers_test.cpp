// Helpers that outlive the supervisor they worked for.
#include "supervisor/left_helpers_posix.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <dumb/base/atomic_file.hpp>

#include "engine_scratch.hpp"
#include "supervisor/proc_posix.hpp"
#include "supervisor/records_posix.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::Scratch;

namespace {

bool lives(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat && stat->state != 'Z' && stat->state != 'X';
}

/// A process of no supervisor's, with what it prints.
struct Started {
  Child child;
  UniqueFd output;
  Started(std::vector<std::string> arguments, std::vector<std::string> environment) {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    output.reset(ends[0]);
    const UniqueFd writing(ends[1]);
    LaunchSpec spec;
    spec.argv = std::move(arguments);
    spec.argv.insert(spec.argv.begin(), test::test_child());
    spec.env = std::move(environment);
    spec.directory = "/";
    spec.standard_output = writing.get();
    auto made = spawn(spec);
    REQUIRE(made);
    child = std::move(*made);
    // The kernel lets the parent go on before the new program has its environment.
    const std::string path = "/proc/" + std::to_string(child.pid) + "/environ";
    REQUIRE(test::eventually([&] {
      const auto text = file::read(path, 4096);
      return (text && !text->empty()) || !lives(child.pid);
    }));
  }
  ~Started() {
    send_signal(child, SIGKILL);
    test::eventually([&] { return try_wait(child).has_value(); });
  }
  /// The number behind `word` in its output.
  pid_t number(const std::string& word) {
    std::string text;
    while (text.find(word) == std::string::npos || text.find('\n', text.find(word)) == std::string::npos) {
      char buffer[256];
      const ssize_t got = ::read(output.get(), buffer, sizeof buffer);
      REQUIRE(got > 0);
      text.append(buffer, static_cast<std::size_t>(got));
    }
    return std::stoi(text.substr(text.find(word) + word.size()));
  }
};

}  // namespace

TEST_CASE("helpers of an earlier run are ended with all they started, and nobody else",
          "[supervisor][LIF-30][LIF-125]") {
  const std::string mark = std::string(helper_variable) + "=0123456789abcdef";
  Started family({"--fork", "--session", "--daemon"}, {"PATH=/usr/bin:/bin", mark});
  const pid_t inside = family.number("child ");
  Started other({}, {std::string(helper_variable) + "=fedcba9876543210"});
  Started longer({}, {mark + "0"});
  Started stranger({}, {"PATH=/usr/bin:/bin"});
  CHECK(end_left_helpers("", 5s).empty());
  const auto sentences = end_left_helpers("0123456789abcdef", 10s);
  CHECK(sentences.size() >= 4);
  CHECK_THAT(sentences.front(), ContainsSubstring("is a helper that an earlier run left and was ended"));
  CHECK_FALSE(lives(family.child.pid));
  CHECK_FALSE(lives(inside));
  for (const Started* alive : {&other, &longer, &stranger}) CHECK(lives(alive->child.pid));
  CHECK(end_left_helpers("0123456789abcdef", 10s).empty());
}

TEST_CASE("what a helper started is ended when the helper itself has ended",
          "[supervisor][LIF-30][LIF-125]") {
  const std::string mark = std::string(helper_variable) + "=0123456789abcdef";
  Started family({"--hold", "--exit", "0"}, {mark});
  const pid_t inside = family.number("child ");
  REQUIRE(test::eventually([&] { return try_wait(family.child).has_value(); }));
  REQUIRE(lives(inside));
  CHECK(end_left_helpers("0123456789abcdef", 10s).size() == 1);
  CHECK(test::eventually([&] { return !lives(inside); }));
}

TEST_CASE("adoption ends what helpers still do, before anything is started",
          "[supervisor][LIF-30][LIF-125]") {
  const test::TempDir home;
  std::filesystem::create_directories(home.path() / "run");
  const std::string id = run_directory_id(home.path() / "run");
  test::ServiceStack stack(Containment::automatic, 3s, home.path());
  Started left({}, {std::string(helper_variable) + "=" + id});
  const Adoption found = stack.supervisor.adopt();
  CHECK_FALSE(lives(left.child.pid));
  REQUIRE(found.sentences.size() == 1);
  CHECK_THAT(found.sentences.front(), ContainsSubstring("pid " + std::to_string(left.child.pid) + " ("));
  stack.finish();
}

TEST_CASE("a helper of setup carries the mark of its run directory, a service does not",
          "[engine][LIF-30][LIF-51]") {
  Scratch s;
  auto file = Scratch::document();
  std::filesystem::create_directories(s.dir / "opt");
  std::filesystem::create_symlink(test::test_child(),
                                  s.dir / "opt/helper");  // a step's paths lie below the root
  s.overlay("phalanx_db",
            R"([{"do": "run", "argv": ["/opt/helper", "--env", "DUMB_HELPER", "--exit", "0"]}])");
  Scratch::child_of(file, "phalanx_db", {"--env", "DUMB_HELPER"});
  s.environment["DUMB_HELPER"] = "of somebody else";
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Phalanx DB")));
  const std::string id = run_directory_id(s.dir / "run/dumb");
  REQUIRE(id.size() == 16);
  const auto says = [&](const std::string& line) {
    return test::run_until(s.context, [&] { return s.main_log().find(line) != std::string::npos; });
  };
  const bool helper = says(" subprocess: DUMB_HELPER=" + id);
  const bool service = says("Phalanx DB subprocess: DUMB_HELPER is unset");
  INFO(s.main_log());
  CHECK(helper);
  CHECK(service);
  s.run(s.engine->shutdown());
}
