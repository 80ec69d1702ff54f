#include "config/validate.hpp"

#include "config/merge.hpp"
#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;

namespace {

/// Faults of a document with one custom service "Web" that has `members`.
std::vector<Problem> faults_of(std::string_view members) {
  static const Model model = test::small_model();
  const std::string user =
      R"({"web": {"process_name": "Web", "command": "x", )" + std::string(members) + "}}";
  return schema::to_problems(check_document(merge_document(object(user), model), model));
}
/// The only fault's place below the block, and its text.
std::pair<std::string, std::string> fault_of(std::string_view members) {
  const auto found = faults_of(members);
  INFO(members);
  REQUIRE(found.size() == 1);
  REQUIRE(found[0].where.starts_with("/web/"));
  return {found[0].where.substr(5), found[0].message};
}
using Fault = std::pair<std::string, std::string>;

}  // namespace

TEST_CASE("every way to tell readiness is accepted in each of its spellings",
          "[config][CFG-106][CFG-107][CFG-108][CFG-109][CFG-110][CFG-111][CFG-112]") {
  for (const char* good :
       {R"("readiness": {"http": "http://127.0.0.1:80/ping"})",
        R"("readiness": {"http": {"url": "http://h/"}})",
        R"("port": 80, "readiness": {"http": {"path": "/ping"}})",
        R"("readiness": {"http": {"path": "ping", "port": 81, "host": "::1"}})",
        R"("readiness": {"http": "http://127.0.0.1:{port}/"})", R"("readiness": {"tcp": 80})",
        R"("readiness": {"tcp": {"port": 80, "host": "localhost"}})",
        R"("port": 1, "readiness": {"tcp": {}})", R"("readiness": {"exec": ["pg_isready", "-q"]})",
        R"("readiness": {"exec": "pg_isready -h 'a b'"})", R"("readiness": {"log_line": "ready"})",
        R"("readiness": {"log_line": {"text": "a(b"}})",
        R"("readiness": {"log_line": {"regex": "^started in [0-9]+ ms$"}})",
        R"("readiness": {"notify": true})", R"("readiness": {"mount": "/mnt/x"})",
        R"("readiness": {"mount": {"path": "{mount_dir}/x"}})", R"("readiness": {"tcp": 1, "http": null})"}) {
    INFO(good);
    CHECK(faults_of(good).empty());
  }
}

TEST_CASE("numbers of readiness have bounds", "[config][CFG-113]") {
  CHECK(faults_of(R"("readiness": {"notify": true, "initial_delay_ms": 0, "period_ms": 10, "timeout_ms": 1,
                     "success_threshold": 1, "failure_threshold": 1000, "start_timeout_ms": 86400000})")
            .empty());
  CHECK(fault_of(R"("readiness": {"notify": true, "period_ms": 9})") ==
        Fault{"readiness/period_ms", "must be between 10 and 3600000, is 9"});
  CHECK(fault_of(R"("readiness": {"notify": true, "timeout_ms": 1.5})") ==
        Fault{"readiness/timeout_ms", "must be an integer"});
  CHECK(fault_of(R"("readiness": {"notify": true, "start_timeout_ms": "1"})") ==
        Fault{"readiness/start_timeout_ms", "must be an integer"});
  CHECK(fault_of(R"("readiness": {"notify": true, "initial_delay_ms": 1e300})").first ==
        "readiness/initial_delay_ms");
  CHECK(fault_of(R"("readiness": {"notify": true, "failure_threshold": 0})").first ==
        "readiness/failure_threshold");
  CHECK(fault_of(R"("readiness": {"notify": true, "success_threshold": 1001})").first ==
        "readiness/success_threshold");
}

TEST_CASE("the brackets of an address in a URL of readiness are a pair", "[config][CFG-114]") {
  for (const char* bad :
       {"http://[::1/", "http://[/", "http://[]/", "http://::1]/", "http://[::1]x/", "http://a[::1]/"}) {
    CAPTURE(bad);
    const std::string block = R"("readiness": {"http": ")" + std::string(bad) + R"("})";
    CHECK(fault_of(block) ==
          Fault{"readiness/http", "must be a URL whose IPv6 address stands in a pair of brackets"});
  }
  for (const char* good :
       {"http://[::1]/", "http://[::1]:8080/x", "http://[{host}]:{port}", "http://h/a[1]"}) {
    CAPTURE(good);
    CHECK(faults_of(R"("readiness": {"http": ")" + std::string(good) + R"("})").empty());
  }
}

TEST_CASE("exactly one way to tell readiness is given, and nothing unknown", "[config][CFG-106][CFG-114]") {
  CHECK(fault_of(R"("readiness": {})") ==
        Fault{"readiness",
              "has no way to tell readiness; it is one of http, tcp, exec, log_line, notify, mount"});
  CHECK(fault_of(R"("readiness": {"period_ms": 10})").first == "readiness");
  CHECK(fault_of(R"("readiness": {"tcp": 1, "http": "http://h/"})") ==
        Fault{"readiness/http", "must not stand beside \"tcp\": one way to tell readiness is given"});
  CHECK(fault_of(R"("readiness": {"tcp": 1, "period": 10})") ==
        Fault{"readiness/period", "is not known here"});
  CHECK(fault_of(R"("readiness": "tcp")") == Fault{"readiness", "must be an object or null, is a string"});
  CHECK(faults_of(R"("readiness": null, "depends_on": null)").empty());  // as if they were not there
  CHECK(fault_of(R"("depends_on": {})") == Fault{"depends_on", "must be a list or null, is an object"});
}

TEST_CASE("faults inside a way to tell readiness name their place",
          "[config][CFG-107][CFG-108][CFG-109][CFG-110][CFG-111][CFG-112][CFG-114]") {
  const auto place = [](std::string_view how) {
    return fault_of(R"("readiness": )" + std::string(how)).first;
  };
  CHECK(place(R"({"http": "https://h/"})") == "readiness/http");
  CHECK(place(R"({"http": 80})") == "readiness/http");
  CHECK(place(R"({"http": {"url": "http://h/", "port": 1}})") == "readiness/http/port");
  CHECK(place(R"({"http": {"port": 1}})") == "readiness/http");
  CHECK(place(R"({"http": {"path": "/x"}})") == "readiness/http");  // no port anywhere
  CHECK(place(R"({"http": {"path": "/x", "port": 1, "status": 200}})") == "readiness/http/status");
  CHECK(place(R"({"tcp": 0})") == "readiness/tcp");
  CHECK(place(R"({"tcp": "80"})") == "readiness/tcp");
  CHECK(place(R"({"tcp": {}})") == "readiness/tcp");
  CHECK(place(R"({"tcp": {"port": 65536}})") == "readiness/tcp/port");
  CHECK(place(R"({"tcp": {"port": 1, "host": ""}})") == "readiness/tcp/host");
  CHECK(place(R"({"exec": []})") == "readiness/exec");
  CHECK(place(R"({"exec": " "})") == "readiness/exec");
  CHECK(place(R"({"exec": "a 'b"})") == "readiness/exec");
  CHECK(place(R"({"exec": ["a", 1]})") == "readiness/exec/1");
  CHECK(place(R"({"exec": true})") == "readiness/exec");
  CHECK(place(R"({"log_line": ""})") == "readiness/log_line");
  CHECK(place(R"({"log_line": {}})") == "readiness/log_line");
  CHECK(place(R"({"log_line": {"regex": "("}})") == "readiness/log_line/regex");
  CHECK(place(R"({"log_line": {"regex": "(a)\\1"}})") == "readiness/log_line/regex");
  CHECK(place(R"({"log_line": {"regex": "a)|(b"}})") == "readiness/log_line/regex");
  CHECK(place(R"({"log_line": {"regex": "a", "text": "b"}})") == "readiness/log_line");
  CHECK(place(R"({"notify": false})") == "readiness/notify");
  CHECK(place(R"({"notify": "yes"})") == "readiness/notify");
  CHECK(place(R"({"mount": "mnt"})") == "readiness/mount");
  CHECK(place(R"({"mount": {"path": ""}})") == "readiness/mount/path");
  CHECK(place(R"({"mount": {}})") == "readiness/mount");
}

TEST_CASE("every fault of readiness is listed", "[config][CFG-50][CFG-114]") {
  const auto found = faults_of(R"("readiness": {"tcp": {"port": 0, "x": 1}, "period_ms": 1, "y": 2})");
  REQUIRE(found.size() == 4);
  CHECK(found[0].where == "/web/readiness/period_ms");
  CHECK(found[1].where == "/web/readiness/tcp/port");
  CHECK(found[2].where == "/web/readiness/tcp/x");
  CHECK(found[3].where == "/web/readiness/y");
}

TEST_CASE("dependencies name other processes and a known condition", "[config][CFG-115]") {
  CHECK(faults_of(R"("depends_on": ["Zilean", {"process_name": " Decypharr "},
                     {"process_name": "Sonarr", "condition": "healthy"},
                     {"process_name": "NzbDAV", "condition": "completed_successfully"}])")
            .empty());
  CHECK(fault_of(R"("depends_on": ["Nobody"])") ==
        Fault{"depends_on/0", "must be the name of a process, there is no \"Nobody\""});
  CHECK(fault_of(R"("depends_on": ["Zilean", {"process_name": "Nobody"}])").first ==
        "depends_on/1/process_name");
  CHECK(fault_of(R"("depends_on": ["Web"])") == Fault{"depends_on/0", "must not be the service itself"});
  CHECK(fault_of(R"("depends_on": [""])") == Fault{"depends_on/0", "must not be empty"});
  CHECK(fault_of(R"("depends_on": [{"process_name": "Zilean", "condition": "up"}])").first ==
        "depends_on/0/condition");
  CHECK(fault_of(R"("depends_on": [{"condition": "healthy"}])") ==
        Fault{"depends_on/0", "has no \"process_name\", which is required"});
  CHECK(fault_of(R"("depends_on": [{"process_name": "Zilean", "when": 1}])").first == "depends_on/0/when");
  CHECK(fault_of(R"("depends_on": [7])").first == "depends_on/0");
  CHECK(fault_of(R"("depends_on": "Zilean")").first == "depends_on");
}

TEST_CASE("blocks of the catalogue are checked like custom ones", "[config][CFG-114][CFG-115][CFG-23]") {
  const Model model = test::small_model();
  const auto found = schema::to_problems(check_document(
      merge_document(object(R"({"zilean": {"readiness": {"tcp": 0}, "depends_on": ["Zilean", 1]}})"), model),
      model));
  REQUIRE(found.size() == 3);
  CHECK(found[0].where == "/zilean/depends_on/0");
  CHECK(found[1].where == "/zilean/depends_on/1");
  CHECK(found[2].where == "/zilean/readiness/tcp");
}
