// Opens what the tools read and write: frame streams (NUT) or encoded media, by descriptor.
//
// The factories are all that tools and the pipeline need of lib/codec. Returned objects belong to one thread
// and must not outlive the Counters they were given.
#pragma once

#include <functional>
#include <memory>

#include "base/counters.h"
#include "codec/shape_control.h"
#include "io/stop.h"
#include "media/frame_memory.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"
#include "trickle/result.h"

namespace trickle {

enum class InputKind {
  kEmpty,    ///< Not one byte came: a warning and exit code 0 in the tools.
  kFrames,   ///< A frame stream of ours (NUT with raw video).
  kEncoded,  ///< Anything else that FFmpeg can demux; it is decoded.
};

struct OpenedInput {
  InputKind kind;
  std::unique_ptr<FrameSource> source;  ///< Null when kEmpty.
};

/// Recognises what `fd` (not owned) carries by its first bytes and waits until its tracks are known. For
/// encoded input `options` say how to decode; a frame stream is passed as it is, except that size, format and
/// max_fps apply to it too. \return kBadData when nothing in it can be understood, kCancelled when a stop
/// came first. \param control may be null; it changes size and rate while the source runs.
/// \param memory where pictures are decoded into and scaled into; null: the heap.
Result<OpenedInput> open_input(int fd, const DecodeOptions& options, Counters& counters,
                               const StopToken& stop, std::shared_ptr<ShapeControl> control = nullptr,
                               std::shared_ptr<FrameMemory> memory = nullptr);

/// A sink that writes a frame stream (NUT version 4, flushed after each item) to `fd` (not owned).
/// \param shared frames are offered to the reader through this memory, which make_shared_memory() made and
/// frames are best made in (others are copied into it once); null: everything goes through the pipe.
Result<std::unique_ptr<FrameSink>> open_frame_output(int fd, const StreamInfo& info, Counters& counters,
                                                     std::shared_ptr<FrameMemory> shared = nullptr);

/// A sink that writes YUV4MPEG2: video only, in the first frame's size, without timestamps.
/// \return kBadData when there is no video.
Result<std::unique_ptr<FrameSink>> open_y4m_output(int fd, const StreamInfo& info, Counters& counters);

/// A sink that encodes and writes MPEG-TS to `fd` (not owned), each frame's packets at once.
/// \return kUsage for an unknown encoder or option.
Result<std::unique_ptr<FrameSink>> open_encoded_output(int fd, const StreamInfo& info,
                                                       const EncodeOptions& options, Counters& counters);

/// A function that converts frames to another pixel format, size and properties kept. Belongs to one thread
/// at a time.
std::function<Result<VideoFrame>(VideoFrame frame, PixelFormat format)> make_picture_converter();

}  // namespace trickle
