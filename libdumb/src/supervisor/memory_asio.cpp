#include "supervisor/memory_asio.hpp"

#include <dumb/base/atomic_file.hpp>
#include <utility>

#include "supervisor/proc_posix.hpp"
#include "supervisor/records_posix.hpp"

namespace dumb::supervisor {
namespace {

constexpr std::chrono::milliseconds moment{20};

}  // namespace

MemoryFile::MemoryFile(const boost::asio::any_io_executor& executor, std::filesystem::path path,
                       logs::LogService& logs, Collect collect)
    : path_(std::move(path)), logs_(logs), collect_(std::move(collect)), timer_(executor) {}

const std::string& MemoryFile::life() {
  if (life_.empty()) life_ = process_life_id();
  return life_;
}

void MemoryFile::load() {
  auto text = file::read(path_, std::uint64_t{16} << 20U);
  if (!text) return;
  auto memories = parse_memories(*text, life());
  if (!memories) {
    logs_.warning("how often services were restarted is not known: " + path_.filename().native() + " " +
                  memories.error().to_string());
    return;
  }
  written_ = std::move(*text);
  for (ServiceMemory& memory : *memories) {
    std::string name = memory.process_name;
    left_.insert_or_assign(std::move(name), std::move(memory));
  }
}

std::optional<ServiceMemory> MemoryFile::take(std::string_view process_name) {
  const auto found = left_.find(process_name);
  if (found == left_.end()) return std::nullopt;
  ServiceMemory memory = std::move(found->second);
  left_.erase(found);
  return memory;
}

bool MemoryFile::holds(std::string_view process_name) const {
  return left_.contains(process_name);
}

void MemoryFile::write_soon() {
  if (!collect_ || std::exchange(due_, true)) return;
  timer_.expires_after(moment);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    self->due_ = false;
    if (!error) self->write_now();
  });
}

void MemoryFile::write_now() {
  if (!collect_) return;
  std::vector<ServiceMemory> memories = collect_();
  std::erase_if(memories, [](const ServiceMemory& memory) { return !worth_remembering(memory); });
  for (const auto& [name, memory] : left_) memories.push_back(memory);
  if (memories.empty() && written_.empty()) return;
  std::string text = print_memories(memories, life());
  if (text == written_) return;
  if (auto done = replace_file(path_, text); !done) {
    if (!std::exchange(told_, true))
      logs_.warning("how often services were restarted is not recorded: " + done.error().to_string());
    return;
  }
  told_ = false;
  written_ = std::move(text);
}

void MemoryFile::forget() {
  close();
  std::error_code none;
  std::filesystem::remove(path_, none);
}

void MemoryFile::close() {
  collect_ = nullptr;
  timer_.cancel();
}

}  // namespace dumb::supervisor
