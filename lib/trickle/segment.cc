#include "trickle/segment.h"

namespace trickle {

void ChangeListeners::notify() {
  List pending;
  pending.swap(list_);
  while (!pending.empty()) {
    ChangeListener& listener = pending.front();
    pending.pop_front();
    list_.push_back(listener);
    listener.on_change();
  }
}

size_t ChangeListeners::readers() const {
  size_t count = 0;
  for (const ChangeListener& listener : list_) count += listener.readers();
  return count;
}

void Segment::append(http::ChunkPtr chunk, uint64_t footprint_bytes) {
  size_bytes_ += chunk->size_bytes();
  footprint_bytes_ += footprint_bytes;
  chunks_.push_back(std::move(chunk));
}

void Segment::set_state(SegmentState state) {
  state_ = state;
  if (state != SegmentState::kEvicted) return;
  footprint_bytes_ = 0;
  std::vector<http::ChunkPtr>().swap(chunks_);
}

void Segment::catch_up_with(const Segment& original) {
  if (original.state_ == SegmentState::kEvicted) {
    set_state(SegmentState::kEvicted);
  } else {
    const auto known = static_cast<std::ptrdiff_t>(chunks_.size());
    chunks_.insert(chunks_.end(), original.chunks_.begin() + known, original.chunks_.end());
  }
  state_ = original.state_;
  size_bytes_ = original.size_bytes_;
  footprint_bytes_ = original.footprint_bytes_;
  writer_ = original.writer_;
  begun_at_ = original.begun_at_;
  ended_at_ = original.ended_at_;
}

}  // namespace trickle
