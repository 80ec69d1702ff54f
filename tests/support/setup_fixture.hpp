#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <set>

#include "setup/scope.hpp"
#include "support/catch.hpp"

namespace dumb::test {

/// A machine made of tables.
class FakeFacts final : public setup::Facts {
 public:
  std::map<std::string, std::string> files;
  std::set<std::string> programs, running, stale, sockets;
  std::set<int> listening, taken;
  User ids{1000, 1001};
  bool root = true;
  std::string uname = "x86_64";
  std::string random = std::string(64, '\x5a');

  bool exists(const std::filesystem::path& path) override { return files.contains(path.native()); }
  bool executable(const std::filesystem::path& path) override { return programs.contains(path.native()); }
  Result<std::string> read(const std::filesystem::path& path) override {
    const auto found = files.find(path.native());
    if (found == files.end()) return system_error(ENOENT, "open", path.native());
    return found->second;
  }
  std::optional<std::filesystem::path> tool(std::string_view name) override {
    if (!programs.contains(std::string(name))) return std::nullopt;
    return "/usr/bin/" + std::string(name);
  }
  bool service_running(std::string_view name) override { return running.contains(std::string(name)); }
  bool pid_file_stale(const std::filesystem::path& path) override { return stale.contains(path.native()); }
  bool answers(const std::string&, int port) override { return listening.contains(port); }
  bool port_free(int port) override { return !listening.contains(port) && !taken.contains(port); }
  bool socket_owned(const std::filesystem::path& directory, int) override {
    return sockets.contains(directory.native());
  }
  User user() override { return ids; }
  bool is_root() override { return root; }
  std::string random_bytes(std::size_t count) override { return random.substr(0, count); }
  std::string machine() override { return uname; }
  Result<std::filesystem::path> postgres_passfile() override {
    return std::filesystem::path("/private/pgpass");
  }
};

/// The default document with `changes` merged into it, by JSON pointer; nothing is enabled but what they
/// enable.
inline json::object document_with(const std::vector<std::pair<std::string, json::value>>& changes) {
  json::object document = catalog::Catalog::embedded().default_document();
  for (const auto& [pointer, value] : changes) jsonx::set(document, *jsonx::parse_pointer(pointer), value);
  return document;
}

/// A scope over one process of a document, with fake facts.
struct ScopeFixture {
  explicit ScopeFixture(json::object document, const std::string& process_name,
                        const std::string& root = "/") {
    context.catalog = &catalog::Catalog::embedded();
    context.config = std::make_shared<const config::Snapshot>(document, document, 1);
    const config::BlockRef* block = context.config->find(process_name);
    REQUIRE(block != nullptr);
    context.block = *block;
    context.root = Root(root);
    scope = std::make_unique<setup::Scope>(context, *context.catalog->find(block->config_key), facts);
  }
  setup::Context context;
  FakeFacts facts;
  std::unique_ptr<setup::Scope> scope;
};

}  // namespace dumb::test
