// Reads a frame stream: raw video and audio packets in NUT.
#pragma once

#include <memory>

#include "base/counters.h"
#include "codec/demuxer.h"
#include "codec/fd_avio.h"
#include "codec/shape_control.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "media/nut_reader.h"
#include "trickle/codec_options.h"

namespace trickle {

/// One of the two, by what the NUT file carries.
struct NutInput {
  std::unique_ptr<FrameSource> source;  ///< Raw video in a format of ours, or audio alone.
  std::unique_ptr<Demuxer> demuxer;     ///< Anything else, which is for a decoder.
};

/// Waits until the headers are there. \param memory where pictures that come through the pipe are read to,
/// and scaled ones made; null: the heap. \return kBadData when the headers are broken, kCancelled after a
/// stop.
Result<NutInput> open_nut(std::unique_ptr<FdReader> reader, const DecodeOptions& options,
                          std::shared_ptr<ShapeControl> control, Counters& counters,
                          std::shared_ptr<FrameMemory> memory = nullptr);

}  // namespace trickle
