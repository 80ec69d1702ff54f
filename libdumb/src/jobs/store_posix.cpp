#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/jobs/store.hpp>
#include <random>
#include <tuple>

namespace dumb::jobs {
namespace {

constexpr std::uint64_t record_limit = std::uint64_t{16} << 20U;

}  // namespace

Result<void> Store::save(const Job& job) const {
  if (auto made = file::make_directories(directory_, 0700); !made) return made;
  return file::write_atomic(directory_ / (job.job_id + ".json"), jsonx::print_compact(to_record(job)));
}

void Store::remove(const std::string& job_id) const {
  if (!is_job_id(job_id)) return;
  std::error_code ignored;
  std::filesystem::remove(directory_ / (job_id + ".json"), ignored);
}

std::vector<Job> Store::load(const std::function<void(const Error&)>& skipped) const {
  std::vector<Job> jobs;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(directory_, failed), end; !failed && at != end;
       at.increment(failed)) {
    const std::filesystem::path& path = at->path();
    if (path.extension() != ".json" || !is_job_id(path.stem().native())) continue;
    const auto read = [&]() -> Result<Job> {
      const auto bytes = file::read(path, record_limit);
      if (!bytes) return bytes.error();
      const auto value = jsonx::parse(*bytes);
      if (!value) return value.error();
      auto job = from_record(*value);
      if (job && job->job_id != path.stem().native()) {
        return Error(Errc::invalid_argument, "is the record of another job");
      }
      return job;
    };
    auto job = read();
    if (job) {
      jobs.push_back(std::move(*job));
    } else if (skipped) {
      skipped(Error(job.error().code(), job.error().message(), path.native()));
    }
  }
  std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) {
    return std::tie(a.sequence, a.created_at, a.job_id) < std::tie(b.sequence, b.created_at, b.job_id);
  });
  return jobs;
}

std::string new_job_id() {
  std::random_device random;
  std::string bytes(16, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xFFU);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);                                // version 4
  bytes[8] = static_cast<char>((static_cast<unsigned char>(bytes[8]) & 0x3FU) | 0x80U);  // RFC 4122
  return text::hex_encode(bytes);
}

}  // namespace dumb::jobs
