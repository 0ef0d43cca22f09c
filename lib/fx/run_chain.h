// Drives a chain: what a source gives goes through it into a sink.
#pragma once

#include "fx/late_sink.h"
#include "fx/live_chain.h"
#include "media/frame_stream.h"

namespace trickle::fx {

/// Runs until the source ends. The sink is opened for the source's tracks, the picture's being that of the
/// first frame that leaves the chain. When the source fails, what the chain and the sink hold is still
/// written, and then the source's error returned. Where the chain takes sound, the source's must be
/// pcm_s16le.
Result<void> run_chain(FrameSource& source, const OpenSink& open_sink, LiveChain& chain);

}  // namespace trickle::fx
