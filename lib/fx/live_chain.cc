#include "fx/live_chain.h"

#include <utility>

#include "base/try.h"

namespace trickle::fx {

Result<std::unique_ptr<LiveChain>> LiveChain::make(ChainSpec spec, EffectHostPtr host) {
  TRICKLE_TRY_ASSIGN(std::shared_ptr<Chain> chain, Chain::make(spec, host));
  std::unique_ptr<LiveChain> live(new LiveChain);
  live->host_ = std::move(host);
  live->processes_sound_ = chain->takes_sound();
  live->newest_spec_ = std::move(spec);
  live->newest_ = chain;
  live->running_ = std::move(chain);
  return live;
}

Result<ChainUpdate> LiveChain::update(std::string_view json_text) {
  const std::lock_guard lock(update_mutex_);
  TRICKLE_TRY_ASSIGN(ChainUpdate update, apply_update_text(newest_spec_, json_text));
  if (update.chain == newest_spec_ && loaded_) return update;
  if (!processes_sound_ && needs_sound(update.chain)) {
    return unexpected(ErrorKind::kUsage,
                      "sound passes untouched in this run: it must start with an effect on sound, or with "
                      "--process-audio, for one to be added");
  }
  TRICKLE_TRY_ASSIGN(std::shared_ptr<Chain> chain, Chain::make(update.chain, host_, newest_.get()));
  newest_spec_ = update.chain;
  take_over(std::move(chain));
  return update;
}

std::unique_ptr<LiveChain> LiveChain::make_unloaded(ChainSpec spec, EffectHostPtr host) {
  std::unique_ptr<LiveChain> live(new LiveChain);
  live->host_ = std::move(host);
  live->processes_sound_ = takes_sound(spec);
  live->newest_spec_ = std::move(spec);
  live->newest_ = std::make_shared<Chain>();
  live->running_ = live->newest_;
  live->loaded_ = false;
  return live;
}

Result<void> LiveChain::load() {
  const std::lock_guard lock(update_mutex_);
  if (loaded_) return {};
  TRICKLE_TRY_ASSIGN(std::shared_ptr<Chain> chain, Chain::make(newest_spec_, host_));
  take_over(std::move(chain));
  return {};
}

void LiveChain::take_over(std::shared_ptr<Chain> chain) {
  loaded_ = true;
  retired_ = std::exchange(newest_, chain);
  const std::lock_guard next_lock(next_mutex_);
  next_ = std::move(chain);
  has_next_.store(true, std::memory_order_release);
}

void LiveChain::switch_over() {
  if (!has_next_.load(std::memory_order_acquire)) return;
  std::shared_ptr<Chain> next;
  {
    const std::lock_guard lock(next_mutex_);
    next = std::exchange(next_, nullptr);
    has_next_.store(false, std::memory_order_release);
  }
  running_->finish(held_frames_, next.get());
  if (processes_sound_) running_->finish(held_sounds_, next.get());
  running_ = std::move(next);
}

void LiveChain::process(VideoFrame frame, Frames& out) {
  switch_over();
  for (VideoFrame& held : held_frames_) out.push_back(std::move(held));
  held_frames_.clear();
  running_->process(std::move(frame), out);
}

void LiveChain::process(SoundBlock block, Sounds& out) {
  switch_over();
  for (SoundBlock& held : held_sounds_) out.push_back(std::move(held));
  held_sounds_.clear();
  running_->process(std::move(block), out);
}

void LiveChain::finish(Frames& out) {
  switch_over();
  for (VideoFrame& held : held_frames_) out.push_back(std::move(held));
  held_frames_.clear();
  running_->finish(out);
}

void LiveChain::finish(Sounds& out) {
  switch_over();
  for (SoundBlock& held : held_sounds_) out.push_back(std::move(held));
  held_sounds_.clear();
  running_->finish(out);
}

}  // namespace trickle::fx
