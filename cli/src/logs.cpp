#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <limits>

#include "commands.hpp"
#include "context.hpp"
#include "log_lines.hpp"

namespace dumb::cli {
namespace {

constexpr std::int64_t least_tail = 128 << 10;
constexpr std::int64_t largest_tail = 8 << 20;
constexpr std::chrono::milliseconds poll_interval{500};
constexpr std::size_t all_lines = std::numeric_limits<std::size_t>::max();

struct LogLine {
  std::string process_name;
  std::optional<std::string> level;  ///< of a main-log record
  std::string line;
};
BOOST_DESCRIBE_STRUCT(LogLine, (), (process_name, level, line))

Result<std::size_t> wanted_lines(const Invocation& invocation) {
  const auto text = invocation.value("--lines");
  if (!text) return std::size_t{100};
  if (*text == "all") return all_lines;
  const auto count = text::to_int(*text);
  if (!count || *count < 0) {
    return Error(Trouble::usage, fmt::format("--lines must be a number from 0, or all; got '{}'", *text));
  }
  return static_cast<std::size_t>(*count);
}

Result<engine::LogChunk> tail(const Context& context, const std::string& name, std::int64_t bytes) {
  return context.client.get_as<engine::LogChunk>(
      "/logs", {{"process_name", name}, {"tail_bytes", std::to_string(bytes)}});
}

// Asks for more of the end until there are enough lines or there is no more.
Result<engine::LogChunk> last_lines(const Context& context, const std::string& name, std::size_t lines) {
  std::int64_t bytes = lines == all_lines ? largest_tail : least_tail;
  for (;;) {
    auto chunk = tail(context, name, bytes);
    if (!chunk || bytes >= largest_tail || bytes >= chunk->size ||
        split_lines(chunk->chunk).size() >= lines) {
      return chunk;
    }
    bytes = std::min(bytes * 8, largest_tail);
  }
}

bool print_lines(const Context& context, const std::string& name, std::string_view chunk, std::size_t count) {
  std::vector<std::string_view> lines = split_lines(chunk);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  std::string text;
  for (const std::string_view line : lines) {
    if (context.json) {
      LogLine entry{name, {}, std::string(line)};
      if (const auto record = parse_record(line)) entry.level = std::string(level_name(record->level));
      text += jsonx::print_compact(codec::encode(entry)) + '\n';
    } else if (context.style.width > 0 || context.style.color) {
      text += terminal_line(line, context.style) + '\n';
    } else {
      text.append(line).push_back('\n');
    }
  }
  return text.empty() || context.print(text);
}

class Follower {
 public:
  Follower(Context& context, std::string name, const engine::LogChunk& from)
      : context_(context), name_(std::move(name)), cursor_(from.cursor), file_id_(from.file_id) {}

  // Ends when nobody reads, or the server says that there is no such service.
  Result<ExitCode> run() {
    while (context_.system.pause(poll_interval)) {
      auto chunk = context_.client.get_as<engine::LogChunk>("/logs", query());
      if (!chunk && exit_code(chunk.error().code()) != ExitCode::unreachable) return chunk.error();
      tell(chunk);
      if (chunk && !take(*chunk)) break;
    }
    return ExitCode::success;
  }

 private:
  Query query() const {
    Query query{{"process_name", name_}, {"tail_bytes", std::to_string(largest_tail)}};
    if (file_id_) {
      query.emplace_back("cursor", std::to_string(cursor_));
      query.emplace_back("file_id", *file_id_);
    }
    return query;
  }

  // Once when the server goes away, once when it is back.
  void tell(const Result<engine::LogChunk>& chunk) {
    if (!chunk && !lost_) context_.note(fmt::format("lost {}; waiting for it", context_.client.display()));
    if (chunk && lost_) context_.note(fmt::format("{} is back", context_.client.display()));
    lost_ = !chunk;
  }

  bool take(const engine::LogChunk& chunk) {
    const bool same_file = file_id_ && chunk.file_id == file_id_;
    if (chunk.reset && same_file && !chunk.chunk.empty()) context_.note("the log was cut or ran ahead");
    if (chunk.reset && file_id_ && chunk.file_id && !same_file)
      context_.note("the log is another file now; lines in between may be missing");
    if (chunk.file_id) {
      cursor_ = chunk.cursor;
      file_id_ = chunk.file_id;
    }
    return print_lines(context_, name_, chunk.chunk, all_lines);
  }

  Context& context_;
  std::string name_;
  std::int64_t cursor_;
  std::optional<std::string> file_id_;
  bool lost_ = false;
};

}  // namespace

Result<ExitCode> run_logs(Context& context, const Invocation& invocation) {
  const auto lines = wanted_lines(invocation);
  if (!lines) return lines.error();
  const std::string& name = invocation.arguments.front();
  const auto chunk = last_lines(context, name, *lines);
  if (!chunk) return chunk.error();
  const bool follow = invocation.has("--follow");
  if (!chunk->file_id && chunk->chunk.empty()) {
    context.note(fmt::format("{} has no log{}", name, follow ? " yet; waiting for it" : ""));
  }
  if (!print_lines(context, name, chunk->chunk, *lines) || !follow) return ExitCode::success;
  return Follower(context, name, *chunk).run();
}

}  // namespace dumb::cli
