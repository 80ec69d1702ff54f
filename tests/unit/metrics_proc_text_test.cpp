#include "metrics/proc_text.hpp"

#include <boost/json.hpp>
#include <dumb/base/codec_text.hpp>
#include <dumb/metrics/sampler.hpp>

#include "engine/metrics_service.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::metrics;

namespace {

json::value parsed(std::string_view text) {
  auto value = jsonx::parse(text);
  REQUIRE(value);
  return *value;
}

}  // namespace

TEST_CASE("the machine's processors and boot are read from /proc/stat", "[metrics][UI-110]") {
  const StatFile stat = parse_stat_file(
      "cpu  100 20 30 400 50 6 7 8 90 10\n"
      "cpu0 50 10 15 200 25 3 3 4 45 5\n"
      "cpu1 50 10 15 200 25 3 4 4 45 5\n"
      "intr 12 0\nctxt 5\nbtime 1770000000\n");
  CHECK(stat.cpu.total == 621);  // without guests, whose time is in that of users
  CHECK(stat.cpu.idle == 450);
  CHECK(stat.processors == 2);
  CHECK(stat.boot_time == 1770000000);
  CHECK(parse_stat_file("cpu\nbtime x\n\n").cpu.total == 0);
}

TEST_CASE("memory in use is what is not available", "[metrics][UI-110]") {
  const MemoryFile memory = parse_meminfo(
      "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    250 kB\nSwapTotal: 400 kB\nSwapFree: 300 "
      "kB\n");
  CHECK(memory.mem.total == 1'024'000);
  CHECK(memory.mem.used == 768'000);
  CHECK(memory.mem.percent == Approx(75));
  CHECK(memory.swap.used == 102'400);
  CHECK(memory.swap.percent == Approx(25));
  const MemoryFile none =
      parse_meminfo("MemTotal: 8 kB\nMemAvailable: 8 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
  CHECK(none.swap.percent == 0);
  CHECK(none.mem.used == 0);
}

TEST_CASE("loads are three numbers or nothing", "[metrics][UI-110]") {
  CHECK(parse_loadavg("0.52 1.25 3.00 1/200 4242\n") == std::vector<double>{0.52, 1.25, 3.0});
  CHECK_FALSE(parse_loadavg("0.52 x 3.00"));
  CHECK_FALSE(parse_loadavg(""));
}

TEST_CASE("disk counters are those of whole disks that are none", "[metrics][UI-110]") {
  const std::string_view text =
      "   8       0 sda 10 1 20 5 30 2 40 6 0 9 11\n"
      "   8       1 sda1 10 1 20 5 30 2 40 6 0 9 11\n"
      "   7       0 loop0 99 0 99 0 99 0 99 0 0 0 0\n"
      " 252       0 zram0 99 0 99 0 99 0 99 0 0 0 0\n"
      " 259       0 nvme0n1 1 0 2 0 3 0 4 0 0 0 0\n"
      "broken\n";
  const DiskCounters counters = parse_diskstats(text, {"sda", "nvme0n1", "loop0", "zram0"});
  CHECK(counters.read_count == 11);
  CHECK(counters.read_bytes == 22 * 512);
  CHECK(counters.write_count == 33);
  CHECK(counters.write_bytes == 44 * 512);
}

TEST_CASE("network counters leave out what stays on the machine", "[metrics][UI-110]") {
  const NetCounters counters = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
      "    lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0\n"
      "  eth0: 200 2 0 0 0 0 0 0 300 3 0 0 0 0 0 0\n"
      "wlan0:50 1 0 0 0 0 0 0 60 2 0 0 0 0 0 0\n");
  CHECK(counters.recv_bytes == 250);
  CHECK(counters.recv_packets == 3);
  CHECK(counters.sent_bytes == 360);
  CHECK(counters.sent_packets == 5);
}

TEST_CASE("limits and counters of a control group", "[metrics][UI-110][UI-113]") {
  CHECK(parse_cpu_max("150000 100000\n") == 1.5);
  CHECK_FALSE(parse_cpu_max("max 100000\n"));
  CHECK_FALSE(parse_cpu_max(""));
  const DiskCounters counters = parse_io_stat(
      "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n259:0 rbytes=1 wbytes=2 rios=3 wios=4\n");
  CHECK(counters.read_bytes == 11);
  CHECK(counters.write_bytes == 22);
  CHECK(counters.read_count == 4);
  CHECK(counters.write_count == 6);
}

TEST_CASE("a process's line is read whatever its name holds", "[metrics][UI-111]") {
  const auto stat = parse_pid_stat(
      "42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 5 5 20 0 3 0 1234 8192000 250 "
      "18446744073709551615\n");
  REQUIRE(stat);
  CHECK(stat->name == "a) b (c");
  CHECK(stat->parent == 7);
  CHECK(stat->ticks == 33);
  CHECK(stat->threads == 3);
  CHECK(stat->start_ticks == 1234);
  CHECK(stat->vms == 8192000);
  CHECK(stat->rss_pages == 250);
  CHECK_FALSE(stat->kernel);
  const auto kernel = parse_pid_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0\n");
  REQUIRE(kernel);
  CHECK(kernel->kernel);
  for (const char* bad : {"", "42 (a S 7", "42 a) S", "42 (a) S 1 2 3"}) CHECK_FALSE(parse_pid_stat(bad));
}

TEST_CASE("input and output of a process are counted or not readable", "[metrics][UI-111]") {
  const auto io = parse_pid_io(
      "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 0\n");
  REQUIRE(io);
  CHECK(io->read_bytes == 5);
  CHECK(io->write_bytes == 6);
  CHECK(io->read_count == 3);
  CHECK(io->write_count == 4);
  CHECK_FALSE(parse_pid_io(""));
}

TEST_CASE("a container is named by the end of its group's path", "[metrics][UI-111]") {
  CHECK(parse_container("0::/system.slice/docker-abc.scope\n") == "docker-abc.scope");
  CHECK(parse_container("12:cpu:/\n1:name=systemd:/kubepods/besteffort/pod1/def\n") == "def");
  CHECK_FALSE(parse_container("0::/user.slice/session-1.scope\n"));
}

TEST_CASE("sockets that listen or are connected are read for both protocols", "[metrics][UI-111]") {
  const auto four = parse_tcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1\n"
      "   1: 0100007F:1F90 0200A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 1002 1\n"
      "   2: 0100007F:1F90 0200A8C0:C351 06 00000000:00000000 00:00000000 00000000     0        0 0 1\n");
  REQUIRE(four.size() == 2);
  CHECK(four[0].listens);
  CHECK(four[0].port == 8080);
  CHECK(four[0].inode == 1001);
  CHECK(four[1].established);
  CHECK(four[1].local == json::array{"127.0.0.1", 8080});
  CHECK(four[1].remote == json::array{"192.168.0.2", 50000});
  const auto six = parse_tcp(
      "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 "
      "1\n"
      "   1: 0000000000000000FFFF00000100007F:0050 B80D0120000000000000000001000000:0051 01 0:0 00:0 0 0 0 8 "
      "1\n");
  REQUIRE(six.size() == 2);
  CHECK(six[0].local == json::array{"::1", 80});
  CHECK(six[1].local == json::array{"::ffff:127.0.0.1", 80});
  CHECK(six[1].remote == json::array{"2001:db8::1", 81});
}

TEST_CASE("what another process was told of a file system is read", "[metrics][UI-112][UI-114]") {
  const auto answer = parse_path_answer("9f4a1c 4096 1000 400 350\n");
  REQUIRE(answer);
  REQUIRE(answer->usage);
  CHECK(answer->usage->total == 4'096'000);
  CHECK(answer->usage->used == 600 * 4096);
  CHECK(answer->usage->percent == Approx(100.0 * 600 / 950));
  CHECK(answer->file_system != parse_path_answer("9f4a1d 4096 1000 400 350")->file_system);
  for (const char* bad : {"", "1 2 3 4", "x 1 2 3 4", "1 2 3 4 y", "stat: cannot read file system"})
    CHECK_FALSE(parse_path_answer(bad));
}

TEST_CASE("paths of a service are its own, the data root's and those of mounts", "[metrics][UI-112]") {
  const json::object document = parsed(R"({
    "data_root": "/data",
    "rclone": {"instances": {"RD": {"mount_dir": "/mnt/debrid", "mount_name": "rclone_RD"}, "odd": 1}}})")
                                    .as_object();
  const json::object block = parsed(R"({
    "config_dir": "/riven/", "config_file": "/riven/data/settings.json", "log_file": "/log/riven.log",
    "env": {"A": "/downloads", "B": "{data_root}/x", "C": "/x/{port}", "D": "plain", "E": 7}})")
                                 .as_object();
  CHECK(engine::watched_paths(document, block) ==
        std::set<std::string>{"/data", "/downloads", "/log", "/mnt/debrid", "/mnt/debrid/rclone_RD",
                              "/riven/", "/riven/data"});
  CHECK(engine::watched_paths({}, {}).empty());
}

TEST_CASE("a process that is gone keeps its name and number", "[metrics][UI-110][UI-111]") {
  Snapshot snapshot;
  ProcessUsage& gone = snapshot.dumb_managed.emplace_back();
  gone.name = "Gone";
  gone.pid = 7;
  const json::value text = parsed(codec::to_text(snapshot));
  CHECK(jsonx::print_compact(text.at("dumb_managed").at(0)) ==
        R"({"name":"Gone","pid":7,"cpu_percent":null,"disk_io":null,"container_id":null})");
  CHECK(text.at("system").at("cpu_percent").is_null());
}
