// How much sound a packet of a transport stream holds, by its own header: libav's parsers keep it to
// themselves for AAC, or tell it only after many packets (MPEG audio).
#pragma once

#include <cstdint>
#include <span>

#include "codec/av_types.h"

namespace trickle {

struct AudioSpan {
  int samples = 0;
  int rate = 0;  ///< 0: unknown.
};

/// One stream's. Belongs to one thread.
class AudioSpanReader {
 public:
  /// \return zeros for codecs that it does not know, and for what is none of their headers.
  AudioSpan read(AVCodecID codec, std::span<const uint8_t> packet);

 private:
  AudioSpan read_latm(std::span<const uint8_t> packet);

  AudioSpan latm_;  // By the newest configuration, which packets may refer to.
};

}  // namespace trickle
