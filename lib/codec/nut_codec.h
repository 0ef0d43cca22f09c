// The codec tags that NUT gives to audio tracks.
#pragma once

#include "codec/av_types.h"
#include "media/nut_reader.h"

namespace trickle {

/// The codec of an audio track; AV_CODEC_ID_NONE for a tag that we don't know.
[[nodiscard]] AVCodecID audio_codec_of(const NutTrack& track);

}  // namespace trickle
