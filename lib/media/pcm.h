// Between packets of "pcm_s16le", which frame streams carry, and AudioFrame, which processors get.
#pragma once

#include "trickle/audio_frame.h"
#include "trickle/frame.h"
#include "trickle/stream_info.h"

namespace trickle {

/// The samples of a packet of `track`. What is no whole sample of every channel is left out.
[[nodiscard]] AudioFrame from_pcm_packet(const AudioPacket& packet, const AudioTrackInfo& track,
                                         SampleFormat format);
/// `frame` as interleaved signed 16-bit samples with its times in `time_base`.
[[nodiscard]] AudioPacket to_pcm_packet(const AudioFrame& frame, Rational time_base);

}  // namespace trickle
