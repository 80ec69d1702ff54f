#include <boost/json.hpp>

#include "engine/ffprobe_monitor.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::engine;
using namespace std::chrono_literals;

namespace {

/// sonarr (100) - shell (101) - ffprobe (102, hanging), and what a case adds.
struct Table {
  std::vector<FfprobeTarget> targets{{"Sonarr", 100}, {"Radarr", 200}};
  std::vector<SeenProcess> processes{{1, 0, 'S', 1h, "init", {}},
                                     {100, 1, 'S', 1h, "Sonarr", {}},
                                     {101, 100, 'S', 1h, "sh", {}},
                                     {200, 1, 'S', 1h, "Radarr", {}}};
  FfprobeSettings settings;
  FfprobeMonitor monitor;
  test::FakeClock clock;

  void hang(pid_t pid, pid_t parent, const std::string& file, std::chrono::milliseconds age = 40s,
            char state = 'D', const std::string& name = "ffprobe") {
    processes.push_back({pid, parent, state, age, name, {"ffprobe", "-v", "quiet", file}});
  }
  std::vector<std::string> cycle() {
    std::vector<std::string> paths;
    for (const auto& poke : monitor.cycle(settings, targets, processes, clock.now()))
      paths.push_back(poke.path);
    return paths;
  }
  /// A cycle whose reads end at once.
  std::vector<std::string> short_cycle() {
    auto paths = cycle();
    for (const std::string& path : paths) monitor.finished(path);
    return paths;
  }
};

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("only an old ffprobe in state D below a watched service is helped", "[engine][LIF-131]") {
  Table t;
  t.hang(102, 101, "/mnt/deep.mkv");
  t.hang(103, 100, "/mnt/sleeping.mkv", 40s, 'S');
  t.hang(104, 100, "/mnt/young.mkv", 30s);
  t.hang(105, 100, "/mnt/other.mkv", 40s, 'D', "ffmpeg");
  t.hang(106, 1, "/mnt/stranger.mkv");
  t.hang(107, 999, "/mnt/orphan.mkv");
  const auto pokes = t.monitor.cycle(t.settings, t.targets, t.processes, t.clock.now());
  REQUIRE(pokes.size() == 1);
  CHECK(pokes[0].path == "/mnt/deep.mkv");
  CHECK(pokes[0].process_name == "Sonarr");
}

TEST_CASE("a process table with a loop of parents ends the search", "[engine][LIF-131]") {
  Table t;
  t.processes.push_back({300, 301, 'D', 1h, "ffprobe", {"ffprobe", "/mnt/a.mkv"}});
  t.processes.push_back({301, 300, 'D', 1h, "ffprobe", {"ffprobe", "/mnt/b.mkv"}});
  CHECK(t.cycle().empty());
}

TEST_CASE("the input is what follows -i, else the last argument that is no option", "[engine][LIF-131]") {
  using Argv = std::vector<std::string>;
  CHECK(ffprobe_input(Argv{"ffprobe", "-i", "/a b.mkv", "-v", "quiet"}) == "/a b.mkv");
  CHECK(ffprobe_input(Argv{"/opt/ffprobe", "-loglevel", "error", "-show_format", "/c.mkv", "-sexagesimal"}) ==
        "/c.mkv");
  CHECK(ffprobe_input(Argv{"ffprobe", "/first.mkv", "/last.mkv"}) == "/last.mkv");
  CHECK_FALSE(ffprobe_input(Argv{"ffprobe", "-version"}));
  CHECK_FALSE(ffprobe_input(Argv{"ffprobe", "-i"}));
  CHECK_FALSE(ffprobe_input(Argv{"ffprobe"}));
  CHECK_FALSE(ffprobe_input(Argv{}));
  // It would be read as an option.
  CHECK_FALSE(ffprobe_input(Argv{"ffprobe", "-i", "-report"}));
  FfprobeSettings settings;
  settings.program = "/usr/lib/ffprobe";
  CHECK(poke_command(settings, "/a b.mkv") == Argv{"/usr/lib/ffprobe", "-v", "quiet", "-print_format", "json",
                                                   "-show_format", "-show_streams", "/a b.mkv"});
}

TEST_CASE("a path is read at most once per interval and never twice at a time", "[engine][LIF-131]") {
  Table t;
  t.hang(102, 101, "/mnt/a.mkv");
  t.hang(103, 101, "/mnt/a.mkv");
  CHECK(t.cycle() == Paths{"/mnt/a.mkv"});
  t.clock.advance(61s);
  CHECK(t.cycle().empty());  // the first read hangs too
  t.monitor.finished("/mnt/a.mkv");
  CHECK(t.cycle() == Paths{"/mnt/a.mkv"});
  t.monitor.finished("/mnt/a.mkv");
  t.clock.advance(59s);
  CHECK(t.cycle().empty());
  t.clock.advance(1s);
  CHECK(t.cycle() == Paths{"/mnt/a.mkv"});
}

TEST_CASE("a cycle reads no more than its limit, the longest waiting first", "[engine][LIF-131]") {
  Table t;
  t.settings.max_pokes = 2;
  t.hang(102, 101, "/mnt/a.mkv", 40s);
  t.hang(103, 200, "/mnt/b.mkv", 90s);
  t.hang(104, 200, "/mnt/c.mkv", 50s);
  CHECK(t.cycle() == Paths{"/mnt/b.mkv", "/mnt/c.mkv"});
  CHECK(t.cycle().empty());  // both still read
  t.monitor.finished("/mnt/b.mkv");
  CHECK(t.cycle() == Paths{"/mnt/a.mkv"});
  t.settings.max_pokes = 0;
  t.monitor.finished("/mnt/c.mkv");
  t.clock.advance(2min);
  CHECK(t.cycle().empty());
}

TEST_CASE("the memory of a path lasts as long as the longer of both settings", "[engine][LIF-131]") {
  Table t;
  t.hang(102, 101, "/mnt/a.mkv");
  // A short memory must not undo the interval between two reads.
  t.settings.memory = 1s;
  CHECK(t.short_cycle() == Paths{"/mnt/a.mkv"});
  t.clock.advance(30s);
  CHECK(t.short_cycle().empty());
  t.clock.advance(30s);
  CHECK(t.short_cycle() == Paths{"/mnt/a.mkv"});
  // What is forgotten may be read again even when the interval has become longer since.
  t.clock.advance(70s);
  const auto targets = std::exchange(t.targets, {});
  CHECK(t.cycle().empty());
  t.targets = targets;
  t.settings.min_poke_interval = 10min;
  CHECK(t.short_cycle() == Paths{"/mnt/a.mkv"});
}

TEST_CASE("an ffprobe monitor that is off or has nothing to watch is idle and says so once",
          "[engine][LIF-131]") {
  Table t;
  t.hang(102, 101, "/mnt/a.mkv");
  const std::vector<FfprobeTarget> none;
  CHECK(*t.monitor.change(t.settings, none) == "the ffprobe monitor is idle: no sonarr or radarr runs");
  CHECK_FALSE(t.monitor.change(t.settings, none));
  CHECK(t.monitor.cycle(t.settings, none, t.processes, t.clock.now()).empty());
  CHECK(*t.monitor.change(t.settings, t.targets) == "the ffprobe monitor watches Sonarr, Radarr");
  CHECK_FALSE(t.monitor.change(t.settings, t.targets));
  t.settings.enabled = false;
  CHECK(*t.monitor.change(t.settings, t.targets) == "the ffprobe monitor is off");
  CHECK_FALSE(t.monitor.change(t.settings, none));
  CHECK(t.cycle().empty());
  t.settings.enabled = true;
  CHECK(t.cycle() == Paths{"/mnt/a.mkv"});
}

TEST_CASE("the settings of the ffprobe monitor come from the document", "[engine][CFG-14][LIF-131]") {
  const FfprobeSettings standard = ffprobe_settings({});
  CHECK(standard.enabled);
  CHECK(standard.interval == 10s);
  CHECK(standard.min_age == 30s);
  CHECK(standard.min_poke_interval == 60s);
  CHECK(standard.poke_timeout == 30s);
  CHECK(standard.memory == 3600s);
  CHECK(standard.max_pokes == 3);
  CHECK(standard.program == "ffprobe");
  const auto document = *jsonx::parse(R"({"dumb": {"ffprobe_monitor": {"enabled": false, "interval_sec": 0.2,
    "min_process_age_sec": 2.5, "min_poke_interval_sec": 7, "poke_timeout_sec": 4, "max_pokes_per_cycle": -1,
    "cache_ttl_sec": 1e300, "ffprobe_path": "/usr/lib/ffprobe"}}})");
  const FfprobeSettings given = ffprobe_settings(document.as_object());
  CHECK_FALSE(given.enabled);
  CHECK(given.interval == 1s);
  CHECK(given.min_age == 2500ms);
  CHECK(given.min_poke_interval == 7s);
  CHECK(given.poke_timeout == 4s);
  CHECK(given.max_pokes == 0);
  CHECK(given.memory > 24h);
  CHECK(given.program == "/usr/lib/ffprobe");
}
