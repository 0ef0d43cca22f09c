// Frames to MPEG-TS: pictures encoded, audio copied or encoded, each packet written as soon as it is there.
#pragma once

#include <memory>

#include "base/counters.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"
#include "trickle/result.h"

namespace trickle {

/// \param fd not owned. \return kUsage for an unknown encoder or option, kClosed, kIo.
Result<std::unique_ptr<FrameSink>> open_encode_sink(int fd, const StreamInfo& info,
                                                    const EncodeOptions& options, Counters& counters);

}  // namespace trickle
