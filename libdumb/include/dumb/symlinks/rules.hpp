#pragma once

#include <cstddef>
#include <dumb/base/result.hpp>
#include <dumb/symlinks/requests.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a repair does to one target. All pure.
namespace dumb::symlinks {

/// Longest target the kernel takes.
inline constexpr std::size_t target_limit = 4095;

/// The rules of a preset, or nullptr (SYM-13).
const std::vector<RewriteRule>* find_preset(std::string_view name);
std::vector<std::string> preset_names();

/// Preset rules, then the request's own, trimmed (SYM-11, SYM-14). Errc::invalid_argument names what is
/// wrong.
Result<std::vector<RewriteRule>> effective_rules(const RepairRequest& request);

/// The first rule that matches decides (SYM-14 to SYM-17). Immutable, so any thread may ask.
class Rewriter {
 public:
  explicit Rewriter(const std::vector<RewriteRule>& rules);
  /// The index of the deciding rule when the target changes, and the result in `result` (reused storage).
  std::optional<std::size_t> rewrite(std::string_view target, std::string& result) const;
  bool empty() const noexcept { return rules_.empty(); }

 private:
  struct Prepared {
    std::string from;
    std::string to;
    bool to_root = false;
    bool to_inside_from = false;
  };
  std::vector<Prepared> rules_;
};

/// The target a link needs at its new place so that it names what it named (SYM-25). `old_directory` and
/// `new_directory` are real, normalised and absolute.
struct Retarget {
  std::string resolved;    ///< where the target leads from the old directory, lexically
  std::string recomputed;  ///< the target to use unless the tree moves with itself
};
/// Nothing when the target is absolute or resolves the same from both directories.
std::optional<Retarget> retarget(std::string_view target, std::string_view old_directory,
                                 std::string_view new_directory);

}  // namespace dumb::symlinks
