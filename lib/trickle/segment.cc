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

void Segment::append(http::ChunkPtr chunk) {
  size_bytes_ += chunk->size_bytes();
  footprint_bytes_ += chunk->footprint_bytes();
  chunks_.push_back(std::move(chunk));
}

void Segment::set_state(SegmentState state) {
  state_ = state;
  if (state != SegmentState::kEvicted) return;
  footprint_bytes_ = 0;
  std::vector<http::ChunkPtr>().swap(chunks_);
}

}  // namespace trickle
