#include <cstring>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <random>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using namespace std::string_literals;

namespace {

/// Hands out a text in small pieces, so that every token is cut somewhere.
class Pieces final : public ByteSource {
 public:
  explicit Pieces(std::string text, std::size_t piece = 7) : text_(std::move(text)), piece_(piece) {}
  Result<std::size_t> read(char* buffer, std::size_t size) override {
    const std::size_t count = std::min({size, piece_, text_.size() - at_});
    std::memcpy(buffer, text_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

struct Read {
  Contents contents;
  std::vector<Element> elements;
};

Result<Read> read_all(const std::string& text, std::size_t piece = 7) {
  Pieces source(text, piece);
  ManifestReader reader(source);
  Read out;
  Element element;
  auto array = ManifestReader::Array::entries;
  for (;;) {
    auto more = reader.next(element, array);
    if (!more) return more.error();
    if (!*more) break;
    out.elements.push_back(element);
  }
  out.contents = reader.contents();
  return out;
}

std::string random_bytes(std::mt19937& random) {
  std::string out;
  const std::size_t length = 1 + random() % 12;
  while (out.size() < length) {
    switch (random() % 4) {
      case 0:
        out += static_cast<char>(1 + random() % 255);
        break;
      case 1:
        out += "\xC3\xA9";
        break;
      default:
        out += static_cast<char>('a' + random() % 26);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a snapshot manifest is written as the format says", "[symlinks][SYM-67]") {
  Header header;
  header.created_at = manifest_time(WallTime(std::chrono::microseconds(1'772'337'600'120'000)));
  header.process_name = "Decypharr";
  header.roots = {"/mnt/debrid/decypharr_symlinks"};
  std::string text = snapshot_head(header);
  append_entry(text,
               {"/mnt/debrid/decypharr_symlinks/tv/Dark/e1.mkv", "/mnt/debrid/decypharr/__all__/Dark/e1.mkv",
                true, Ownership{1000, 1000, 1771200000000000000}});
  text += snapshot_tail({1, 1, 0, 0, true});
  CHECK(
      text ==
      R"({"manifest_type":"symlink_snapshot","version":2,"created_at":"2026-03-01T04:00:00.120000Z","process_name":"Decypharr",
"roots":["/mnt/debrid/decypharr_symlinks"],"include_broken":true,"targets_checked":true,
"entries":[
{"link_path":"/mnt/debrid/decypharr_symlinks/tv/Dark/e1.mkv","target":"/mnt/debrid/decypharr/__all__/Dark/e1.mkv","target_exists":true,"uid":1000,"gid":1000,"mtime_ns":1771200000000000000}
],
"scanned_symlinks":1,"recorded_entries":1,"skipped_broken":0,"errors_total":0,"complete":true}
)");
  CHECK(jsonx::parse(text));
}

TEST_CASE("a repair manifest reads back as it was written", "[symlinks][SYM-68]") {
  Header header;
  header.created_at = "2026-03-01T05:10:00.000001Z";
  header.run_id = "5f0c9a1e";
  header.operation = "symlink_repair";
  header.roots = {"/l"};
  header.root_migrations = {{"/l", "/c"}};
  Change link;
  link.path = "/l/a";
  link.old_target = "/old";
  link.owner = Ownership{1, 2, 3};
  link.more = true;
  Change move = link;
  move.kind = Change::Kind::move;
  move.destination = "/c/a";
  move.new_target = "/new";
  move.replaced_target = "/was";
  move.replaced_owner = Ownership{4, 5, 6};
  move.two_step = true;
  move.more = false;
  std::string text = repair_head(header);
  append_change(text, link);
  text += ",\n";
  append_change(text, move);
  text += repair_tail({"/c", "/c/\xFF"});
  REQUIRE(jsonx::parse(text));
  const auto read = read_all(text);
  REQUIRE(read);
  CHECK(read->contents.version == 2);
  CHECK(read->contents.run_id == "5f0c9a1e");
  CHECK(read->contents.roots == header.roots);
  CHECK(read->contents.root_migrations == header.root_migrations);
  CHECK(read->contents.created_dirs == std::vector<std::string>{"/c", "/c/\xFF"});
  CHECK(read->contents.changes == 2);
  CHECK_FALSE(read->contents.has_entries);
  const auto first = to_change(read->elements[0]);
  REQUIRE(first);
  CHECK(first->path == "/l/a");
  CHECK(first->more);
  CHECK_FALSE(first->new_target);
  CHECK(first->owner == link.owner);
  const auto second = to_change(read->elements[1]);
  REQUIRE(second);
  CHECK(second->kind == Change::Kind::move);
  CHECK(second->destination == "/c/a");
  CHECK(second->replaced_target == "/was");
  CHECK(second->replaced_owner == move.replaced_owner);
  CHECK(second->two_step);
  CHECK_FALSE(second->chained);
}

TEST_CASE("the original's manifests are understood", "[symlinks][SYM-9][SYM-33][SYM-67][SYM-68]") {
  const auto snapshot = read_all(R"({
  "created_at": "2026-01-01T00:00:00Z",
  "entries": [
    {
      "link_path": "/l/b",
      "target": "/x/\udcff1",
      "target_exists": false,
      "extra": {"deep": [1, {"x": null}]}
    }
  ],
  "include_broken": true,
  "manifest_type": "symlink_snapshot",
  "roots": ["/l"]
})");
  REQUIRE(snapshot);
  CHECK(snapshot->contents.version == 1);
  CHECK(snapshot->contents.roots == std::vector<std::string>{"/l"});
  const auto entry = to_entry(snapshot->elements.at(0));
  REQUIRE(entry);
  CHECK(entry->target ==
        "/x/\xFF"
        "1");
  CHECK(entry->target_exists == false);
  CHECK_FALSE(entry->owner);

  const auto repair = read_all(
      R"({"created_at":"x","roots":["/l"],"changes":[{"link_path":"/l/a","old_target":"/o","new_target":"/n"},)"
      R"({"source_path":"/l/s","target_path":"/m/s","old_target":"/t","operation":"move"}]})");
  REQUIRE(repair);
  const auto move = to_change(repair->elements.at(1));
  REQUIRE(move);
  CHECK(move->new_target == "/t");
  CHECK_FALSE(move->replaced_target);
  CHECK_FALSE(move->two_step);
}

TEST_CASE("any bytes survive a manifest, which stays valid JSON", "[symlinks][SYM-9][SYM-67]") {
  std::mt19937 random(20261122);
  for (int round = 0; round < 300; ++round) {
    const SnapshotEntry entry{"/" + random_bytes(random), random_bytes(random), std::nullopt, std::nullopt};
    std::string text = snapshot_head({});
    append_entry(text, entry);
    text += snapshot_tail({});
    REQUIRE(jsonx::parse(text));
    const auto read = read_all(text, 1 + random() % 40);
    REQUIRE(read);
    const auto back = to_entry(read->elements.at(0));
    REQUIRE(back);
    CHECK(back->link_path == entry.link_path);
    CHECK(back->target == entry.target);
  }
}

TEST_CASE("odd bytes are shown and kept", "[symlinks][SYM-9][SYM-10]") {
  std::string text;
  append_entry(text, {"/l/a\nb",
                      "/x/\xFF"
                      "1",
                      std::nullopt, std::nullopt});
  CHECK(text == R"({"link_path":"/l/a\nb","target":"/x/)"
                "\xEF\xBF\xBD"
                R"(1","target_b64":"L3gv/zE=","target_exists":null})");
  CHECK(display("\xC3(") == "\xEF\xBF\xBD(");
  CHECK(display("\xE2\x82") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // one for each byte
  CHECK(printable("a\n\x7F\xFF") == "a\\n\\u007f\xEF\xBF\xBD");
  boost::json::object object;
  put(object, "roots", std::vector<std::string>{"/a", "/\xFE"});
  CHECK(object["roots_b64"].as_array().at(0) == "L2E=");
}

TEST_CASE("the exact bytes win wherever they stand", "[symlinks][SYM-9]") {
  const auto read = read_all(
      R"({"entries":[{"target_b64":"L3gv/zE=","target":"shown","link_path":"/p","link_path_b64":"L3E="}]})");
  REQUIRE(read);
  const auto entry = to_entry(read->elements.at(0));
  REQUIRE(entry);
  CHECK(entry->link_path == "/q");
  CHECK(entry->target ==
        "/x/\xFF"
        "1");
}

TEST_CASE("what is no manifest is refused", "[symlinks][SYM-33]") {
  for (const std::string& text :
       {""s, "[]"s, "{"s, "{\"entries\":[{\"link_path\":\"/a\",\"target\":\"b\"}"s, "{\"a\":1,}"s,
        "{\"a\":1} x"s, "{\"entries\":[1,]}"s, "{\"entries\":[{\"a\":01}]}"s, "{\"a\":\"\\ud800\"}"s,
        "{\"a\":\"\\udc00\"}"s, "{\"a\":\"\xFF\"}"s, "{\"a\":\"\n\"}"s,
        "{\"entries\":[{\"target_b64\":\"!\"}]}"s, "{\"a\":nul}"s, "{\"roots\":[1]}"s,
        "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", "{\"a\":1\0}"s}) {
    INFO(text);
    const auto read = read_all(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().is(Errc::invalid_argument));
  }
  CHECK(read_all("{}"));
  CHECK(read_all(" { \"a\" : [ ] , \"b\" : { } , \"c\" : -1.5e+3 , \"d\" : \"\\ud83d\\ude00\" } "));
}

TEST_CASE("every cut of a manifest is refused", "[symlinks][SYM-33]") {
  std::string text = snapshot_head({});
  append_entry(text, {"/l/a", "/x\xFE", true, Ownership{1, 2, 3}});
  text += snapshot_tail({});
  while (text.back() == '\n') text.pop_back();
  REQUIRE(read_all(text));
  for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(read_all(text.substr(0, size)));
}

TEST_CASE("entries that cannot be meant are told apart", "[symlinks][SYM-34]") {
  const auto read = read_all(
      R"({"entries":[5,{},{"link_path":"/a"},{"link_path":"/a","target":""},{"link_path":7,"target":"x"},)"
      R"({"link_path":"/a","target":null},{"link_path":"/a","target":"x\u0000"},{"link_path":"/a","target":" b "}]})");
  REQUIRE(read);
  REQUIRE(read->elements.size() == 8);
  for (std::size_t i = 0; i < 7; ++i) CHECK_FALSE(to_entry(read->elements[i]));
  REQUIRE(to_entry(read->elements[7]));
  CHECK(to_entry(read->elements[7])->target == " b ");  // never trimmed
}

TEST_CASE("one element is read at its offset", "[symlinks][SYM-70]") {
  std::string text = snapshot_head({});
  append_entry(text, {"/l/a", "/x", true, std::nullopt});
  text += ",\n";
  append_entry(text, {"/l/b", "/y", true, std::nullopt});
  text += snapshot_tail({});
  const auto read = read_all(text);
  REQUIRE(read);
  Pieces tail(text.substr(read->elements.at(1).offset));
  Element element;
  REQUIRE(ManifestReader::read_element(tail, element));
  CHECK(element.link_path.bytes == "/l/b");
}

namespace {

/// Everything an element holds.
std::string told(const Element& element) {
  std::string out = element.object ? "object" : "no object";
  for (const auto* text :
       {&element.link_path, &element.target, &element.old_target, &element.new_target, &element.source_path,
        &element.target_path, &element.operation, &element.replaced_target}) {
    out += " " + std::to_string(static_cast<int>(text->state)) + "<" + text->bytes + ">";
  }
  for (const auto& number :
       {element.uid, element.gid, element.mtime_ns, element.replaced_uid, element.replaced_gid,
        element.replaced_mtime_ns, element.new_uid, element.new_gid, element.new_mtime_ns}) {
    out += number ? " " + std::to_string(*number) : " -";
  }
  out += element.target_exists ? *element.target_exists ? " yes" : " no" : " unknown";
  for (const bool flag : {element.two_step, element.chained, element.more}) out += flag ? " 1" : " 0";
  return out;
}

std::string told(const Result<Read>& read) {
  if (!read) return "refused";
  std::string out;
  for (const Element& element : read->elements) out += told(element) + "\n";
  return out;
}

}  // namespace

TEST_CASE("an element spelled as usual and one spelled otherwise are read alike",
          "[symlinks][SYM-67][SYM-68]") {
  std::mt19937 random(20261122);
  const std::vector<std::string> names{"link_path", "target",   "old_target", "new_target",    "source_path",
                                       "operation", "uid",      "mtime_ns",   "target_exists", "two_step",
                                       "more",      "surprise", "target_b64", "new_uid"};
  const std::vector<std::string> values{"\"/l/plain text\"",
                                        "\"a\\nb\"",
                                        "\"\xC3\xA9\"",
                                        "\"\\udcff\"",
                                        "\"\"",
                                        "\"\x7F\"",
                                        "null",
                                        "true",
                                        "false",
                                        "0",
                                        "-0",
                                        "01",
                                        "-17",
                                        "1.5",
                                        "1e3",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "tru",
                                        "[1,{}]",
                                        "\"QQ==\"",
                                        "\"a\nb\"",
                                        "-",
                                        "\"\xFF\""};
  int good = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string usual;
    std::string spaced;
    for (std::size_t members = random() % 5; members > 0; --members) {
      const std::string& name = names[random() % names.size()];
      const std::string& value = random() % 3 == 0 ? values[random() % values.size()] : values[0];
      usual += (usual.empty() ? "\"" : ",\"") + name + "\":" + value;
      spaced += (spaced.empty() ? " \"" : " , \"") + name + "\" : " + value;
    }
    const auto manifest = [](const std::string& element) {
      return "{\"changes\":[\n{" + element + "},\n{\"link_path\":\"/last\"}\n]}";
    };
    const auto reference = read_all(manifest(spaced), 1 + random() % 90);
    INFO(usual);
    CHECK(told(read_all(manifest(usual), 1 + random() % 90)) == told(reference));
    CHECK(told(read_all(manifest(usual), 65536)) == told(reference));
    good += reference ? 1 : 0;
  }
  CHECK(good > 1000);
  CHECK(good < 4000);
}
