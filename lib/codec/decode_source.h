// Encoded media as a frame source: pictures decoded, audio passed on or decoded, timestamps on one rising
// line.
#pragma once

#include <memory>

#include "base/counters.h"
#include "codec/demuxer.h"
#include "codec/shape_control.h"
#include "io/stop.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// Reads until the tracks are known: the first picture is decoded, or there is none to wait for.
/// \param memory where pictures are made; may be null.
/// \return kBadData when nothing could be decoded to the end, kCancelled when a stop came before that.
Result<std::unique_ptr<FrameSource>> open_decode_source(std::unique_ptr<Demuxer> demuxer,
                                                        const DecodeOptions& options,
                                                        std::shared_ptr<ShapeControl> control,
                                                        Counters& counters, const StopToken& stop,
                                                        std::shared_ptr<FrameMemory> memory = nullptr);

}  // namespace trickle
