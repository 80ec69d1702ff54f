#include <dumb/health/health.hpp>

#include "support/catch.hpp"

using namespace dumb;

namespace {
std::vector<health::Endpoint> endpoints(const char* text) {
  return health::endpoints_of(jsonx::parse(text).value().as_object());
}
using Endpoints = std::vector<health::Endpoint>;
}  // namespace

TEST_CASE("ports come from four fields and four variables, unique and ascending",
          "[health][LIF-85][LIF-86][API-44]") {
  CHECK(endpoints(R"({"port":9,"frontend_port":3,"backend_port":9,"webdav_port":7,"other_port":1,
                      "env":{"PORT":"5","FRONTEND_PORT":"3","BACKEND_PORT":"10","WEBDAV_PORT":"2","XPORT":"99"}})") ==
        Endpoints{{{"127.0.0.1"}, 2},
                  {{"127.0.0.1"}, 3},
                  {{"127.0.0.1"}, 5},
                  {{"127.0.0.1"}, 7},
                  {{"127.0.0.1"}, 9},
                  {{"127.0.0.1"}, 10}});
}

TEST_CASE("what is no port number is not probed", "[health][LIF-85]") {
  CHECK(endpoints("{}").empty());
  CHECK(endpoints(R"({"port":0,"frontend_port":70000,"backend_port":"80","webdav_port":-1})").empty());
  CHECK(endpoints(R"({"port":18446744073709551615,"frontend_port":80.5,"env":null})").empty());
  CHECK(endpoints(R"({"env":{"PORT":"{port}","FRONTEND_PORT":"+80","BACKEND_PORT":"","WEBDAV_PORT":80}})")
            .empty());
}

TEST_CASE("wildcard hosts are probed on loopback", "[health][LIF-85]") {
  CHECK(endpoints(R"({"port":1,"host":""})") == Endpoints{{{"127.0.0.1"}, 1}});
  CHECK(endpoints(R"({"port":1,"host":"0.0.0.0"})") == Endpoints{{{"127.0.0.1"}, 1}});
  CHECK(endpoints(R"({"port":1,"host":"::"})") == Endpoints{{{"::1", "127.0.0.1"}, 1}});
  CHECK(endpoints(R"({"port":1,"host":" 10.0.0.7 "})") == Endpoints{{{"10.0.0.7"}, 1}});
  CHECK(endpoints(R"({"port":1,"host":null})") == Endpoints{{{"127.0.0.1"}, 1}});
}
