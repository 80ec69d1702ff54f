#include "support/release_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <stdexcept>

#include "support/archives.hpp"

namespace dumb::test {
namespace {

namespace json = boost::json;

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

Said missing() {
  return {404, {}, R"({"message":"Not Found"})"};
}

/// Applies Range and If-Range to a file.
void apply_range(const Seen& seen, Said& said) {
  const std::string etag = "\"" + sha256_hex(said.body).substr(0, 16) + "\"";
  said.headers.emplace_back("ETag", etag);
  said.headers.emplace_back("Accept-Ranges", "bytes");
  const auto range = seen.headers.find("range");
  const auto condition = seen.headers.find("if-range");
  if (range == seen.headers.end() || (condition != seen.headers.end() && condition->second != etag)) return;
  const auto from = text::to_int(range->second.substr(6, range->second.size() - 7));
  if (!from) return;
  const std::size_t size = said.body.size();
  if (static_cast<std::size_t>(*from) >= size) {
    said.status = 416;
    said.body.clear();
    return;
  }
  said.status = 206;
  said.headers.emplace_back("Content-Range", "bytes " + std::to_string(*from) + "-" +
                                                 std::to_string(size - 1) + "/" + std::to_string(size));
  said.body.erase(0, static_cast<std::size_t>(*from));
}

}  // namespace

ReleaseServer::ReleaseServer() {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  wake_.reset(::eventfd(0, EFD_CLOEXEC));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no listener");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ReleaseServer::~ReleaseServer() {
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  for (std::thread& talk : talks_) talk.join();
}

std::map<std::string, std::string> ReleaseServer::endpoints() const {
  std::map<std::string, std::string> out;
  for (const char* name : {"GITHUB_API", "GITHUB_WEB", "GITHUB_RAW", "SONARR_SERVICES", "SERVARR", "PLEX_TV",
                           "PLEX_DOWNLOADS", "JELLYFIN_REPO"})
    out[std::string("DUMB_ENDPOINT_") + name] = url();
  return out;
}

void ReleaseServer::add(const std::string& repository, Release release) {
  const std::lock_guard lock(mutex_);
  auto& list = releases_[repository];
  list.insert(list.begin(), std::move(release));
}

void ReleaseServer::set_branch(const std::string& repository, const std::string& branch,
                               const std::string& commit, std::string zip) {
  const std::lock_guard lock(mutex_);
  branches_[repository][branch] = {commit, std::move(zip)};
}

void ReleaseServer::set_file(const std::string& target, Said said) {
  const std::lock_guard lock(mutex_);
  files_[target] = std::move(said);
}

void ReleaseServer::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

std::vector<Seen> ReleaseServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int ReleaseServer::count(const std::string& part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(requests_.begin(), requests_.end(), [&](const Seen& seen) {
    return seen.target.find(part) != std::string::npos;
  }));
}

void ReleaseServer::serve() {
  while (true) {
    pollfd waits[2] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0) continue;
    if (waits[1].revents != 0) return;
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) talks_.emplace_back([this, fd] { converse(fd); });
  }
}

void ReleaseServer::converse(int fd) {
  const UniqueFd client(fd);
  std::string text;
  char block[4096];
  while (text.find("\r\n\r\n") == std::string::npos) {
    pollfd wait[2] = {{fd, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(wait, 2, 20'000) < 1 || wait[1].revents != 0) return;
    const ssize_t got = ::recv(fd, block, sizeof block, 0);
    if (got <= 0) return;
    text.append(block, static_cast<std::size_t>(got));
  }
  Seen seen;
  const std::vector<std::string> lines = text::split(text.substr(0, text.find("\r\n\r\n")), '\n');
  const std::vector<std::string> first = text::split(text::trim(lines.front()), ' ');
  seen.method = first.front();
  seen.target = first.size() > 1 ? first[1] : "";
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    if (colon != std::string::npos)
      seen.headers[text::lower(lines[i].substr(0, colon))] =
          text::trim(std::string_view(lines[i]).substr(colon + 1));
  }
  seen.body = text.substr(text.find("\r\n\r\n") + 4);
  const std::size_t length =
      static_cast<std::size_t>(text::to_int(seen.headers["content-length"]).value_or(0));
  while (seen.body.size() < length) {
    pollfd wait[2] = {{fd, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(wait, 2, 20'000) < 1 || wait[1].revents != 0) return;
    const ssize_t got = ::recv(fd, block, sizeof block, 0);
    if (got <= 0) return;
    seen.body.append(block, static_cast<std::size_t>(got));
  }
  Said said = answer(seen);
  if (said.delay_ms > 0) {
    pollfd wait{wake_.get(), POLLIN, 0};
    ::poll(&wait, 1, said.delay_ms);
  }
  if (said.is_file) apply_range(seen, said);
  std::string head = "HTTP/1.1 " + std::to_string(said.status) +
                     " X\r\nContent-Length: " + std::to_string(said.body.size()) +
                     "\r\nConnection: close\r\n";
  for (const auto& [name, value] : said.headers) head += name + ": " + value + "\r\n";
  if (!send_all(fd, head + "\r\n") || seen.method == "HEAD") return;
  send_all(fd, std::string_view(said.body).substr(0, said.cut));
}

std::string ReleaseServer::describe(const std::string& repository, const Release& release) const {
  json::object out;
  out["id"] = 1;
  out["tag_name"] = release.tag;
  out["draft"] = release.draft;
  out["prerelease"] = release.prerelease;
  out["created_at"] = out["published_at"] = release.published;
  out["zipball_url"] = url() + "/repos/" + repository + "/zipball/" + release.tag;
  json::array assets;
  std::int64_t id =
      static_cast<std::int64_t>(std::hash<std::string>()(repository + release.tag) % 1'000'000) * 100;
  for (const File& file : release.files) {
    json::object asset;
    asset["id"] = id++;
    asset["name"] = file.name;
    asset["size"] = file.bytes.size();
    asset["state"] = "uploaded";
    asset["digest"] = nullptr;
    if (!file.no_digest)
      asset["digest"] = "sha256:" + (file.wrong_digest ? std::string(64, '0') : sha256_hex(file.bytes));
    asset["browser_download_url"] = url() + "/unused";
    assets.push_back(std::move(asset));
  }
  out["assets"] = std::move(assets);
  return json::serialize(out);
}

Said ReleaseServer::of_repository(const std::string& repository, const std::string& rest) {
  const auto& releases = releases_[repository];
  if (rest == "releases/latest") {
    for (const Release& release : releases) {
      if (!release.draft && !release.prerelease) return {200, {}, describe(repository, release)};
    }
    return missing();
  }
  if (rest.starts_with("releases?")) {
    std::string list;
    for (const Release& release : releases) list += (list.empty() ? "" : ",") + describe(repository, release);
    return {200, {}, "[" + list + "]"};
  }
  for (const Release& release : releases) {
    if (rest == "releases/tags/" + release.tag) return {200, {}, describe(repository, release)};
    if (rest == "zipball/" + release.tag && !release.source.empty())
      return {200, {}, release.source, std::string::npos, 0, true};
    const json::value shown = json::parse(describe(repository, release));
    for (std::size_t i = 0; i < release.files.size(); ++i) {
      const auto id = shown.at("assets").at(i).at("id").as_int64();
      if (rest == "releases/assets/" + std::to_string(id))
        return {
            200, {{"Content-Type", "application/octet-stream"}}, release.files[i].bytes, std::string::npos, 0,
            true};
    }
  }
  for (const auto& [name, branch] : branches_[repository]) {
    if (rest == "commits/" + name) return {200, {}, R"({"sha":")" + branch.commit + "\"}"};
    if (rest == "zipball/" + branch.commit) return {200, {}, branch.zip, std::string::npos, 0, true};
  }
  return missing();
}

Said ReleaseServer::answer(const Seen& seen) {
  const std::lock_guard lock(mutex_);
  const auto earlier = std::count_if(requests_.begin(), requests_.end(),
                                     [&](const Seen& other) { return other.target == seen.target; });
  requests_.push_back(seen);
  Said said;
  if (fault_ && fault_(seen, static_cast<int>(earlier), said)) return said;
  if (const auto file = files_.find(seen.target); file != files_.end()) return file->second;
  const std::vector<std::string> parts = text::split(seen.target, '/');
  if (parts.size() < 5 || parts[1] != "repos") return missing();
  const std::string repository = parts[2] + "/" + parts[3];
  return of_repository(repository, seen.target.substr(8 + repository.size()));
}

}  // namespace dumb::test
