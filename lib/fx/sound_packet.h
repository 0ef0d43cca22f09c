// Packets of signed 16-bit samples as what effects on sound take, and back.
#pragma once

#include "media/frame_stream.h"
#include "media/sound_block.h"

namespace trickle::fx {

/// `packet` must be one of a pcm_s16le track.
[[nodiscard]] SoundBlock to_sound(const AudioPacket& packet, const AudioTrackInfo& track);
/// What leaves full scale is clamped, NaN is silence.
[[nodiscard]] AudioPacket to_packet(const SoundBlock& block);

}  // namespace trickle::fx
