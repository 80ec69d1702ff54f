#include "engine/line_file.hpp"

#include <ctime>
#include <utility>

namespace dumb::engine {

std::string LineFile::flush() {
  const std::lock_guard lock(sink_mutex_);
  std::vector<std::string> lines;
  {
    const std::lock_guard waiting(waiting_mutex_);
    lines = std::exchange(waiting_, {});
  }
  const logs::LocalTime now = logs::local_time(std::time(nullptr));
  for (const std::string& line : lines) sink_.append(line, now);
  sink_.flush(now);
  return sink_.last_error();
}

}  // namespace dumb::engine
