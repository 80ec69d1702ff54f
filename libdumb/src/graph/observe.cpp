// What a block itself says: waits, flags, depends_on, the non-core table and its refs (DEP-14 to DEP-18).
#include <algorithm>

#include "graph/model_impl.hpp"

namespace dumb::graph {
namespace {

class Observer {
 public:
  Observer(const Model::Impl& model, Index index, Contributions& given, std::vector<Missing>& missing)
      : model_(model), index_(index), own_(model.facts[index]), given_(given), missing_(missing) {}

  void run() {
    for (const UrlWait& wait : own_.urls) url(wait);
    for (const PathWait& wait : own_.paths) path(wait);
    if (own_.process.key == "rclone") providers();
    for (const DependsOn& entry : own_.depends_on) dependency(entry);
    if (const KeyRow* row = model_.tables->find(own_.process.key)) {
      for (const std::string& key : row->links.hard_links) {
        IndexList candidates = model_.of_key(key);
        if (model_.tables->scoped(key))
          std::erase_if(candidates, [&](Index p) { return !model_.facts[p].has_ref(own_.process.key); });
        want(std::move(candidates), {.signal = Signal::non_core_dependency_map,
                                     .reference = key,
                                     .otherwise = Reason::missing,
                                     .optional = optional_need(*row, key)});
      }
    }
    unite(given_);
    fields();
    unite(given_);
  }

 private:
  /// True when there was a candidate, be it the process itself.
  bool want(IndexList candidates, const Demand& demand) {
    const bool any = !candidates.empty();
    for (const Index target : admitted(model_, index_, std::move(candidates), demand, missing_))
      given_.push_back({target, false, Signals::of(demand.signal).bits(), demand.condition});
    return any;
  }

  void report(Signal signal, std::string reference, Reason reason) {
    missing_.push_back({own_.process.name, signal, std::move(reference), reason, severity_of(reason, false)});
  }

  bool references(const std::vector<Reference>& list, Signal signal) {
    bool any = false;
    for (const Reference& reference : list)
      any |= want(model_.resolve(reference, own_), {.signal = signal, .reference = reference.token});
    return any;
  }

  Reference reference_to(const std::string& text) const { return {text, model_.tables->token(text), false}; }

  void url(const UrlWait& wait) {
    constexpr Signal signal = Signal::wait_for_url;
    if (!wait.url.empty() && !wait.valid) {
      report(signal, wait.url, Reason::invalid);
      return;
    }
    const bool given = references(wait.references, signal);
    if (wait.url.empty()) return;
    if (!wait.ui_segment.empty()) {
      IndexList candidates = model_.resolve(reference_to(wait.ui_segment), own_);
      if (candidates.empty()) candidates = model_.with_slug(wait.ui_segment);
      want(std::move(candidates), {.signal = signal, .reference = wait.ui_segment});
    }
    if (!wait.local) {
      IndexList candidates = model_.resolve(reference_to(wait.host), own_);
      if (!candidates.empty()) {
        want(std::move(candidates), {.signal = signal, .reference = wait.host});
      } else if (!given) {
        report(signal, wait.host, Reason::external);
      }
    } else if (!given) {
      const std::string port = wait.port == 0 ? wait.host : std::to_string(wait.port);
      want(model_.with_port(wait.port), {.signal = signal, .reference = port});
    }
  }

  void path(const PathWait& wait) {
    references(wait.references, wait.signal);
    if (wait.path.empty()) return;
    want(model_.with_mount(wait.path),
         {.signal = wait.signal, .reference = wait.path, .silent = wait.signal == Signal::wait_for_dir});
  }

  /// DEP-17.
  void providers() {
    if (own_.zurg_enabled) provider(zurgs(), Signal::rclone_provider_zurg, "zurg");
    if (own_.decypharr_enabled)
      provider(model_.of_key("decypharr"), Signal::rclone_provider_decypharr, "decypharr");
    if (own_.key_type == "nzbdav") {
      provider(model_.of_key("nzbdav"), Signal::rclone_provider_nzbdav, "nzbdav");
    } else if (own_.has_ref("nzbdav")) {
      provider(model_.of_key("nzbdav"), Signal::conditional_startup_map, "nzbdav");
    }
  }

  void provider(IndexList candidates, Signal signal, std::string_view key) {
    want(std::move(candidates), {.signal = signal, .reference = key, .otherwise = Reason::missing});
  }

  IndexList zurgs() const {
    const IndexList all = model_.of_key("zurg");
    const auto only = [&](auto condition) {
      IndexList some;
      std::copy_if(all.begin(), all.end(), std::back_inserter(some),
                   [&](Index index) { return condition(model_.facts[index]); });
      return some;
    };
    if (!own_.refs.empty()) {
      return only([&](const Facts& zurg) {
        return std::any_of(zurg.refs.begin(), zurg.refs.end(),
                           [&](const std::string& ref) { return own_.has_ref(ref); });
      });
    }
    if (!own_.zurg_config_file.empty()) {
      IndexList same = only([&](const Facts& zurg) { return zurg.config_file == own_.zurg_config_file; });
      if (!same.empty()) return same;
    }
    if (!own_.process.instance.empty()) {
      IndexList same =
          only([&](const Facts& zurg) { return zurg.process.instance == own_.process.instance; });
      if (!same.empty()) return same;
    }
    return all;
  }

  void dependency(const DependsOn& entry) {
    if (entry.invalid) report(Signal::depends_on, entry.reference.text, Reason::invalid);
    if (entry.reference.text.empty()) return;
    IndexList candidates = model_.resolve(entry.reference, own_);
    if (candidates == IndexList{index_}) {
      report(Signal::depends_on, entry.reference.text, Reason::invalid);
      return;
    }
    want(std::move(candidates), {.signal = Signal::depends_on,
                                 .reference = entry.reference.text,
                                 .otherwise = Reason::missing,
                                 .condition = entry.condition});
  }

  /// DEP-18, fields. `given_` holds what DEP-14 to DEP-17 found, united.
  void fields() {
    const Contributions before = given_;
    const bool scoped = model_.tables->scoped(own_.process.key);
    for (const Reference& reference : own_.references) {
      if (reference.token == own_.process.key) continue;
      const Demand demand{
          .signal = Signal::core_service_fields, .reference = reference.token, .optional = true};
      for (const Index p : admitted(model_, index_, model_.resolve(reference, own_), demand, missing_)) {
        const bool towards = !scoped || std::any_of(before.begin(), before.end(),
                                                    [&](const Contribution& c) { return c.other == p; });
        given_.push_back({p, !towards, Signals::of(Signal::core_service_fields).bits(), Condition::started});
      }
    }
  }

  const Model::Impl& model_;
  Index index_;
  const Facts& own_;
  Contributions& given_;
  std::vector<Missing>& missing_;
};

}  // namespace

void Model::Impl::observe(Index index, Contributions& given_out, std::vector<Missing>& missing_out) const {
  Observer(*this, index, given_out, missing_out).run();
}

}  // namespace dumb::graph
