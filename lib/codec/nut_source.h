// Reads a frame stream: raw video and audio packets in NUT.
#pragma once

#include <memory>

#include "base/counters.h"
#include "codec/demuxer.h"
#include "codec/fd_avio.h"
#include "codec/shape_control.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// Every NUT file starts with these bytes (NUT specification, "file_id_string").
inline constexpr std::string_view kNutFileId{"nut/multimedia container\0", 25};

/// One of the two, by what the NUT file carries.
struct NutInput {
  std::unique_ptr<FrameSource> source;  ///< Raw video in a format of ours, or audio alone.
  std::unique_ptr<Demuxer> demuxer;     ///< Anything else, which is for a decoder.
};

/// Waits until the headers are there. \return kBadData when they are broken, kCancelled after a stop.
Result<NutInput> open_nut(std::unique_ptr<FdReader> reader, const DecodeOptions& options,
                          std::shared_ptr<ShapeControl> control, Counters& counters,
                          std::shared_ptr<FrameMemory> memory = nullptr);

}  // namespace trickle
