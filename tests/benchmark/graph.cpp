// The dependency model at sizes nobody has, and the answers that are asked for most.
//
//   dumb-bench-graph [RUNS]
//
// Synthetic stacks of 10,000 and 20,000 processes with four edges each, in the mix of signals of a real one.
// Floors, measured in the same run: a plain topological sort (Kahn) over the same edges in one vector, and
// serialising an answer that is already a JSON value. Prints medians and ratios; CPU time of one thread.
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <dumb/base/codec.hpp>
#include <dumb/engine/engine.hpp>
#include <dumb/graph/answer.hpp>
#include <dumb/graph/drawing.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace dumb;
using graph::Index;

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Median of `runs` times, milliseconds.
double measure(int runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (int run = 0; run < runs; ++run) {
    const double begin = cpu_seconds();
    work();
    times.push_back((cpu_seconds() - begin) * 1000);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::string name_of(int i) {
  return "Process " + std::to_string(100'000 + i);
}

/// Every process needs four earlier ones: by name, by URL, by mount and through its core service.
json::object synthetic(int count) {
  std::mt19937 random(1);
  json::object document;
  document.reserve(static_cast<std::size_t>(count));
  const auto earlier = [&](int i) { return static_cast<int>(random() % static_cast<unsigned>(i)); };
  for (int i = 0; i < count; ++i) {
    json::object block;
    block["enabled"] = true;
    block["process_name"] = name_of(i);
    block["command"] = json::array{json::value("/bin/true")};
    // Ports repeat after 60,000, which only adds edges.
    block["port"] = 1024 + i % 60'000;
    block["mount_dir"] = "/mnt/" + std::to_string(i % 100);
    block["mount_name"] = "m" + std::to_string(i);
    if (i > 8) {
      block["depends_on"] = json::array{json::value(name_of(earlier(i)))};
      block["wait_for_url"] = json::array{
          json::object{{"url", "http://127.0.0.1:" + std::to_string(1024 + earlier(i) % 60'000) + "/ping"}}};
      const int mount = earlier(i);
      block["wait_for_mounts"] =
          json::array{json::value("/mnt/" + std::to_string(mount % 100) + "/m" + std::to_string(mount))};
      block["core_service"] = "key" + std::to_string(earlier(i));
    }
    document["key" + std::to_string(i)] = std::move(block);
  }
  return document;
}

/// The floor of planning: levels of the same edges, nothing else.
std::size_t kahn(const std::vector<std::vector<Index>>& dependents, std::vector<Index> open) {
  std::vector<Index> ready;
  std::vector<Index> level(open.size(), 0);
  for (Index node = 0; node < open.size(); ++node) {
    if (open[node] == 0) ready.push_back(node);
  }
  for (std::size_t head = 0; head < ready.size(); ++head) {
    for (const Index next : dependents[ready[head]]) {
      level[next] = std::max(level[next], level[ready[head]] + 1);
      if (--open[next] == 0) ready.push_back(next);
    }
  }
  return ready.size();
}

void large(int count, int runs) {
  const json::object document = synthetic(count);
  const config::Snapshot config(document, {}, 1);
  const catalog::Catalog& catalog = catalog::Catalog::embedded();
  const double build = measure(runs, [&] { graph::Model model(config, catalog); });
  const auto before = ::mallinfo2();
  graph::Model model(config, catalog);
  const auto after = ::mallinfo2();
  graph::Plan plan;
  const double planning = measure(runs, [&] { plan = graph::plan(model, {}, WallTime{}).value(); });

  // One block of the middle loses a need and gains it again.
  json::object changed = document;
  changed["key" + std::to_string(count / 2)].as_object().erase("depends_on");
  const config::Snapshot next(changed, {}, 2);
  const std::vector<std::string> names{name_of(count / 2)};
  bool back = false;
  const double change = measure(runs * 2, [&] {
    model.update(back ? config : next, names);
    back = !back;
  });
  const double full_difference = measure(runs, [&] { model.update(config); });

  std::vector<std::vector<Index>> dependents(model.bound());
  std::vector<Index> open(model.bound(), 0);
  for (const Index index : model.by_name()) {
    for (const graph::Edge& edge : model.outgoing(index)) {
      dependents[edge.target].push_back(edge.source);
      ++open[edge.source];
    }
  }
  std::size_t sorted = 0;
  const double floor = measure(runs, [&] { sorted = kahn(dependents, open); });
  const double drawing = measure(runs, [&] { (void)graph::to_dot(plan); });
  std::printf("%d processes, %zu edges, %zu levels, %zu sorted\n", count,
              static_cast<std::size_t>(plan.edge_count), plan.groups.size(), sorted);
  std::printf("  build from the configuration  %8.2f ms\n", build);
  std::printf("  memory of the model           %8.1f MiB\n",
              static_cast<double>(after.uordblks - before.uordblks) / (1024 * 1024));
  std::printf("  plan                          %8.2f ms\n", planning);
  std::printf("  plain topological sort        %8.2f ms   ratio %.1f\n", floor, planning / floor);
  std::printf("  one process changed, named    %8.3f ms\n", change);
  std::printf("  compared with the same        %8.2f ms\n", full_difference);
  std::printf("  drawn for Graphviz            %8.2f ms\n", drawing);
}

/// A stack of sixty services: what people run, with several instances of each.
json::object sixty() {
  json::object document = json::parse(R"({
    "dumb": {"api_service": {"enabled": true, "process_name": "DUMB API", "port": 8000},
             "frontend": {"enabled": true, "process_name": "DUMB Frontend", "port": 3005}},
    "postgres": {"enabled": true, "process_name": "PostgreSQL", "port": 5432},
    "pgadmin": {"enabled": true, "process_name": "pgAdmin4", "port": 5050},
    "zilean": {"enabled": true, "process_name": "Zilean", "port": 8182},
    "riven_backend": {"enabled": true, "process_name": "Riven Backend", "port": 8080,
                      "wait_for_dir": "/mnt/debrid/r0/__all__"},
    "riven_frontend": {"enabled": true, "process_name": "Riven Frontend", "port": 3000},
    "cli_debrid": {"enabled": true, "process_name": "CLI Debrid", "port": 5000},
    "cli_battery": {"enabled": true, "process_name": "CLI Battery", "port": 5001},
    "decypharr": {"enabled": true, "process_name": "Decypharr", "port": 8282, "mount_type": "dfs",
                  "mount_path": "/mnt/debrid/decypharr"},
    "plex": {"enabled": true, "process_name": "Plex Media Server", "port": 32400,
             "wait_for_mounts": ["/mnt/debrid/r0", "/mnt/debrid/r1", "/mnt/debrid/decypharr"]},
    "jellyfin": {"enabled": true, "process_name": "Jellyfin Media Server", "port": 8096,
                 "wait_for_mounts": ["/mnt/debrid/r0"]},
    "tautulli": {"enabled": true, "process_name": "Tautulli", "port": 8181}})")
                              .as_object();
  const auto add = [&](const char* key, int count, const std::function<json::object(int)>& block) {
    json::object instances;
    for (int i = 0; i < count; ++i) instances["I" + std::to_string(i)] = block(i);
    document[key] = json::object{{"instances", std::move(instances)}};
  };
  const auto base = [](const std::string& name, int port) {
    return json::object{{"enabled", true}, {"process_name", name}, {"port", port}};
  };
  add("zurg", 4, [&](int i) {
    json::object block = base("Zurg " + std::to_string(i), 9090 + i);
    block["core_service"] = i % 2 == 0 ? "riven_backend" : "cli_debrid";
    return block;
  });
  add("rclone", 5, [&](int i) {
    json::object block = base("Rclone " + std::to_string(i), 5572 + i);
    block["core_service"] = i % 2 == 0 ? "riven_backend" : "cli_debrid";
    block["zurg_enabled"] = true;
    block["mount_dir"] = "/mnt/debrid";
    block["mount_name"] = "r" + std::to_string(i);
    block["wait_for_url"] =
        json::array{json::object{{"url", "http://localhost:" + std::to_string(9090 + i % 4) + "/dav/"},
                                 {"auth", json::object{{"user", "u"}, {"password", "p"}}}}};
    return block;
  });
  for (const auto& [key, port] :
       {std::pair("sonarr", 8989), std::pair("radarr", 7878), std::pair("lidarr", 8686)}) {
    add(key, 10, [&, key = key, port = port](int i) {
      json::object block = base(std::string(key) + " " + std::to_string(i), port + i);
      block["core_service"] = "decypharr";
      return block;
    });
  }
  add("prowlarr", 2, [&](int i) {
    json::object block = base("Prowlarr " + std::to_string(i), 9696 + i);
    block["wait_for_url"] = json::array{json::object{{"url", "http://127.0.0.1:8989/ping"}},
                                        json::object{{"url", "http://127.0.0.1:7878/ping"}}};
    return block;
  });
  add("seerr", 3, [&](int i) {
    json::object block = base("Seerr " + std::to_string(i), 5055 + i);
    block["wait_for_url"] =
        json::array{json::object{{"url", "http://127.0.0.1:32400/identity"}, {"core_service", "plex"}}};
    return block;
  });
  add("bazarr", 3, [&](int i) { return base("Bazarr " + std::to_string(i), 6767 + i); });
  return document;
}

/// A directory of this run's own, removed at its end.
class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dumb-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = pattern;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Whole answers of a real engine: entries, states, model and text.
void answers(int runs) {
  const Directory directory;
  std::filesystem::create_directory(directory.path() / "config");
  std::ofstream(directory.path() / "config/dumb_config.json") << json::serialize(sixty());
  boost::asio::io_context context;
  engine::Options options;
  options.root = Root(directory.path());
  options.log_to_standard_output = false;
  auto opened = engine::Engine::open(context, std::move(options));
  if (!opened) throw std::runtime_error(opened.error().to_string());
  engine::Engine& engine = **opened;
  std::vector<std::string> all;
  for (const config::BlockRef& ref : engine.config()->blocks()) {
    if (ref.enabled) all.push_back(ref.process_name);
  }
  std::size_t bytes = 0;
  const auto one = [&](const std::string& name) {
    const auto answer = engine.dependency_graph(name, "runtime");
    return json::serialize(codec::encode(answer.value()));
  };
  constexpr int rounds = 20;
  const auto count = static_cast<double>(all.size() * rounds);
  const double own = measure(runs, [&] {
    for (int round = 0; round < rounds; ++round) {
      for (const std::string& name : all) bytes += one(name).size();
    }
  });
  std::vector<json::value> values;
  for (const std::string& name : all) values.push_back(json::parse(one(name)));
  const double floor = measure(runs, [&] {
    for (int round = 0; round < rounds; ++round) {
      for (const json::value& value : values) bytes += json::serialize(value).size();
    }
  });
  std::printf("dependency graph of a stack of %zu services (%zu processes), %.1f kB each\n", all.size(),
              engine.config()->blocks().size(),
              static_cast<double>(json::serialize(values[0]).size()) / 1000);
  std::printf("  answers per CPU second        %8.0f\n", count * 1000 / own);
  std::printf("  only serialising their JSON   %8.0f   ratio %.2f\n", count * 1000 / floor, own / floor);
  if (bytes == 0) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 11;
  answers(runs);
  for (const int count : {10'000, 20'000}) large(count, runs);
}
