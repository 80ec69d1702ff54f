#include "logs/journal_posix.hpp"

#include <sys/stat.h>

#include <array>

#include "logs_fixture.hpp"

using namespace dumb;
using namespace dumb::logs;
using namespace dumb::test;

namespace {

std::unique_ptr<Journal> open_journal(const std::filesystem::path& base) {
  auto journal = Journal::open(base);
  REQUIRE(journal);
  return std::move(*journal);
}

std::string read_once(Journal& journal, int fifo, std::size_t most = 65536, std::size_t stream = 0) {
  std::string block(most, '\0');
  const ssize_t got = journal.read(stream, fifo, block.data(), block.size());
  block.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return block;
}

PlannedWrite plan(const std::filesystem::path& file, std::size_t length) {
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  return {file, status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size), length};
}

std::array<StreamPosition, 2> at(std::uint64_t offset) {
  return {StreamPosition{offset, Level::warning, true}, StreamPosition{}};
}

/// Two log files and a journal that has read "one\ntwo\n".
struct Bench {
  Bench() : fifo(dir / "x.fifo"), journal(open_journal(dir / "x")) {
    write_text(a, "before a\n");
    write_text(b, "before b\n");
    fifo.put("one\ntwo\n");
    REQUIRE(read_once(*journal, fifo.reader.get()) == "one\ntwo\n");
  }
  void append(const std::filesystem::path& file, std::string_view text) const {
    write_text(file, read_text_again(file) + std::string(text));
  }
  static std::string read_text_again(const std::filesystem::path& file) { return read_text(file); }
  /// As a killed program leaves it and the next one finds it.
  void kill() {
    journal.reset();
    journal = open_journal(dir / "x");
  }
  TempDir dir;
  Fifo fifo;
  std::filesystem::path a = dir / "a.log", b = dir / "b.log";
  std::unique_ptr<Journal> journal;
};

}  // namespace

TEST_CASE("what was read and not written is read again after a kill", "[logs][LIF-105][LIF-125]") {
  Bench bench;
  bench.kill();
  CHECK(bench.journal->pending(0));
  bench.fifo.put("three\n");
  CHECK(read_once(*bench.journal, bench.fifo.reader.get()) == "one\ntwo\n");
  CHECK(read_once(*bench.journal, bench.fifo.reader.get()) == "three\n");
  CHECK(read_once(*bench.journal, bench.fifo.reader.get()).empty());
}

TEST_CASE("what was written is not read again", "[logs][LIF-105][LIF-125]") {
  Bench bench;
  bench.journal->begin(at(4), {plan(bench.a, 4)});
  bench.append(bench.a, "one\n");
  bench.journal->commit();
  bench.kill();
  const StreamPosition position = bench.journal->position(0);
  CHECK(position.offset == 4);
  CHECK(position.level == Level::warning);
  CHECK(position.continued);
  CHECK(read_once(*bench.journal, bench.fifo.reader.get()) == "two\n");
}

TEST_CASE("a write that was whole when the kill came counts", "[logs][LIF-105][LIF-125]") {
  Bench bench;
  bench.journal->begin(at(8), {plan(bench.a, 8), plan(bench.b, 4)});
  bench.append(bench.a, "one\ntwo\n");
  bench.append(bench.b, "two\n");
  bench.journal.reset();
  CHECK(settle_journals(bench.dir.path()) == 1);
  CHECK(settle_journals(bench.dir.path()) == 0);
  bench.kill();
  CHECK(bench.journal->position(0).offset == 8);
  CHECK_FALSE(bench.journal->pending(0));
  CHECK(read_text(bench.a) == "before a\none\ntwo\n");
}

TEST_CASE("a write that was torn by the kill is taken back in every file", "[logs][LIF-105][LIF-125]") {
  Bench bench;
  bench.journal->begin(at(8), {plan(bench.a, 8), plan(bench.b, 4)});
  SECTION("nothing was written") {}
  SECTION("one file has a part") {
    bench.append(bench.a, "one\ntw");
  }
  SECTION("one file has all, the other nothing") {
    bench.append(bench.a, "one\ntwo\n");
  }
  bench.kill();
  CHECK(bench.journal->position(0).offset == 0);
  CHECK(read_text(bench.a) == "before a\n");
  CHECK(read_text(bench.b) == "before b\n");
  CHECK(read_once(*bench.journal, bench.fifo.reader.get()) == "one\ntwo\n");
}

TEST_CASE("a log file that somebody moved away is not touched", "[logs][LIF-125]") {
  Bench bench;
  bench.journal->begin(at(8), {plan(bench.a, 8)});
  std::filesystem::rename(bench.a, bench.dir / "moved");
  write_text(bench.a, "another file with content\n");
  bench.kill();
  CHECK(read_text(bench.a) == "another file with content\n");
  CHECK(read_text(bench.dir / "moved") == "before a\n");
}

TEST_CASE("a path without an end names no file", "[logs][LIF-125]") {
  Bench bench;
  bench.journal->begin(at(8), {plan(bench.a, 8)});
  bench.append(bench.a, "one\n");
  // The path fills its field, so that what stands behind it would be read as its last part.
  constexpr std::size_t path_at = 112;
  constexpr std::size_t path_size = 512;
  std::string cursor = read_text(bench.dir / "x.cursor");
  REQUIRE(cursor.compare(path_at, bench.a.native().size() + 1, bench.a.native() + '\0') == 0);
  std::string path = bench.dir.path().native();
  path.resize(path_size, '/');
  cursor.replace(path_at, path_size, path);
  cursor.replace(path_at + path_size, 8, std::string("a.log\0\0\0", 8));
  bench.journal.reset();
  write_text(bench.dir / "x.cursor", cursor);
  bench.journal = open_journal(bench.dir / "x");
  CHECK(read_text(bench.a) == "before a\none\n");
}

TEST_CASE("a spool gives back its room", "[logs][LIF-105]") {
  const TempDir dir;
  const Fifo fifo(dir / "x.fifo");
  auto journal = open_journal(dir / "x");
  const std::string block(32768, 'x');
  std::uint64_t done = 0;
  bool emptied = false;
  for (int i = 0; i < 20; ++i) {
    fifo.put(block);
    REQUIRE(read_once(*journal, fifo.reader.get()) == block);
    done += block.size();
    journal->begin(at(done), {});
    journal->commit();
    if (journal->trim(0)) {
      emptied = true;
      done = 0;
      CHECK(std::filesystem::file_size(dir / "x.out.spool") == 0);
    }
  }
  CHECK(emptied);
  CHECK(std::filesystem::file_size(dir / "x.out.spool") <= 512U << 10U);
  fifo.put("on\n");
  CHECK(read_once(*journal, fifo.reader.get()) == "on\n");
  SECTION("a kill between emptying and noting it") {
    journal.reset();
    std::filesystem::resize_file(dir / "x.out.spool", 0);
    journal = open_journal(dir / "x");
    CHECK(journal->position(0).offset == 0);
  }
  SECTION("a line that never ends") {
    for (int i = 0; i < 80; ++i) {
      fifo.put(block);
      read_once(*journal, fifo.reader.get());
      done += block.size();
      journal->begin(at(done - 10), {});  // ten bytes are always of the line after
      journal->commit();
      CHECK_FALSE(journal->trim(0));
    }
    struct stat status {};
    REQUIRE(::stat((dir / "x.out.spool").c_str(), &status) == 0);
    CHECK(static_cast<std::uint64_t>(status.st_blocks) * 512 <= 1300U << 10U);
  }
}

TEST_CASE("a journal that is no journal begins anew", "[logs][LIF-125]") {
  const TempDir dir;
  const Fifo fifo(dir / "x.fifo");
  write_text(dir / "x.cursor", GENERATE(std::string("short"), std::string(4096, 'z')));
  write_text(dir / "x.out.spool", "what somebody else wrote");
  const auto journal = open_journal(dir / "x");
  CHECK_FALSE(journal->pending(0));
  fifo.put("a\n");
  CHECK(read_once(*journal, fifo.reader.get()) == "a\n");
}

TEST_CASE("a capture goes on in the middle of a line where another left it", "[logs][LIF-105][LIF-125]") {
  const TempDir dir;
  const Fifo output(dir / "x.fifo");
  const auto attach = [&](LogService& service) {
    CaptureSpec spec;
    spec.process_name = "One";
    spec.standard_output.reset(::open((dir / "x.fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    spec.to_main_log = false;
    spec.file = dir / "one.log";
    spec.journal = dir / "x";
    return service.attach(std::move(spec));
  };
  const std::string half(100'000, 'y');
  {
    LogService first(quiet(dir / "main"));
    attach(first);
    output.put("ERROR first\n  continues\nsecond " + half);
    first.flush();
    CHECK(without_stamps(read_text(dir / "one.log")).size() == 3);  // the long line is cut at 64 KiB
    first.detach_all();
    output.put("z");  // nobody reads now
  }
  LogService second(quiet(dir / "main"));
  const CaptureId id = attach(second);
  output.put("!\n  end\nlast");
  finish(second, id);
  const auto lines = without_stamps(read_text(dir / "one.log"));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "ERROR - One subprocess: first");
  CHECK(lines[1] == "ERROR - One subprocess:   continues");
  CHECK((lines[2] + lines[3].substr(lines[3].find('y'))) == "INFO - One subprocess: second " + half + "z!");
  CHECK(lines[4] == "INFO - One subprocess:   end");
  CHECK(lines[5] == "INFO - One subprocess: last");
}

TEST_CASE("a capture makes its journal with the first output, and not before", "[logs][LIF-105][LIF-125]") {
  const TempDir dir;
  const Fifo output(dir / "x.fifo");
  LogService service(quiet(dir / "main"));
  CaptureSpec spec;
  spec.process_name = "One";
  spec.standard_output.reset(::open((dir / "x.fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  spec.to_main_log = false;
  spec.file = dir / "one.log";
  spec.journal = dir / "x";
  const CaptureId id = service.attach(std::move(spec));
  service.flush();
  CHECK_FALSE(Journal::exists(dir / "x"));
  output.put("first\n");
  service.flush();
  CHECK(Journal::exists(dir / "x"));
  const auto spool = std::filesystem::file_size(dir / "x.out.spool");
  CHECK(spool == 6);  // the first bytes went by way of it as well
  finish(service, id);
  const auto lines = without_stamps(read_text(dir / "one.log"));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "INFO - One subprocess: first");
}

TEST_CASE("a journal that must give up keeps what it has not handed out", "[logs][LIF-105][LIF-125]") {
  const TempDir dir;
  const Fifo output(dir / "out.fifo");
  const Fifo error(dir / "err.fifo");
  auto journal = open_journal(dir / "x");
  error.put("one\ntwo\n");
  REQUIRE(read_once(*journal, error.reader.get(), 65536, 1) == "one\ntwo\n");
  journal.reset();  // killed before anything of it was written
  journal = open_journal(dir / "x");
  // No FIFO: the spool takes nothing of it, as if there was no room.
  write_text(dir / "plain", "of the other stream\n");
  const UniqueFd plain(::open((dir / "plain").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(read_once(*journal, plain.get()) == "of the other stream\n");
  REQUIRE(journal->broken());
  CHECK(journal->pending(1));
  error.put("three\n");
  CHECK(read_once(*journal, error.reader.get(), 3, 1) == "one");
  CHECK(read_once(*journal, error.reader.get(), 65536, 1) == "\ntwo\n");
  CHECK_FALSE(journal->pending(1));
  CHECK(read_once(*journal, error.reader.get(), 65536, 1) == "three\n");
  journal.reset();
  CHECK_FALSE(open_journal(dir / "x")->pending(1));  // nobody writes it again
}

TEST_CASE("a capture goes on with all that another had read, though its child is silent",
          "[logs][LIF-105][LIF-125]") {
  const TempDir dir;
  const Fifo output(dir / "x.fifo");
  std::string text;
  std::size_t lines = 0;
  while (text.size() < 600'000) text += "line " + std::to_string(++lines) + "\n";
  {
    const auto journal = open_journal(dir / "x");
    for (std::size_t at = 0; at < text.size(); at += 32768) {
      output.put(std::string_view(text).substr(at, 32768));
      read_once(*journal, output.reader.get());
    }
  }
  LogService service(quiet(dir / "main"));
  CaptureSpec spec;
  spec.process_name = "One";
  spec.standard_output.reset(::open((dir / "x.fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  spec.to_main_log = false;
  spec.file = dir / "one.log";
  spec.journal = dir / "x";
  service.attach(std::move(spec));
  const std::string last = ": line " + std::to_string(lines) + "\n";
  CHECK(eventually([&] {
    return std::filesystem::exists(dir / "one.log") && read_text(dir / "one.log").ends_with(last);
  }));
}

TEST_CASE("that an awaited line was found is known after a kill", "[logs][LIF-125][LIF-138]") {
  Bench bench;
  CHECK_FALSE(Journal::line_seen(bench.dir / "x"));
  bench.journal->note_line();
  bench.kill();
  CHECK(Journal::line_seen(bench.dir / "x"));
  CHECK_FALSE(Journal::line_seen(bench.dir / "y"));
  bench.journal.reset();
  Journal::remove(bench.dir / "x");
  CHECK_FALSE(Journal::line_seen(bench.dir / "x"));
}
