#pragma once

#include <dumb/base/unique_fd.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dumb::test {

/// A request as it arrived.
struct Seen {
  std::string method, target;
  std::map<std::string, std::string> headers{};  ///< names in lower case
  std::string body{};
};

/// What the server says to one request.
struct Said {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::size_t cut = std::string::npos;  ///< send only so many bytes of the body, then close
  int delay_ms = 0;                     ///< before the answer
  bool is_file = false;                 ///< honours Range
};

/// A release server of the shape of SVC-223 on loopback. Every endpoint of the catalogue may point at it.
class ReleaseServer {
 public:
  struct File {
    std::string name;
    std::string bytes;
    bool wrong_digest = false;
    bool no_digest = false;
  };
  struct Release {
    std::string tag;
    std::vector<File> files{};
    std::string source{};  ///< zip of its source
    bool prerelease = false;
    bool draft = false;
    std::string published = "2026-02-01T00:00:00Z";
  };

  ReleaseServer();
  ~ReleaseServer();
  ReleaseServer(const ReleaseServer&) = delete;
  ReleaseServer& operator=(const ReleaseServer&) = delete;

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// The environment that points a program here.
  std::map<std::string, std::string> endpoints() const;

  void add(const std::string& repository, Release release);
  /// A branch: its head and the zip of its source.
  void set_branch(const std::string& repository, const std::string& branch, const std::string& commit,
                  std::string zip);
  /// Any other file, by its target.
  void set_file(const std::string& target, Said said);
  /// Answers a request instead of the server while it returns something; called with the number of earlier
  /// requests for the same target.
  using Fault = std::function<bool(const Seen&, int earlier, Said&)>;
  void set_fault(Fault fault);
  std::vector<Seen> requests() const;
  /// How many requests had a target that contains this.
  int count(const std::string& part) const;

 private:
  void serve();
  void converse(int fd);
  Said answer(const Seen& seen);
  Said of_repository(const std::string& repository, const std::string& rest);
  std::string describe(const std::string& repository, const Release& release) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Release>> releases_;
  struct Branch {
    std::string commit, zip;
  };
  std::map<std::string, std::map<std::string, Branch>> branches_;
  std::map<std::string, Said> files_;
  Fault fault_;
  std::vector<Seen> requests_;
  UniqueFd listener_, wake_;
  int port_ = 0;
  std::vector<std::thread> talks_;
  std::thread thread_;
};

}  // namespace dumb::test
