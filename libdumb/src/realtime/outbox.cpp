#include <dumb/realtime/outbox.hpp>
#include <utility>

namespace dumb::realtime {

void LineOutbox::put(Message message) {
  bytes_ += message->size();
  lines_.push_back(std::move(message));
  // The last one stays, however long it is.
  while (lines_.size() > 1 && (lines_.size() > limits_.lines || bytes_ > limits_.bytes)) {
    bytes_ -= lines_.front()->size();
    lines_.pop_front();
    ++dropped_;
  }
}

Message LineOutbox::take() {
  if (dropped_ != 0) return notice_(std::exchange(dropped_, 0));
  if (lines_.empty()) return nullptr;
  Message message = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= message->size();
  return message;
}

}  // namespace dumb::realtime
