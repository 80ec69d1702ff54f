#include <chrono>
#include <dumb/logs/redact.hpp>
#include <random>

#include "support/catch.hpp"

using namespace dumb;
using logs::Redactor;

namespace {

std::string redact(std::string_view line) {
  static const Redactor redactor;
  return redactor(line);
}

struct Row {
  const char* line;
  const char* expected;
};

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const std::string once = redact(row.line);
    CHECK(once == row.expected);
    CHECK(redact(once) == once);
  }
}

void check_safe(std::initializer_list<const char*> lines) {
  for (const char* line : lines) CHECK(redact(line) == line);
}

}  // namespace

TEST_CASE("header-like names hide the rest of the line", "[logs][LIF-108]") {
  check(
      {{"Cookie: a=b; c=d", "Cookie: [REDACTED]"},
       {"> SET-COOKIE:sid=1 path", "> SET-COOKIE:[REDACTED]"},
       {"authorization: Bearer abc def", "authorization: [REDACTED]"},
       {"Proxy-Authorization : Basic x", "Proxy-Authorization : [REDACTED]"},
       {"x-api-key: abc, more", "x-api-key: [REDACTED]"},
       {"X-Auth-Token: abc", "X-Auth-Token: [REDACTED]"},
       {"X-Plex-Token: abc def", "X-Plex-Token: [REDACTED]"},
       {"{'Cookie': 'a=b; c', 'Host': 'x'}", "{'Cookie': '[REDACTED]', 'Host': 'x'}"},
       {R"({"Authorization": "Bearer a\"b c","Host":"x"})", R"({"Authorization": "[REDACTED]","Host":"x"})"},
       {R"("{\"X-Api-Key\":\"abc\",\"Host\":\"x\"}")", R"("{\"X-Api-Key\":\"[REDACTED]\",\"Host\":\"x\"}")"},
       {R"({"x-api-key": abc, "b": 1})", R"({"x-api-key": [REDACTED], "b": 1})"},
       {R"({"Set-Cookie": ["a=b", "c=d"]})", R"({"Set-Cookie": [REDACTED])"},
       {"Cookie:", "Cookie:"}});
  check_safe({"cookies: none", "no cookie here", "mycookie: oreo", "cookie-jar: open"});
}

TEST_CASE("a credential after an authorization name is hidden", "[logs][LIF-108]") {
  check({{"authorization=Bearer abc.def next", "authorization=Bearer [REDACTED] next"},
         {"('Authorization', 'basic dXNlcg==')", "('Authorization', 'basic [REDACTED]')"},
         {"HTTP_AUTHORIZATION Bearer abc", "HTTP_AUTHORIZATION Bearer [REDACTED]"},
         {"proxy-authorization header is Basic abc;x", "proxy-authorization header is Basic [REDACTED];x"}});
  check_safe({"Bearer of bad news", "basic settings", "authorization failed"});
}

TEST_CASE("secret URL parameters are hidden up to the next one", "[logs][LIF-108]") {
  check({{"GET /x?api_key=abc&y=1 200", "GET /x?api_key=[REDACTED]&y=1 200"},
         {"?apikey=a&api-key=b", "?apikey=[REDACTED]&api-key=[REDACTED]"},
         {"?auth_token=a&accessToken=b&refresh-token=c&id_token=d",
          "?auth_token=[REDACTED]&accessToken=[REDACTED]&refresh-token=[REDACTED]&id_token=[REDACTED]"},
         {"/y?X-Plex-Token=abc#frag", "/y?X-Plex-Token=[REDACTED]#frag"},
         {"/y?xplextoken=abc,def]x", "/y?xplextoken=[REDACTED]"},
         {"/y?auth_password=a&password=b&passwd=c&secret=d",
          "/y?auth_password=[REDACTED]&password=[REDACTED]&passwd=["
          "REDACTED]&secret=[REDACTED]"},
         {"/y?secret_key=a&client-secret=b&token=c&code=d",
          "/y?secret_key=[REDACTED]&client-secret=[REDACTED]&token=[REDACTED]&code=[REDACTED]"},
         {R"({"RequestPath":"/x?token=abc","ClientAddr":"1"})",
          R"({"RequestPath":"/x?token=[REDACTED]","ClientAddr":"1"})"},
         {"/y?token=&x=1", "/y?token=&x=1"}});
  check_safe({"/y?tokens=1&encode=2&barcode=3&error_code=4", "/y?tokenizer=bert", "/y?x=token"});
}

TEST_CASE("named values are hidden up to a separator", "[logs][LIF-108]") {
  check({{"token=abc, next", "token=[REDACTED], next"},
         {"Token : abc] next", "Token : [REDACTED]] next"},
         {"password: abc;x", "password: [REDACTED];x"},
         {"api key = abc}", "api key = [REDACTED]}"},
         {"access token: abc def", "access token: [REDACTED] def"},
         {"client secret=abc", "client secret=[REDACTED]"},
         {R"({"token":"abc def","b":1})", R"({"token":"[REDACTED]","b":1})"},
         {"{'api_key': 'abc', 'b': 1}", "{'api_key': '[REDACTED]', 'b': 1}"},
         {R"({\"password\":\"abc\"})", R"({\"password\":\"[REDACTED]\"})"},
         {R"(secret => "abc")", R"(secret => "[REDACTED]")"},
         {"password == abc", "password == [REDACTED]"},
         {"password=b'abc' x", "password=b'[REDACTED]' x"},
         {R"("token": ["a", "b"], "c": 1)", R"("token": [REDACTED], "c": 1)"},
         {"secret_key=a passwd=b auth-password=c",
          "secret_key=[REDACTED] passwd=[REDACTED] auth-password=[REDACTED]"},
         {"code=abc", "code=[REDACTED]"},
         {"POSTGRES_PASSWORD=abc PLEX_TOKEN=def", "POSTGRES_PASSWORD=[REDACTED] PLEX_TOKEN=[REDACTED]"},
         {"token=", "token="},
         {"token=[REDACTED]", "token=[REDACTED]"}});
  check_safe({"tokenizer=x", "tokens: 5", "secretary: bob", "passwords: 3", "a token for you",
              "status_code=404", "exit-code: 1", "encode: x", "mytoken=abc", "keyword=x", "token_count=3"});
}

TEST_CASE("the password of a URL is hidden", "[logs][LIF-108]") {
  check({{"postgres://user:pw@host/db", "postgres://user:[REDACTED]@host/db"},
         {"redis://:pw@host:6379", "redis://:[REDACTED]@host:6379"},
         {"http://u:p@ss@host/x", "http://u:[REDACTED]@host/x"},
         {"amqp://u:pa/ss@host/x", "amqp://u:[REDACTED]@host/x"},
         {"'http://u:p@h'", "'http://u:[REDACTED]@h'"}});
  check_safe(
      {"http://host:80/a?b=c@d", "http://user@host/x", "http://[::1]:80/x@y", "http://host/x:y@z", "a://"});
}

TEST_CASE("tunnel tokens, AIOStreams users and WebDAV credentials are hidden", "[logs][LIF-108]") {
  check({{"TUNNEL_TOKEN=eyJh", "TUNNEL_TOKEN=[REDACTED]"},
         {"MY_TUNNEL_TOKEN: eyJh", "MY_TUNNEL_TOKEN: [REDACTED]"},
         {"AIOSTREAMS_AUTH=a:b,c:d next", "AIOSTREAMS_AUTH=[REDACTED] next"},
         {"\"AIOSTREAMS_AUTH_ADMINS\": \"a,b\", x", "\"AIOSTREAMS_AUTH_ADMINS\": \"[REDACTED]\", x"},
         {"WebDAV credentials: alice / pass word", "WebDAV credentials: alice / [REDACTED]"},
         {"webdav credentials: alice:pw", "webdav credentials: [REDACTED]"}});
  check_safe({"AIOSTREAMS_PORT=3000", "WebDAV credentials are set"});
}

TEST_CASE("Plex accounts, sign-in tokens and ids are hidden", "[logs][LIF-108]") {
  const std::string hex16 = "0123456789abcdef";
  const std::string hex32 = hex16 + hex16;
  check({{"MyPlex: signed in as alice", "MyPlex: signed in as [REDACTED]"},
         {"[myplex] username='al ice' ok", "[myplex] username='[REDACTED]' ok"},
         {"MyPlex account: bob, plan", "MyPlex account: [REDACTED], plan"},
         {"MyPlex: user \"bob\" is back", "MyPlex: user \"[REDACTED]\" is back"},
         {"Signed in with token abcdefgh12", "Signed in with token [REDACTED]"}});
  check({{("machineIdentifier=" + hex16 + " x").c_str(), "machineIdentifier=[REDACTED] x"},
         {("\"serverUuid\": \"" + hex32 + "\"").c_str(), "\"serverUuid\": \"[REDACTED]\""},
         {("?machineIdentifier%3D" + hex16).c_str(), "?machineIdentifier%3D[REDACTED]"},
         {("GET /devices/" + hex32 + "/x").c_str(), "GET /devices/[REDACTED]/x"},
         {("GET /api/servers/" + hex32).c_str(), "GET /api/servers/[REDACTED]"}});
  CHECK(redact("machineIdentifier=0123456789abcde") == "machineIdentifier=0123456789abcde");
  CHECK(redact("/devices/" + hex16) == "/devices/" + hex16);
  check_safe({"MyPlex: user is mapped", "username=alice", "account: bob"});
}

TEST_CASE("e-mail addresses are hidden", "[logs][LIF-108]") {
  check({{"mail from a.b+c@example.co.uk.", "mail from [REDACTED]."},
         {"<x_y@host.org>", "<[REDACTED]>"},
         {"user%40example.org", "[REDACTED]"}});
  check_safe({"user@localhost", "pkg@1.2.3", "@all hands", "a @ b.com", "x@.com"});
}

TEST_CASE("current secret values are hidden wherever they stand", "[logs][LIF-108]") {
  const Redactor redactor({"hunter2hunter2", "hunter2hunter2-long", "short", "REDACTED"});
  CHECK(redactor("x hunter2hunter2 y hunter2hunter2") == "x [REDACTED] y [REDACTED]");
  CHECK(redactor("<hunter2hunter2-long>") == "<[REDACTED]>");
  CHECK(redactor("Hunter2hunter2") == "Hunter2hunter2");
  CHECK(redactor("short") == "short");
  CHECK(redactor("[REDACTED] REDACTED") == "[REDACTED] [REDACTED]");
  std::string out = "before ";
  CHECK_FALSE(redactor.apply("nothing to see", out));
  CHECK(out == "before ");
  CHECK(redactor.apply("a hunter2hunter2", out));
  CHECK(out == "before a [REDACTED]");
}

TEST_CASE("a text is redacted line by line", "[logs][LIF-108]") {
  const Redactor redactor;
  CHECK(redactor.lines("Cookie: a\nnext\n\nCookie: b") == "Cookie: [REDACTED]\nnext\n\nCookie: [REDACTED]");
  CHECK(redactor.lines("a\n") == "a\n");
  CHECK(redactor.lines("").empty());
}

TEST_CASE("redaction is idempotent whatever the line holds", "[logs][LIF-108]") {
  static constexpr const char* parts[] = {"token",
                                          "password",
                                          "Cookie",
                                          "Authorization",
                                          "Bearer ",
                                          "api_key",
                                          "code",
                                          "=",
                                          ":",
                                          "://",
                                          "@",
                                          "\"",
                                          "'",
                                          "\\\"",
                                          " ",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          ",",
                                          ";",
                                          "&",
                                          "?",
                                          "#",
                                          "%40",
                                          "a.com",
                                          "u:p@h",
                                          "MyPlex ",
                                          "user",
                                          "account ",
                                          "signed in ",
                                          "/devices/",
                                          "0123456789abcdef",
                                          "serverUuid",
                                          "AIOSTREAMS_AUTH",
                                          "WebDAV credentials",
                                          " / ",
                                          "[REDACTED]",
                                          "hunter2hunter2",
                                          "x",
                                          "-",
                                          "_",
                                          ".",
                                          "b'",
                                          "secret",
                                          "REDACTED]",
                                          "[RED"};
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Redactor redactor({"hunter2hunter2", "a.com@ssw", "REDACTED"});
  std::vector<std::string> not_idempotent;
  std::vector<std::string> leaking;
  for (int round = 0; round < 20000; ++round) {
    std::string line;
    for (unsigned count = random() % 14; count > 0; --count) line += parts[random() % std::size(parts)];
    const std::string once = redactor(line);
    if (redactor(once) != once) not_idempotent.push_back(line);
    if (once.find("hunter2hunter2") != std::string::npos) leaking.push_back(line);
  }
  CHECK(not_idempotent == std::vector<std::string>());
  CHECK(leaking == std::vector<std::string>());
}

TEST_CASE("a line whose replacements go on exposing further ones is hidden whole", "[logs][LIF-108]") {
  const Redactor redactor;
  std::string line;
  for (int nested = 0; nested < 30; ++nested) line += "t://u:" + std::string(200, 'x');
  line += "@host";
  const std::string once = redactor(line);
  CHECK(once == "[REDACTED]");
  CHECK(redactor(once) == once);
  CHECK(redactor("t://u:" + std::string(200, 'x') + "@host") == "t://u:[REDACTED]@host");
}

TEST_CASE("redaction takes time linear in the line's length", "[logs][LIF-108]") {
  const Redactor redactor({"aaaaaaaaaaaaaaab"});
  for (const std::string part :
       {"a", "a@", "a%40", "://u:", "x://u:p/", "token", "token=", "-token", "cookie ", "aiostreams-",
        "webdav credentials ", "/devices/0", "\"", "token:\"", "[token:[", "a.a@a."}) {
    CAPTURE(part);
    std::string line = "@ ";
    while (line.size() < 200'000) line += part;
    const auto began = std::chrono::steady_clock::now();
    const std::string out = redactor(line);
    // A quadratic walk would take minutes.
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
    CHECK_FALSE(out.empty());
  }
}
