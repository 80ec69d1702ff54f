#include <dumb/base/codec.hpp>
#include <dumb/setup/setup.hpp>

namespace dumb::setup {
namespace {

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "dumb.setup"; }
  std::string message(int value) const override {
    const auto name = codec::enum_name(static_cast<Failure>(value));
    return name.empty() ? "unknown failure" : std::string(name);
  }
};

}  // namespace

boost::system::error_code make_error_code(Failure code) noexcept {
  static const Category category;
  return {static_cast<int>(code), category};
}

}  // namespace dumb::setup
