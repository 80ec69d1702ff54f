#include <dumb/base/text.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <utility>

#include "symlinks/element_reader.hpp"

namespace dumb::symlinks {

namespace {

std::optional<Ownership> owner_of(const std::optional<std::int64_t>& uid,
                                  const std::optional<std::int64_t>& gid,
                                  const std::optional<std::int64_t>& mtime) {
  if (!uid || !gid || !mtime) return std::nullopt;
  return Ownership{*uid, *gid, *mtime};
}

bool usable(const Element::Text& text) {
  return text.is_text() && !text.bytes.empty() && text.bytes.find('\0') == std::string::npos;
}
/// A target that may be null.
bool optional_target(const Element::Text& text) {
  return text.state == Element::Text::State::null || usable(text);
}

/// The text into storage that is used again; nothing for null.
void assign(std::optional<std::string>& to, const Element::Text& text) {
  if (!text.is_text()) {
    to.reset();
  } else if (to) {
    to->assign(text.bytes);
  } else {
    to.emplace(text.bytes);
  }
}

}  // namespace

std::optional<Change> to_change(const Element& element) {
  Change change;
  return to_change(element, change) ? std::optional<Change>(std::move(change)) : std::nullopt;
}

bool to_change(const Element& element, Change& change) {
  if (!element.object || !optional_target(element.old_target)) return false;
  assign(change.old_target, element.old_target);
  change.more = element.more;
  change.owner = owner_of(element.uid, element.gid, element.mtime_ns);
  change.new_owner = owner_of(element.new_uid, element.new_gid, element.new_mtime_ns);
  change.replaced_target.reset();
  change.replaced_owner.reset();
  change.two_step = change.chained = false;
  if (usable(element.link_path)) {
    if (!optional_target(element.new_target)) return false;
    change.kind = Change::Kind::link;
    change.path = element.link_path.bytes;
    change.destination.clear();
    assign(change.new_target, element.new_target);
    return change.old_target || change.new_target;
  }
  if (!usable(element.source_path) || !usable(element.target_path) || !change.old_target) return false;
  if (element.operation.bytes != "move" && element.operation.bytes != "copy") return false;
  change.kind = element.operation.bytes == "move" ? Change::Kind::move : Change::Kind::copy;
  change.path = element.source_path.bytes;
  change.destination = element.target_path.bytes;
  assign(change.new_target, usable(element.new_target) ? element.new_target : element.old_target);
  if (usable(element.replaced_target)) change.replaced_target = element.replaced_target.bytes;
  change.two_step = element.two_step;
  change.chained = element.chained;
  change.replaced_owner = owner_of(element.replaced_uid, element.replaced_gid, element.replaced_mtime_ns);
  return true;
}

std::optional<SnapshotEntry> to_entry(const Element& element) {
  if (!element.object || !usable(element.link_path) || !usable(element.target)) return std::nullopt;
  return SnapshotEntry{element.link_path.bytes, element.target.bytes, element.target_exists,
                       owner_of(element.uid, element.gid, element.mtime_ns)};
}

class ManifestReader::Impl {
 public:
  explicit Impl(ByteSource& source) : json_(source), elements_(json_) {}

  Result<bool> next(Element& element, Array& array) {
    for (;;) {
      if (finished_) return false;
      if (inside_) {
        auto more = next_element(element);
        if (!more) return more.error();
        if (!*more) continue;
        array = array_;
        return true;
      }
      if (auto done = next_member(); !done) return done.error();
    }
  }

  Contents contents;
  JsonStream& json() { return json_; }
  ElementReader& elements() { return elements_; }

 private:
  Result<bool> next_element(Element& element) {
    auto close = json_.accept(first_element_ ? ']' : ',');
    if (!close) return close.error();
    if (first_element_ ? *close : !*close) {
      if (!first_element_) {
        if (auto done = json_.expect(']'); !done) return done.error();
      }
      inside_ = false;
      return false;
    }
    first_element_ = false;
    if (auto done = elements_.read(element); !done) return done.error();
    ++(array_ == Array::entries ? contents.entries : contents.changes);
    return true;
  }

  Result<void> next_member() {
    if (!started_) {
      started_ = true;
      if (auto open = json_.expect('{'); !open) return open;
      auto empty = json_.accept('}');
      if (!empty) return empty.error();
      if (*empty) return finish();
    } else {
      auto comma = json_.accept(',');
      if (!comma) return comma.error();
      if (!*comma) {
        if (auto close = json_.expect('}'); !close) return close;
        return finish();
      }
    }
    if (auto done = json_.string(name_); !done) return done;
    if (auto done = json_.expect(':'); !done) return done;
    return member();
  }

  Result<void> finish() {
    finished_ = true;
    return json_.end();
  }

  Result<void> member() {
    auto next = json_.peek();
    if (!next) return next.error();
    if (*next == '[' && (name_ == "entries" || name_ == "changes")) {
      array_ = name_ == "entries" ? Array::entries : Array::changes;
      (array_ == Array::entries ? contents.has_entries : contents.has_changes) = true;
      inside_ = first_element_ = true;
      return json_.expect('[');
    }
    if (*next == '[') return list();
    if (*next == '"') return text();
    if (name_ != "version") return json_.skip(1);
    auto value = json_.scalar();
    if (!value) return value.error();
    if (value->kind == JsonStream::Scalar::Kind::integer) contents.version = value->integer;
    return {};
  }

  Result<void> text() {
    if (auto done = json_.string(value_); !done) return done;
    if (name_ == "manifest_type") contents.manifest_type = value_;
    if (name_ == "created_at") contents.created_at = value_;
    if (name_ == "process_name") contents.process_name = value_;
    if (name_ == "run_id") contents.run_id = value_;
    if (name_ == "operation") contents.operation = value_;
    return {};
  }

  Result<void> list() {
    if (name_ == "roots" || name_ == "roots_b64") return strings(contents.roots, exact_roots_);
    if (name_ == "created_dirs" || name_ == "created_dirs_b64")
      return strings(contents.created_dirs, exact_dirs_);
    if (name_ == "root_migrations") return migrations();
    return json_.skip(1);
  }

  /// A list of texts; the exact bytes win whatever the order.
  Result<void> strings(std::vector<std::string>& out, bool& exact) {
    const bool encoded = name_.ends_with("_b64");
    std::vector<std::string> read;
    if (auto open = json_.expect('['); !open) return open;
    auto empty = json_.accept(']');
    if (!empty) return empty.error();
    while (!*empty) {
      auto next = json_.peek();
      if (!next) return next.error();
      if (*next != '"') return json_.fault("no text stands in a list of paths");
      if (auto done = json_.string(value_); !done) return done;
      if (encoded) {
        auto bytes = text::base64_decode(value_);
        if (!bytes) return json_.fault("no base64 stands");
        value_ = std::move(*bytes);
      }
      read.push_back(value_);
      auto comma = json_.accept(',');
      if (!comma) return comma.error();
      if (*comma) continue;
      if (auto close = json_.expect(']'); !close) return close;
      break;
    }
    if (encoded || !exact) out = std::move(read);
    exact |= encoded;
    return {};
  }

  Result<void> migrations() {
    if (auto open = json_.expect('['); !open) return open;
    auto empty = json_.accept(']');
    if (!empty) return empty.error();
    while (!*empty) {
      if (auto done = migration(); !done) return done;
      auto comma = json_.accept(',');
      if (!comma) return comma.error();
      if (!*comma) return json_.expect(']');
    }
    return {};
  }

  Result<void> migration() {
    RootMigration read;
    if (auto open = json_.expect('{'); !open) return open;
    auto empty = json_.accept('}');
    if (!empty) return empty.error();
    while (!*empty) {
      if (auto done = json_.string(name_); !done) return done;
      if (auto done = json_.expect(':'); !done) return done;
      auto next = json_.peek();
      if (!next) return next.error();
      if (*next != '"') {
        if (auto done = json_.skip(1); !done) return done;
      } else {
        if (auto done = json_.string(value_); !done) return done;
        if (name_ == "from_root") read.from_root = value_;
        if (name_ == "to_root") read.to_root = value_;
        if (name_ == "from_root_b64") read.from_root = text::base64_decode(value_).value_or("");
        if (name_ == "to_root_b64") read.to_root = text::base64_decode(value_).value_or("");
      }
      auto comma = json_.accept(',');
      if (!comma) return comma.error();
      if (*comma) continue;
      if (auto close = json_.expect('}'); !close) return close;
      break;
    }
    contents.root_migrations.push_back(std::move(read));
    return {};
  }

  JsonStream json_;
  ElementReader elements_;
  std::string name_;
  std::string value_;
  Array array_ = Array::entries;
  bool started_ = false;
  bool finished_ = false;
  bool inside_ = false;
  bool first_element_ = false;
  bool exact_roots_ = false;
  bool exact_dirs_ = false;
};

ManifestReader::ManifestReader(ByteSource& source) : impl_(std::make_unique<Impl>(source)) {}
ManifestReader::~ManifestReader() = default;

Result<bool> ManifestReader::next(Element& element, Array& array) {
  return impl_->next(element, array);
}

const Contents& ManifestReader::contents() const noexcept {
  return impl_->contents;
}

Result<void> ManifestReader::read_element(ByteSource& source, Element& element) {
  const auto json = std::make_unique<JsonStream>(source);
  return ElementReader(*json).read(element);
}

}  // namespace dumb::symlinks
