// What the PMT says of an Opus stream ("Encapsulation of Opus in MPEG-TS", 0.1.3: the extension descriptor
// 0x80), as the header that decoders and muxers want (RFC 7845, 5.1).
#pragma once

#include <cstdint>
#include <span>

#include "codec/av_types.h"

namespace trickle {

/// Sets rate, channels and extradata (an OpusHead); stereo where `descriptors` don't tell.
void describe_opus(AVCodecParameters& parameters, std::span<const uint8_t> descriptors);

}  // namespace trickle
