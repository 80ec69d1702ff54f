#include "metrics/proc_text.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <dumb/base/text.hpp>

namespace dumb::metrics {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <class Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// 0 for what is no number, or missing.
template <class Number = std::int64_t>
Number number_at(const std::vector<std::string_view>& words, std::size_t index, int base = 10) {
  Number value = 0;
  if (index >= words.size()) return 0;
  const std::string_view word = words[index];
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  return error == std::errc() && end != word.data() ? value : Number{0};
}

void set_percent(Share& share) {
  share.used = std::max<std::int64_t>(share.used, 0);
  if (share.total > 0)
    share.percent = 100.0 * static_cast<double>(share.used) / static_cast<double>(share.total);
}

/// An address as the kernel prints it: words of four bytes in its own byte order.
std::string address_text(std::string_view hex) {
  std::array<unsigned char, 16> bytes{};
  const std::size_t count = hex.size() / 2;
  if (count != 4 && count != 16) return std::string();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t within = i / 4 * 4 + (3 - i % 4);
    std::from_chars(hex.data() + 2 * within, hex.data() + 2 * within + 2, bytes[i], 16);
  }
  std::array<char, INET6_ADDRSTRLEN> out{};
  const char* made = ::inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes.data(), out.data(), out.size());
  return made != nullptr ? std::string(made) : std::string();
}

}  // namespace

StatFile parse_stat_file(std::string_view text) {
  StatFile out;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.empty()) return;
    if (words[0] == "cpu") {
      // Time of guests is part of that of users already.
      for (std::size_t i = 1; i < std::min<std::size_t>(words.size(), 9); ++i)
        out.cpu.total += number_at<std::uint64_t>(words, i);
      out.cpu.idle = number_at<std::uint64_t>(words, 4) + number_at<std::uint64_t>(words, 5);
    } else if (words[0].starts_with("cpu")) {
      ++out.processors;
    } else if (words[0] == "btime") {
      out.boot_time = static_cast<double>(number_at(words, 1));
    }
  });
  return out;
}

MemoryFile parse_meminfo(std::string_view text) {
  MemoryFile out;
  std::int64_t available = 0;
  std::int64_t swap_free = 0;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 2) return;
    const std::int64_t bytes = number_at(words, 1) * 1024;
    if (words[0] == "MemTotal:") out.mem.total = bytes;
    if (words[0] == "MemAvailable:") available = bytes;
    if (words[0] == "SwapTotal:") out.swap.total = bytes;
    if (words[0] == "SwapFree:") swap_free = bytes;
  });
  out.mem.used = out.mem.total - available;
  out.swap.used = out.swap.total - swap_free;
  set_percent(out.mem);
  set_percent(out.swap);
  return out;
}

std::optional<std::vector<double>> parse_loadavg(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() < 3) return std::nullopt;
  std::vector<double> loads;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto value = text::to_double(words[i]);
    if (!value) return std::nullopt;
    loads.push_back(*value);
  }
  return loads;
}

DiskCounters parse_diskstats(std::string_view text, const std::set<std::string, std::less<>>& disks) {
  constexpr std::int64_t sector = 512;  // whatever the disk's own is
  DiskCounters out;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 10) return;
    const std::string_view name = words[2];
    const bool made_up = name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram");
    if (made_up || disks.find(name) == disks.end()) return;
    out.read_count += number_at(words, 3);
    out.read_bytes += number_at(words, 5) * sector;
    out.write_count += number_at(words, 7);
    out.write_bytes += number_at(words, 9) * sector;
  });
  return out;
}

NetCounters parse_net_dev(std::string_view text) {
  NetCounters out;
  each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || text::trim(line.substr(0, colon)) == "lo") return;
    const auto words = words_of(line.substr(colon + 1));
    if (words.size() < 10) return;
    out.recv_bytes += number_at(words, 0);
    out.recv_packets += number_at(words, 1);
    out.sent_bytes += number_at(words, 8);
    out.sent_packets += number_at(words, 9);
  });
  return out;
}

DiskCounters parse_io_stat(std::string_view text) {
  DiskCounters out;
  each_line(text, [&](std::string_view line) {
    for (const std::string_view word : words_of(line)) {
      const std::size_t equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      const std::int64_t value = number_at({word.substr(equals + 1)}, 0);
      const std::string_view key = word.substr(0, equals);
      if (key == "rbytes") out.read_bytes += value;
      if (key == "wbytes") out.write_bytes += value;
      if (key == "rios") out.read_count += value;
      if (key == "wios") out.write_count += value;
    }
  });
  return out;
}

std::optional<double> parse_cpu_max(std::string_view text) {
  const auto words = words_of(text::trim(text));
  const auto quota = number_at(words, 0);
  const auto period = number_at(words, 1);
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<double>(quota) / static_cast<double>(period);
}

std::optional<PidStat> parse_pid_stat(std::string_view line) {
  // The name may hold blanks and parentheses.
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  const auto words = words_of(text::trim(line.substr(close + 1)));
  if (words.size() < 22) return std::nullopt;
  constexpr std::uint64_t kernel_thread = 0x00200000;  // PF_KTHREAD
  PidStat out;
  out.name = std::string(line.substr(open + 1, close - open - 1));
  out.parent = number_at(words, 1);
  out.kernel = (number_at<std::uint64_t>(words, 6) & kernel_thread) != 0;
  out.ticks = number_at<std::uint64_t>(words, 11) + number_at<std::uint64_t>(words, 12);
  out.threads = number_at(words, 17);
  out.start_ticks = number_at<std::uint64_t>(words, 19);
  out.vms = number_at(words, 20);
  out.rss_pages = number_at(words, 21);
  return out;
}

std::optional<DiskCounters> parse_pid_io(std::string_view text) {
  DiskCounters out;
  int found = 0;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() != 2) return;
    const auto take = [&](std::string_view name, std::int64_t& into) {
      if (words[0] != name) return;
      into = number_at(words, 1);
      ++found;
    };
    take("read_bytes:", out.read_bytes);
    take("write_bytes:", out.write_bytes);
    take("syscr:", out.read_count);
    take("syscw:", out.write_count);
  });
  return found == 4 ? std::optional<DiskCounters>(out) : std::nullopt;
}

std::optional<std::string> parse_container(std::string_view cgroup) {
  std::optional<std::string> out;
  each_line(cgroup, [&](std::string_view line) {
    const std::size_t path = line.rfind(':');
    if (out || path == std::string_view::npos) return;
    const std::string_view group = line.substr(path + 1);
    if (group.find("docker") == std::string_view::npos && group.find("kubepods") == std::string_view::npos)
      return;
    const std::string_view last = group.substr(group.rfind('/') + 1);
    if (!last.empty()) out = std::string(last);
  });
  return out;
}

std::vector<TcpEntry> parse_tcp(std::string_view text) {
  std::vector<TcpEntry> out;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 10 || !words[0].ends_with(':')) return;
    const auto state = number_at<unsigned>(words, 3, 16);
    TcpEntry entry;
    entry.established = state == 1;
    entry.listens = state == 10;
    if (!entry.established && !entry.listens) return;
    const auto endpoint = [](std::string_view word, std::int64_t& port) {
      const std::size_t colon = word.find(':');
      json::array pair;
      if (colon == std::string_view::npos) return pair;
      port = number_at<std::int64_t>({word.substr(colon + 1)}, 0, 16);
      pair.emplace_back(address_text(word.substr(0, colon)));
      pair.emplace_back(port);
      return pair;
    };
    std::int64_t remote_port = 0;
    entry.local = endpoint(words[1], entry.port);
    entry.remote = endpoint(words[2], remote_port);
    entry.inode = number_at<std::uint64_t>(words, 9);
    if (entry.local.size() == 2 && entry.remote.size() == 2) out.push_back(std::move(entry));
  });
  return out;
}

}  // namespace dumb::metrics
