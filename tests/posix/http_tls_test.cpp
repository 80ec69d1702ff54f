#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>
#include <cstdlib>
#include <dumb/base/unique_fd.hpp>
#include <dumb/http/client.hpp>
#include <memory>
#include <thread>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;

namespace {

template <auto release>
struct Free {
  template <class T>
  void operator()(T* thing) const {
    release(thing);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;

Key make_key() {
  return Key(EVP_EC_gen("P-256"));
}

void add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  REQUIRE(extension != nullptr);
  REQUIRE(X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// What a certificate of these tests is for. Times are seconds from now.
struct Wish {
  const char* name = "localhost";
  const char* hosts = "DNS:localhost,IP:127.0.0.1";  ///< null: it is an authority
  long from = -3600;
  long until = 3600;
};

Certificate make_certificate(EVP_PKEY* key, const Wish& wish, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate out(X509_new());
  X509_set_version(out.get(), 2);
  static long serial = 0;
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), wish.from);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), wish.until);
  X509_set_pubkey(out.get(), key);
  X509_NAME* name = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(wish.name), -1,
                             -1, 0);
  X509_set_issuer_name(out.get(), issuer == nullptr ? name : X509_get_subject_name(issuer));
  X509* by = issuer == nullptr ? out.get() : issuer;
  if (wish.hosts == nullptr) {
    add_extension(out.get(), by, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(out.get(), by, NID_key_usage, "critical,keyCertSign");
  } else {
    add_extension(out.get(), by, NID_subject_alt_name, wish.hosts);
  }
  REQUIRE(X509_sign(out.get(), issuer_key, EVP_sha256()) > 0);
  return out;
}

/// An authority of the test, trusted by this process while it lives.
struct Authority {
  Key key = make_key();
  Certificate certificate;
  test::TempDir directory;

  explicit Authority(const char* name = "test authority")
      : certificate(make_certificate(key.get(), {name, nullptr}, nullptr, key.get())) {
    const std::string path = directory / "ca.pem";
    std::FILE* file = std::fopen(path.c_str(), "w");
    REQUIRE(file != nullptr);
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    ::setenv("SSL_CERT_FILE", path.c_str(), 1);
  }
  ~Authority() { ::unsetenv("SSL_CERT_FILE"); }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
};

/// A server of HTTPS on loopback with one certificate, for one conversation.
class TlsServer {
 public:
  TlsServer(Certificate certificate, Key key)
      : certificate_(std::move(certificate)),
        key_(std::move(key)),
        context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_.get(), 4) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() { thread_.join(); }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  Result<http::Response> get(const std::string& host) const {
    http::Request request;
    request.url =
        http::parse_url("https://user:SECRET@" + host + ":" + std::to_string(port_) + "/x?token=SECRET")
            .value();
    request.timeout = std::chrono::seconds(30);
    return http::fetch_blocking(std::move(request));
  }
  /// What arrived inside of TLS; once get() is back.
  std::string heard() {
    thread_.join();
    thread_ = std::thread([] {});
    return heard_;
  }

 private:
  void serve() {
    sigset_t pipe{};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    pollfd wait{listener_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 30'000) != 1) return;
    const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval limit{30, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::unique_ptr<SSL, Free<SSL_free>> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), client.get());
    if (SSL_accept(ssl.get()) != 1) return;
    char block[4096];
    const int got = SSL_read(ssl.get(), block, sizeof block);
    if (got <= 0) return;
    heard_.assign(block, static_cast<std::size_t>(got));
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    SSL_write(ssl.get(), answer.data(), static_cast<int>(answer.size()));
    SSL_shutdown(ssl.get());
  }

  Certificate certificate_;
  Key key_;
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context_;
  UniqueFd listener_;
  int port_ = 0;
  std::string heard_;
  std::thread thread_;
};

std::unique_ptr<TlsServer> server_of(const Authority& authority, const Wish& wish) {
  Key key = make_key();
  Certificate certificate =
      make_certificate(key.get(), wish, authority.certificate.get(), authority.key.get());
  return std::make_unique<TlsServer>(std::move(certificate), std::move(key));
}

void check_refused(TlsServer& server, const std::string& host, const std::string& why) {
  const auto answer = server.get(host);
  REQUIRE_FALSE(answer);
  CHECK_THAT(answer.error().message(),
             ContainsSubstring("the certificate of " + host + " is refused: " + why));
  CHECK(answer.error().to_string().find("SECRET") == std::string::npos);
  CHECK(server.heard().empty());  // nothing of the request was sent
}

}  // namespace

TEST_CASE("a server with a certificate of a trusted authority is talked to, by name and by address",
          "[http][SVC-54]") {
  const Authority authority;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    INFO(host);
    const auto server = server_of(authority, {});
    const auto answer = server->get(host);
    if (!answer) FAIL(answer.error().to_string());
    CHECK(answer->status == 200);
    CHECK(answer->body == "hello");
    CHECK_THAT(server->heard(), ContainsSubstring("GET /x?token=SECRET HTTP/1.1"));
  }
}

TEST_CASE("a certificate for another host is refused", "[http][SVC-54]") {
  const Authority authority;
  const auto name = server_of(authority, {"localhost", "DNS:other.example,IP:127.0.0.1"});
  check_refused(*name, "localhost", "hostname mismatch");
  const auto address = server_of(authority, {"127.0.0.1", "DNS:localhost,IP:127.0.0.2"});
  check_refused(*address, "127.0.0.1", "IP address mismatch");
  const auto partial = server_of(authority, {"localhost", "DNS:local*"});
  check_refused(*partial, "localhost", "hostname mismatch");
}

TEST_CASE("a certificate out of its time is refused", "[http][SVC-54]") {
  const Authority authority;
  const auto expired = server_of(authority, {"localhost", "DNS:localhost", -7200, -3600});
  check_refused(*expired, "localhost", "certificate has expired");
  const auto early = server_of(authority, {"localhost", "DNS:localhost", 3600, 7200});
  check_refused(*early, "localhost", "certificate is not yet valid");
}

TEST_CASE("a certificate nobody vouches for is refused", "[http][SVC-54]") {
  Key key = make_key();
  Certificate own = make_certificate(key.get(), {}, nullptr, key.get());
  {
    const Authority authority;
    TlsServer itself(std::move(own), std::move(key));
    check_refused(itself, "localhost", "self");
  }
  std::unique_ptr<TlsServer> stranger;
  {
    const Authority forgotten("another authority");
    stranger = server_of(forgotten, {});
  }
  const Authority authority;
  check_refused(*stranger, "localhost", "unable to get local issuer certificate");
}

TEST_CASE("a server that speaks no TLS is an error of agreeing on it", "[http][SVC-54]") {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener.get(), 4) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  std::thread plain([&] {
    const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char block[512];
    if (::recv(client.get(), block, sizeof block, 0) > 0)
      ::send(client.get(), "HTTP/1.1 400 No\r\n\r\n", 19, MSG_NOSIGNAL);
  });
  http::Request request;
  request.url = http::parse_url("https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/").value();
  const auto answer = http::fetch_blocking(std::move(request));
  plain.join();
  REQUIRE_FALSE(answer);
  CHECK_THAT(answer.error().message(), ContainsSubstring("agree on TLS with 127.0.0.1"));
}
