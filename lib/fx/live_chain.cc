#include "fx/live_chain.h"

#include <utility>

#include "base/try.h"

namespace trickle::fx {

Result<std::unique_ptr<LiveChain>> LiveChain::make(ChainSpec spec, std::shared_ptr<FrameMemory> memory) {
  TRICKLE_TRY_ASSIGN(std::shared_ptr<Chain> chain, Chain::make(spec, nullptr, memory));
  std::unique_ptr<LiveChain> live(new LiveChain);
  live->memory_ = std::move(memory);
  live->newest_spec_ = std::move(spec);
  live->newest_ = chain;
  live->running_ = std::move(chain);
  return live;
}

Result<ChainUpdate> LiveChain::update(std::string_view json_text) {
  const std::lock_guard lock(update_mutex_);
  TRICKLE_TRY_ASSIGN(ChainUpdate update, apply_update_text(newest_spec_, json_text));
  if (update.chain == newest_spec_) return update;
  TRICKLE_TRY_ASSIGN(std::shared_ptr<Chain> chain, Chain::make(update.chain, newest_.get(), memory_));
  newest_spec_ = update.chain;
  retired_ = std::exchange(newest_, chain);
  const std::lock_guard next_lock(next_mutex_);
  next_ = std::move(chain);
  has_next_.store(true, std::memory_order_release);
  return update;
}

VideoFrame LiveChain::process(VideoFrame frame) {
  if (has_next_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(next_mutex_);
    running_ = std::exchange(next_, nullptr);
    has_next_.store(false, std::memory_order_release);
  }
  return running_->process(std::move(frame));
}

}  // namespace trickle::fx
