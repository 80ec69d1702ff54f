#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/jobs/job.hpp>

namespace dumb::jobs {
namespace {

json::value to_json(const Failure& failure) {
  json::object out;
  out["message"] = failure.message;
  out["code"] = failure.code;
  if (failure.manifest) out["manifest"] = *failure.manifest;
  return out;
}

Error bad_record(std::string_view what) {
  return Error(Errc::invalid_argument, "is no record of a job: " + std::string(what));
}

std::optional<std::int64_t> integer_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  return std::nullopt;
}

std::optional<json::object> object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_object()) return std::nullopt;
  return value->get_object();
}

}  // namespace

bool is_job_id(const std::string& text) noexcept {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

json::object to_json(const Job& job) {
  json::object out = to_summary(job);
  if (job.result) out["result"] = *job.result;
  return out;
}

json::object to_summary(const Job& job) {
  json::object out;
  out["job_id"] = job.job_id;
  out["process_name"] = job.process_name;
  out["operation"] = job.operation;
  out["status"] = codec::enum_name(job.status);
  out["created_at"] = job.created_at;
  out["updated_at"] = job.updated_at;
  if (job.started_at) out["started_at"] = *job.started_at;
  if (job.finished_at) out["finished_at"] = *job.finished_at;
  out["metadata"] = job.metadata;
  if (job.progress) out["progress"] = *job.progress;
  out["result"] = nullptr;
  out["error"] = job.error ? to_json(*job.error) : json::value(nullptr);
  return out;
}

void shorten(json::object& result) {
  bool shorter = false;
  for (auto& member : result) {
    json::array* list = member.value().if_array();
    if (list == nullptr || list->size() <= list_limit) continue;
    // A copy: a list that is only made shorter keeps its room.
    member.value() = json::array(list->begin(), list->begin() + list_limit);
    shorter = true;
  }
  if (json::value* truncated = result.if_contains("truncated"); shorter && truncated != nullptr)
    *truncated = true;
}

json::object to_record(const Job& job) {
  json::object out = to_json(job);
  if (json::object* result = out["result"].if_object()) shorten(*result);
  out["sequence"] = static_cast<std::int64_t>(job.sequence);
  return out;
}

Result<Job> from_record(const json::value& record) {
  const json::object* object = record.if_object();
  if (object == nullptr) return bad_record("not an object");
  Job job;
  job.job_id = jsonx::string_at(*object, "job_id");
  if (!is_job_id(job.job_id)) return bad_record("job_id");
  job.process_name = jsonx::string_at(*object, "process_name");
  job.operation = jsonx::string_at(*object, "operation");
  const auto status = codec::enum_value<Status>(jsonx::string_at(*object, "status"));
  if (!status) return bad_record("status");
  job.status = *status;
  const auto created = integer_at(*object, "created_at");
  const auto updated = integer_at(*object, "updated_at");
  if (!created || !updated) return bad_record("created_at, updated_at");
  job.created_at = *created;
  job.updated_at = *updated;
  job.started_at = integer_at(*object, "started_at");
  job.finished_at = integer_at(*object, "finished_at");
  job.metadata = object_at(*object, "metadata").value_or(json::object());
  job.progress = object_at(*object, "progress");
  job.result = object_at(*object, "result");
  if (const auto error = object_at(*object, "error")) {
    Failure failure{jsonx::string_at(*error, "message"), jsonx::string_at(*error, "code"), std::nullopt};
    if (error->contains("manifest")) failure.manifest = jsonx::string_at(*error, "manifest");
    job.error = std::move(failure);
  }
  job.sequence =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, integer_at(*object, "sequence").value_or(0)));
  return job;
}

}  // namespace dumb::jobs
