// A chain on a thread of its own, behind a short queue that drops its oldest frames: the video goes on
// whatever an effect does.
#pragma once

#include "fx/run_chain.h"

namespace trickle::fx {

/// run_chain() with drop_on_lag.
Result<void> run_lagging(FrameSource& source, const OpenSink& open_sink, LiveChain& chain,
                         const RunOptions& options, Counters& counters);

}  // namespace trickle::fx
