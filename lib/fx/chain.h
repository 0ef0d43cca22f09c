// A ChainSpec made to run: frames in, frames out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/once_a_second.h"
#include "fx/chain_spec.h"
#include "fx/effect.h"
#include "media/frame_memory.h"
#include "trickle/frame.h"
#include "trickle/result.h"

namespace trickle::fx {

/// process() belongs to one thread at a time; make() may run on another one meanwhile.
class Chain {
 public:
  /// Makes every effect ready; may take long (a model is loaded). Runs of colour effects become one pass.
  /// \param previous a running chain, or null: its effects that the new one has too, with the same
  /// parameters, go on in the new one as they are. The two chains must not process frames at the same time.
  /// \param memory where colour effects make frames that can't be changed in place; null: the heap.
  static Result<std::unique_ptr<Chain>> make(const ChainSpec& spec, const Chain* previous = nullptr,
                                             const std::shared_ptr<FrameMemory>& memory = nullptr);

  /// Transforms one frame, in place where it is writable. Timing and properties are kept. An effect that
  /// fails on a frame lets it pass unchanged; that is counted, and logged at most once a second.
  VideoFrame process(VideoFrame frame);

  /// Frames that passed some effect unchanged because it failed.
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  struct Link {
    EffectSpec spec;  // Without a name for a run of colour effects, which is always made anew.
    std::shared_ptr<Effect> effect;
  };

  [[nodiscard]] std::shared_ptr<Effect> find(const EffectSpec& spec) const;
  VideoFrame process_by(const Link& link, VideoFrame frame);

  std::vector<Link> links_;
  uint64_t failures_ = 0;
  OnceASecond failure_reports_;
};

}  // namespace trickle::fx
