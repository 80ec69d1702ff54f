#include <dumb/base/text.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <utility>

#include "symlinks/json_stream.hpp"

namespace dumb::symlinks {

std::optional<std::string> Element::Text::value() const {
  return is_text() ? std::optional<std::string>(bytes) : std::nullopt;
}

void Element::clear() {
  object = false;
  for (Text* text : {&link_path, &target, &old_target, &new_target, &source_path, &target_path, &operation,
                     &replaced_target}) {
    text->state = Text::State::absent;
    text->bytes.clear();
  }
  target_exists.reset();
  two_step = chained = more = false;
  for (auto* number : {&uid, &gid, &mtime_ns, &replaced_uid, &replaced_gid, &replaced_mtime_ns, &new_uid,
                       &new_gid, &new_mtime_ns}) {
    number->reset();
  }
}

namespace {

Element::Text* text_member(Element& element, std::string_view name) {
  static constexpr std::pair<std::string_view, Element::Text Element::*> members[] = {
      {"link_path", &Element::link_path},     {"target", &Element::target},
      {"old_target", &Element::old_target},   {"new_target", &Element::new_target},
      {"source_path", &Element::source_path}, {"target_path", &Element::target_path},
      {"operation", &Element::operation},     {"replaced_target", &Element::replaced_target}};
  for (const auto& [known, member] : members) {
    if (known == name) return &(element.*member);
  }
  return nullptr;
}

std::optional<std::int64_t>* number_member(Element& element, std::string_view name) {
  static constexpr std::pair<std::string_view, std::optional<std::int64_t> Element::*> members[] = {
      {"uid", &Element::uid},
      {"gid", &Element::gid},
      {"mtime_ns", &Element::mtime_ns},
      {"replaced_uid", &Element::replaced_uid},
      {"replaced_gid", &Element::replaced_gid},
      {"replaced_mtime_ns", &Element::replaced_mtime_ns},
      {"new_uid", &Element::new_uid},
      {"new_gid", &Element::new_gid},
      {"new_mtime_ns", &Element::new_mtime_ns}};
  for (const auto& [known, member] : members) {
    if (known == name) return &(element.*member);
  }
  return nullptr;
}

void set_flag(Element& element, std::string_view name, bool value) {
  if (name == "two_step") element.two_step = value;
  if (name == "chained") element.chained = value;
  if (name == "more") element.more = value;
  if (name == "target_exists") element.target_exists = value;
}

/// Reads elements; keeps its buffers between them.
class ElementReader {
 public:
  explicit ElementReader(JsonStream& json) : json_(json) {}

  Result<void> read(Element& element) {
    element.clear();
    auto first = json_.peek();
    if (!first) return first.error();
    element.offset = json_.offset();
    if (*first != '{') return json_.skip();
    element.object = true;
    if (auto open = json_.expect('{'); !open) return open;
    exact_ = 0;
    auto empty = json_.accept('}');
    if (!empty) return empty.error();
    if (*empty) return {};
    for (;;) {
      if (auto done = json_.string(name_); !done) return done;
      if (auto done = json_.expect(':'); !done) return done;
      if (auto done = member(element); !done) return done;
      auto comma = json_.accept(',');
      if (!comma) return comma.error();
      if (!*comma) return json_.expect('}');
    }
  }

 private:
  Result<void> member(Element& element) {
    if (name_.ends_with("_b64")) {
      const std::string_view plain = std::string_view(name_).substr(0, name_.size() - 4);
      if (Element::Text* text = text_member(element, plain)) return exact_text(element, *text);
    }
    if (Element::Text* text = text_member(element, name_)) return plain_text(element, *text);
    auto next = json_.peek();
    if (!next) return next.error();
    if (*next == '"' || *next == '{' || *next == '[') return json_.skip(1);
    auto value = json_.scalar();
    if (!value) return value.error();
    if (value->kind == JsonStream::Scalar::Kind::boolean) set_flag(element, name_, value->truth);
    if (value->kind == JsonStream::Scalar::Kind::integer) {
      if (auto* number = number_member(element, name_)) *number = value->integer;
    }
    return {};
  }

  /// Which text it is, as a bit of exact_.
  static unsigned bit(const Element& element, const Element::Text& text) {
    const auto distance =
        reinterpret_cast<const char*>(&text) - reinterpret_cast<const char*>(&element.link_path);
    return 1U << (static_cast<std::size_t>(distance) / sizeof(Element::Text));
  }

  Result<void> exact_text(const Element& element, Element::Text& text) {
    auto next = json_.peek();
    if (!next) return next.error();
    if (*next != '"') return json_.skip(1);
    if (auto done = json_.string(value_); !done) return done;
    auto bytes = text::base64_decode(value_);
    if (!bytes) return json_.fault("no base64 stands");
    text.bytes = std::move(*bytes);
    text.state = Element::Text::State::text;
    exact_ |= bit(element, text);
    return {};
  }

  Result<void> plain_text(const Element& element, Element::Text& text) {
    auto next = json_.peek();
    if (!next) return next.error();
    const bool decided = (exact_ & bit(element, text)) != 0;
    if (*next == '"') {
      if (auto done = json_.string(decided ? value_ : text.bytes); !done) return done;
      text.state = Element::Text::State::text;
      return {};
    }
    if (!decided) text.state = *next == 'n' ? Element::Text::State::null : Element::Text::State::wrong;
    return json_.skip(1);
  }

  JsonStream& json_;
  std::string name_;
  std::string value_;
  unsigned exact_ = 0;  ///< texts whose exact bytes were given
};

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

}  // namespace

std::optional<Change> to_change(const Element& element) {
  if (!element.object || !optional_target(element.old_target)) return std::nullopt;
  Change change;
  change.old_target = element.old_target.value();
  change.more = element.more;
  change.owner = owner_of(element.uid, element.gid, element.mtime_ns);
  change.new_owner = owner_of(element.new_uid, element.new_gid, element.new_mtime_ns);
  if (usable(element.link_path)) {
    if (!optional_target(element.new_target)) return std::nullopt;
    change.path = element.link_path.bytes;
    change.new_target = element.new_target.value();
    if (!change.old_target && !change.new_target) return std::nullopt;
    return change;
  }
  if (!usable(element.source_path) || !usable(element.target_path) || !change.old_target) return std::nullopt;
  if (element.operation.bytes != "move" && element.operation.bytes != "copy") return std::nullopt;
  change.kind = element.operation.bytes == "move" ? Change::Kind::move : Change::Kind::copy;
  change.path = element.source_path.bytes;
  change.destination = element.target_path.bytes;
  change.new_target = usable(element.new_target) ? element.new_target.value() : change.old_target;
  if (usable(element.replaced_target)) change.replaced_target = element.replaced_target.value();
  change.two_step = element.two_step;
  change.chained = element.chained;
  change.replaced_owner = owner_of(element.replaced_uid, element.replaced_gid, element.replaced_mtime_ns);
  return change;
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
