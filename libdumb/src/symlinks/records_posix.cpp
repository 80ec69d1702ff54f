#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>
#include <system_error>

#include "symlinks/files_posix.hpp"

namespace dumb::symlinks {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_auto_files = 20;
constexpr std::uintmax_t most_auto_bytes = std::uintmax_t{2} << 30U;

ManifestPlace record_place(const Context& context, const std::string& run_id) {
  return {context.environment.config_directory + "/symlink-repair", ".state/runs/" + run_id + ".json"};
}

}  // namespace

Result<void> write_run_record(const Context& context, const RunRecord& record) {
  const ManifestPlace place = record_place(context, record.run_id);
  auto directory = open_manifest_directory(context, place);
  if (!directory) return directory.error();
  auto file = DurableFile::create(context.calls, std::move(*directory), std::string(base_name(place.rest)));
  if (!file) return file.error();
  json::object object;
  object["run_id"] = record.run_id;
  object["owner"] = record.owner;
  object["operation"] = record.operation;
  object["manifest"] = record.manifest;
  object["state"] = "applying";
  if (record.two_step) object["two_step"] = true;
  if (!record.left.empty()) {
    json::array left;
    for (const std::string& tree : record.left) left.emplace_back(text::base64_encode(tree));
    object["left_b64"] = std::move(left);
  }
  if (auto done = (*file)->append(jsonx::print_compact(object)); !done) return done;
  return (*file)->commit(DurableFile::Previous::drop);
}

Result<void> remove_run_record(const Context& context, const std::string& run_id) {
  const ManifestPlace place = record_place(context, run_id);
  auto directory = open_manifest_directory(context, place);
  if (!directory) return directory.error();
  const int done = context.calls.unlink(directory->get(), std::string(base_name(place.rest)).c_str(), 0);
  if (done < 0 && done != -ENOENT) return system_error(-done, "remove the record of the run", run_id);
  context.calls.sync(directory->get());
  return {};
}

std::vector<RunRecord> read_run_records(const Context& context) {
  std::vector<RunRecord> records;
  const fs::path directory =
      context.on_disk(context.environment.config_directory + "/symlink-repair/.state/runs");
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != ".json") continue;
    const auto text = file::read(entry->path());
    if (!text) continue;
    const auto value = jsonx::parse(*text);
    if (!value || !value->is_object()) continue;
    const json::object& object = value->as_object();
    RunRecord record{jsonx::string_at(object, "run_id"), jsonx::string_at(object, "owner"),
                     jsonx::string_at(object, "operation"), jsonx::string_at(object, "manifest")};
    record.two_step = object.contains("two_step");
    if (const json::value* left = object.if_contains("left_b64"); left != nullptr && left->is_array()) {
      for (const json::value& tree : left->as_array()) {
        const auto bytes = text::base64_decode(tree.is_string() ? std::string_view(tree.as_string()) : "");
        if (bytes && !bytes->empty()) record.left.push_back(*bytes);
      }
    }
    records.push_back(std::move(record));
  }
  std::sort(records.begin(), records.end(),
            [](const RunRecord& a, const RunRecord& b) { return a.run_id < b.run_id; });
  return records;
}

void prune_auto_manifests(const Context& context) {
  struct File {
    fs::file_time_type time;
    std::uintmax_t size;
    fs::path path;
  };
  std::vector<File> files;
  std::vector<std::string> needed;
  for (const RunRecord& record : read_run_records(context))
    needed.push_back(context.on_disk(record.manifest));
  const fs::path directory =
      context.on_disk(context.environment.config_directory + "/symlink-repair/repair-manifests");
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().native();
    std::error_code unseen;
    if (!name.starts_with("auto-") || !name.ends_with(".json") || !entry->is_regular_file(unseen)) continue;
    if (std::find(needed.begin(), needed.end(), entry->path().native()) != needed.end()) continue;
    const auto time = entry->last_write_time(unseen);
    const auto size = entry->file_size(unseen);
    if (!unseen) files.push_back({time, size, entry->path()});
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) {
    return a.time != b.time ? a.time > b.time : a.path > b.path;
  });
  std::uintmax_t bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    bytes += files[i].size;
    if (i > 0 && (i >= most_auto_files || bytes > most_auto_bytes)) fs::remove(files[i].path, error);
  }
}

}  // namespace dumb::symlinks
