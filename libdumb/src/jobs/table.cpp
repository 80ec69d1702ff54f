#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/jobs/table.hpp>
#include <stdexcept>
#include <tuple>

namespace dumb::jobs {
namespace {

std::int64_t seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string message_of(std::string_view code) {
  return code == "interrupted" ? "ended by the shutdown of DUMB" : "cancelled";
}

}  // namespace

Table::Entry& Table::entry(const std::string& job_id) {
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) throw std::logic_error("no job " + job_id);
  return found->second;
}

void Table::end(Entry& entry, Status status, WallTime now) {
  entry.job.status = status;
  entry.job.updated_at = std::max(entry.job.updated_at, seconds(now));
  entry.job.finished_at = seconds(now);
}

/// Hundreds of results with thousands of changes each would take gigabytes.
void Table::shorten_older() {
  while (whole_.size() > limits_.whole_results) {
    const auto oldest = jobs_.find(whole_.front());
    if (oldest != jobs_.end() && oldest->second.job.result) shorten(*oldest->second.job.result);
    whole_.pop_front();
  }
}

void Table::restore(Job job, const Failure& interrupted, WallTime now) {
  Entry restored;
  restored.job = std::move(job);
  if (restored.job.active()) {
    restored.job.error = interrupted;
    end(restored, Status::error, now);
  }
  last_sequence_ = std::max(last_sequence_, restored.job.sequence);
  jobs_.insert_or_assign(restored.job.job_id, std::move(restored));
}

bool Table::amend(const std::string& job_id, Failure interrupted) {
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end() || !found->second.job.error || found->second.job.error->code != "interrupted")
    return false;
  found->second.job.error = std::move(interrupted);
  return true;
}

Result<const Job*> Table::add(Order order, WallTime now) {
  if (queue_.size() >= limits_.active) {
    return Error(boost::system::errc::make_error_code(boost::system::errc::resource_unavailable_try_again),
                 std::to_string(queue_.size()) + " jobs are queued or running already");
  }
  Entry added;
  added.job.job_id = std::move(order.job_id);
  added.job.process_name = std::move(order.process_name);
  added.job.operation = std::move(order.operation);
  added.job.metadata = std::move(order.metadata);
  added.job.created_at = added.job.updated_at = seconds(now);
  added.job.sequence = ++last_sequence_;
  const auto [place, inserted] = jobs_.emplace(added.job.job_id, std::move(added));
  if (!inserted) throw std::logic_error("a job of this id exists");
  queue_.emplace(last_sequence_, place->first);
  return &place->second.job;
}

std::optional<std::string> Table::next() {
  if (places_taken_ >= limits_.running) return std::nullopt;
  for (const auto& [sequence, job_id] : queue_) {
    Entry& candidate = entry(job_id);
    if (candidate.attempted || candidate.stepped_back) continue;
    candidate.attempted = true;
    ++places_taken_;
    return job_id;
  }
  return std::nullopt;
}

void Table::begun(const std::string& job_id, WallTime now) {
  Job& job = entry(job_id).job;
  if (job.status != Status::queued) return;
  job.status = Status::running;
  job.started_at = job.updated_at = seconds(now);
}

void Table::progressed(const std::string& job_id, json::object progress, WallTime now) {
  begun(job_id, now);
  Job& job = entry(job_id).job;
  if (!job.active()) return;
  job.progress = std::move(progress);
  job.updated_at = std::max(job.updated_at, seconds(now));
}

bool Table::finish(const std::string& job_id, Outcome outcome, WallTime now) {
  Entry& over = entry(job_id);
  if (over.attempted) --places_taken_;
  over.attempted = false;
  if (!over.job.active()) return true;
  const bool asked_to_end = !over.cancel_code.empty();
  if (outcome.end == Outcome::End::busy && !asked_to_end) {
    over.stepped_back = true;
    over.job.status = Status::queued;
    over.job.started_at.reset();
    over.job.progress.reset();
    return false;
  }
  queue_.erase(over.job.sequence);
  over.job.result = std::move(outcome.result);
  whole_.push_back(job_id);
  shorten_older();
  if (outcome.end == Outcome::End::completed) {
    begun(job_id, now);
    end(over, Status::completed, now);
    return true;
  }
  if (outcome.end == Outcome::End::failed) {
    over.job.error = std::move(outcome.failure);
  } else {
    const std::string code = asked_to_end ? over.cancel_code : "cancelled";
    std::string message = outcome.failure.message.empty() ? message_of(code) : outcome.failure.message;
    over.job.error = Failure{std::move(message), code, std::move(outcome.failure.manifest)};
  }
  end(over, Status::error, now);
  return true;
}

void Table::retry() noexcept {
  for (auto& [job_id, entry] : jobs_) entry.stepped_back = false;
}

bool Table::any_waiting_for_retry() const noexcept {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [](const auto& at) { return at.second.stepped_back && at.second.job.active(); });
}

Result<Table::Cancelled> Table::cancel(const std::string& job_id, std::string_view code, WallTime now) {
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return Error(Errc::not_found, "there is no such job", job_id);
  Entry& asked = found->second;
  if (!asked.job.active()) return Error(Errc::conflict, "the job is over", job_id);
  if (asked.attempted) {
    if (asked.cancel_code.empty()) asked.cancel_code = code;
    return Cancelled::requested;
  }
  queue_.erase(asked.job.sequence);
  asked.job.error = Failure{message_of(code), std::string(code), std::nullopt};
  end(asked, Status::error, now);
  return Cancelled::at_once;
}

const Job* Table::find(const std::string& job_id) const noexcept {
  const auto found = jobs_.find(job_id);
  return found == jobs_.end() ? nullptr : &found->second.job;
}

const Job* Table::latest(const LatestQuery& query) const {
  const std::string name = text::fold(query.process_name);
  const std::string operation = text::lower(text::trim(query.operation));
  const Job* best = nullptr;
  for (const auto& [job_id, entry] : jobs_) {
    const Job& job = entry.job;
    if (text::fold(job.process_name) != name) continue;
    if (!operation.empty() && text::lower(job.operation) != operation) continue;
    if (query.active_only && !job.active()) continue;
    if (best == nullptr ||
        std::tie(best->updated_at, best->sequence) < std::tie(job.updated_at, job.sequence)) {
      best = &job;
    }
  }
  return best;
}

std::vector<const Job*> Table::all() const {
  std::vector<const Job*> out;
  out.reserve(jobs_.size());
  for (const auto& [job_id, entry] : jobs_) out.push_back(&entry.job);
  std::sort(out.begin(), out.end(), [](const Job* a, const Job* b) { return a->sequence > b->sequence; });
  return out;
}

std::size_t Table::active() const noexcept {
  return queue_.size();
}

std::vector<std::string> Table::expire(WallTime now) {
  const std::int64_t limit = seconds(now) - limits_.keep_for.count();
  std::vector<const Job*> finished;
  for (const auto& [job_id, entry] : jobs_) {
    if (!entry.job.active() && !entry.attempted) finished.push_back(&entry.job);
  }
  std::sort(finished.begin(), finished.end(), [](const Job* a, const Job* b) {
    return std::tie(a->updated_at, a->sequence) < std::tie(b->updated_at, b->sequence);
  });
  const std::size_t surplus = jobs_.size() > limits_.kept ? jobs_.size() - limits_.kept : 0;
  std::vector<std::string> dropped;
  for (const Job* job : finished) {
    if (job->updated_at < limit || dropped.size() < surplus) dropped.push_back(job->job_id);
  }
  for (const std::string& job_id : dropped) jobs_.erase(job_id);
  return dropped;
}

}  // namespace dumb::jobs
