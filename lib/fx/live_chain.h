// A chain that can be changed while it runs.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>

#include "fx/chain.h"
#include "fx/chain_spec.h"

namespace trickle::fx {

/// process() belongs to one thread; update() may be called from any other, at any time. An update that fails
/// changes nothing; one that succeeds holds from the next frame on, and of several before a frame the newest
/// counts.
class LiveChain {
 public:
  /// Makes the first chain ready. \return what makes the spec impossible.
  static Result<std::unique_ptr<LiveChain>> make(ChainSpec spec, EffectHostPtr host = nullptr);

  /// A chain that lets frames pass untouched until load() has made its effects ready.
  static std::unique_ptr<LiveChain> make_unloaded(ChainSpec spec, EffectHostPtr host = nullptr);
  /// Makes what make_unloaded() left undone; nothing where that is done, or an update came before. \return
  /// what makes the spec impossible.
  Result<void> load();

  /// Applies an update in JSON (chain_spec.h) to the newest chain and makes the result ready, which may take
  /// long; frames go on through the old one meanwhile. \return the update's outcome, with the names that were
  /// not understood; or a sentence that says what is wrong.
  Result<ChainUpdate> update(std::string_view json_text);

  /// Whether sound goes through the chain; because the first one takes it, or because it was asked for. Ask
  /// before updates may come: one that brings an effect on sound where there is none to process is refused.
  [[nodiscard]] bool processes_sound() const { return processes_sound_; }
  void process_sound_too() { processes_sound_ = true; }

  /// See Chain. Where a new chain takes over, what the old one still holds comes first.
  void process(VideoFrame frame, Frames& out);
  void process(SoundBlock block, Sounds& out);
  void finish(Frames& out);
  void finish(Sounds& out);

 private:
  LiveChain() = default;
  void switch_over();
  void take_over(std::shared_ptr<Chain> chain);

  EffectHostPtr host_;
  bool processes_sound_ = false;
  std::mutex update_mutex_;  // Held through a whole update: they come one after another.
  ChainSpec newest_spec_;
  bool loaded_ = true;
  // Kept by update() too, so that a chain that was replaced is destroyed there and not between two frames.
  std::shared_ptr<Chain> newest_;
  std::shared_ptr<Chain> retired_;

  std::mutex next_mutex_;  // Held for a moment only, guards next_.
  std::shared_ptr<Chain> next_;
  std::atomic<bool> has_next_{false};

  // Of the thread that processes.
  std::shared_ptr<Chain> running_;
  Frames held_frames_;  // What a chain that was replaced still held.
  Sounds held_sounds_;
};

}  // namespace trickle::fx
