// A ChainSpec made to run: frames (and sound) in, frames (and sound) out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/once_a_second.h"
#include "fx/chain_spec.h"
#include "fx/effect.h"
#include "fx/effect_host.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

/// process() and finish() belong to one thread at a time; make() may run on another one meanwhile.
class Chain {
 public:
  /// Makes every effect ready; may take long (a model is loaded). Runs of colour effects become one pass.
  /// \param host may be null, for a program that has nothing to give.
  /// \param previous a running chain, or null: its effects that the new one has too go on in the new one,
  /// with new parameters where they can take them while they run. The two chains must not process frames at
  /// the same time. When this fails, they have their old parameters again.
  static Result<std::unique_ptr<Chain>> make(const ChainSpec& spec, EffectHostPtr host = nullptr,
                                             const Chain* previous = nullptr);

  /// Transforms one frame, in place where it is writable, and appends what is ready to `out`. An effect that
  /// fails on a frame lets it pass unchanged; that is counted, and logged and told at most once a second.
  void process(VideoFrame frame, Frames& out);
  void process(SoundBlock block, Sounds& out);

  /// Appends what the effects still hold. \param next the chain that takes over, or null at the end: effects
  /// that go on there keep what they hold.
  void finish(Frames& out, const Chain* next = nullptr);
  void finish(Sounds& out, const Chain* next = nullptr);

  /// True when some effect works on sound.
  [[nodiscard]] bool takes_sound() const { return takes_sound_; }
  /// Frames and blocks of sound that passed some effect unchanged because it failed.
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  struct Link {
    EffectSpec spec;  // Without a name for a run of colour effects, which is always made anew.
    std::shared_ptr<Effect> effect;
    bool takes_sound = false;
  };
  class Maker;

  [[nodiscard]] bool has(const Effect* effect) const;
  template <typename Item>
  void run_from(size_t index, Item item, std::vector<Item>& out);
  template <typename Item>
  void finish_links(std::vector<Item>& out, const Chain* next);
  void count_failure(const Link& link, const Error& error);
  void tell_failure(const Link& link, const Error& error) const;

  EffectHostPtr host_;
  std::vector<Link> links_;
  bool takes_sound_ = false;
  uint64_t failures_ = 0;
  OnceASecond failure_reports_;
};

}  // namespace trickle::fx
