// Drives a chain: what a source gives goes through it into a sink.
#pragma once

#include <chrono>
#include <memory>

#include "base/counters.h"
#include "fx/late_sink.h"
#include "fx/live_chain.h"
#include "fx/loading_panel.h"
#include "media/frame_stream.h"

namespace trickle::fx {

struct RunOptions {
  /// True: when the chain or the sink is slower than the source, the oldest frames are left out (counted as
  /// Drop::kLag). False: the source waits.
  bool drop_on_lag = false;
  /// Where frames are dropped: how long one may wait for the chain. What is slow for good delays the video by
  /// no more than this and one frame's time.
  std::chrono::milliseconds longest_wait{500};
  /// What viewers see while it is asked for. Null: nobody can ask.
  std::shared_ptr<LoadingPanel> panel;
  /// Where frames are dropped: the panel is also shown while an effect gives nothing for `panel_after`.
  bool panel_on_stall = false;
  std::chrono::milliseconds panel_after{1500};
};

/// Loads the chain and runs until the source ends. The sink is opened for the source's tracks, the picture's
/// being that of the first frame that leaves the chain. When the source fails, what the chain and the sink
/// hold is still written, and then the source's error returned. Where the chain takes sound, the source's
/// must be pcm_s16le. Sound is never dropped.
Result<void> run_chain(FrameSource& source, const OpenSink& open_sink, LiveChain& chain,
                       const RunOptions& options, Counters& counters);

}  // namespace trickle::fx
