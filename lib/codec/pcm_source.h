// A source whose sound is samples, whatever it came as.
#pragma once

#include <memory>

#include "base/counters.h"
#include "media/frame_stream.h"

namespace trickle {

/// `source` with its audio decoded to pcm_s16le, each track keeping its rate, channels and time base. A track
/// that can't be decoded passes as it is, with a warning. Damaged packets are counted and reported.
std::unique_ptr<FrameSource> make_pcm_source(std::unique_ptr<FrameSource> source, Counters& counters);

}  // namespace trickle
