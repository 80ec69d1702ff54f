#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/usage.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "top_text.hpp"

namespace dumb::cli {
namespace {

constexpr std::chrono::milliseconds refresh{2000};

Result<engine::Usage> usage_of(const Context& context, TopOrder order) {
  auto usage = context.client.get_as<engine::Usage>("/process/usage");
  if (usage) sort_usage(*usage, order);
  return usage;
}

/// The rounds asked for; nullopt: until interrupted.
Result<std::optional<std::int64_t>> wanted_rounds(const Context& context, const Invocation& invocation) {
  const auto text = invocation.value("--rounds");
  if (!text) {
    if (context.system.out_is_terminal && !context.json) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(1);
  }
  const auto count = text::to_int(*text);
  if (!count || *count < 1) {
    return Error(Trouble::usage, fmt::format("--rounds must be a number from 1; got '{}'", *text));
  }
  return std::optional<std::int64_t>(*count);
}

/// One table, or with --json one line, per round.
Result<ExitCode> print_rounds(Context& context, TopOrder order, std::int64_t rounds) {
  for (std::int64_t round = 0; round < rounds; ++round) {
    if (round > 0 && !context.system.pause(refresh)) break;
    const auto usage = usage_of(context, order);
    if (!usage) return usage.error();
    std::string text = context.json ? jsonx::print_compact(codec::encode(*usage)) + '\n'
                                    : (round > 0 ? "\n" : "") + render_usage(*usage, context.style);
    if (!context.print(text)) break;
  }
  return ExitCode::success;
}

/// The terminal's screen while it is ours.
class WholeScreen {
 public:
  explicit WholeScreen(const Surroundings& system) : system_(system) { system_.screen(Screen::whole); }
  ~WholeScreen() { system_.screen(Screen::normal); }
  WholeScreen(const WholeScreen&) = delete;
  WholeScreen& operator=(const WholeScreen&) = delete;

 private:
  const Surroundings& system_;
};

class LiveTable {
 public:
  LiveTable(Context& context, TopOrder order) : context_(context), order_(order) {}

  /// Until 'q', an error of the first round, or nobody reads.
  Result<ExitCode> run(std::optional<std::int64_t> rounds) {
    auto usage = usage_of(context_, order_);
    if (!usage) return usage.error();
    const WholeScreen screen(context_.system);
    for (std::int64_t round = 1;; ++round) {
      if (usage) shown_ = *usage;
      lost_ = !usage;
      if (!draw() || (rounds && round >= *rounds) || !keys()) return ExitCode::success;
      usage = usage_of(context_, order_);
    }
  }

 private:
  bool draw() {
    const TerminalSize size = context_.system.terminal_size();
    Style style = context_.style;
    if (size.columns > 0) style.width = size.columns;
    sort_usage(shown_, order_);
    std::string text = render_usage(shown_, style);
    if (lost_) text = fmt::format("lost {}; waiting for it\n", context_.client.display()) + text;
    return context_.print(screen_text(text, size.rows, style));
  }

  /// Acts on keys until it is time for the next round; false: the user has had enough.
  bool keys() {
    for (;;) {
      const std::optional<char> key = context_.system.key(refresh);
      if (!key || *key == 'q') return false;
      if (*key == '\0') return true;
      if (*key == 'c') order_ = TopOrder::cpu;
      if (*key == 'm') order_ = TopOrder::memory;
      if (*key == 'n') order_ = TopOrder::name;
      if (!draw()) return false;
    }
  }

  Context& context_;
  TopOrder order_;
  engine::Usage shown_;
  bool lost_ = false;
};

}  // namespace

Result<ExitCode> run_top(Context& context, const Invocation& invocation) {
  const std::string by = invocation.value("--sort").value_or("cpu");
  const auto order = parse_top_order(by);
  if (!order) return Error(Trouble::usage, fmt::format("--sort must be cpu, memory or name; got '{}'", by));
  const auto rounds = wanted_rounds(context, invocation);
  if (!rounds) return rounds.error();
  if (!context.system.out_is_terminal || context.json) return print_rounds(context, *order, **rounds);
  return LiveTable(context, *order).run(*rounds);
}

}  // namespace dumb::cli
