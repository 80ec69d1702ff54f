#include <algorithm>
#include <dumb/base/text.hpp>

#include "graph/model_impl.hpp"

namespace dumb::graph {

Model::Model(const config::Snapshot& config, const catalog::Catalog& catalog)
    : impl_(std::make_unique<Impl>(catalog)) {
  impl_->take(config, nullptr);
}
Model::Model(const Model& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(const Model& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

void Model::update(const config::Snapshot& next) {
  impl_->take(next, nullptr);
}
void Model::update(const config::Snapshot& next, const std::vector<std::string>& changed) {
  impl_->take(next, &changed);
}

std::uint64_t Model::generation() const noexcept {
  return impl_->generation;
}
std::size_t Model::size() const noexcept {
  return impl_->sorted.size();
}
const std::vector<Index>& Model::by_name() const noexcept {
  return impl_->sorted;
}
const Process& Model::process(Index index) const {
  return impl_->facts[index].process;
}
std::size_t Model::bound() const noexcept {
  return impl_->facts.size();
}

const Index* Model::find(std::string_view name) const {
  const auto found = impl_->by_exact.find(name);
  return found == impl_->by_exact.end() ? nullptr : &found->second;
}

Result<Index> Model::resolve(std::string_view asked) const {
  const std::string_view name = text::trim(asked);
  if (name.empty()) return Error(Errc::invalid_argument, "process_name must not be blank");
  if (const Index* exact = find(name)) return *exact;
  const std::string folded = text::fold(name);
  IndexList alike;
  for (const Index index : by_name()) {
    if (text::fold(process(index).name) == folded) alike.push_back(index);
  }
  if (alike.empty()) alike = impl_->of_key(impl_->tables->token(name));
  if (alike.size() == 1) return alike.front();
  return Error(Errc::not_found, "there is no process named '" + std::string(name) + "'");
}

const std::vector<Edge>& Model::outgoing(Index source) const {
  return impl_->out[source];
}
const std::vector<Index>& Model::incoming(Index target) const {
  return impl_->in[target];
}
const Edge* Model::edge(Index source, Index target) const {
  return impl_->edge(source, target);
}

EdgeRow Model::row(const Edge& edge) const {
  const Strength strength = edge.signals.strength();
  EdgeRow row{process(edge.source).name, process(edge.target).name, edge.signals.list(), strength,
              strength == Strength::soft_linkage ? Classification::linkage : Classification::hard};
  if (edge.condition != Condition::started) row.condition = edge.condition;
  return row;
}

const std::vector<Missing>& Model::missing(Index index) const {
  return impl_->missing[index];
}
const std::vector<std::string>& Model::duplicates() const noexcept {
  return impl_->duplicates;
}

Result<Scope> parse_scope(std::string_view text) {
  const std::string scope = text::lower(text::trim(text));
  if (scope.empty() || scope == "runtime") return Scope::runtime;
  if (scope == "all") return Scope::all;
  return Error(Errc::invalid_argument, "scope must be runtime or all");
}

}  // namespace dumb::graph
