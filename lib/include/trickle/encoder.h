// Encodes pictures and sound to MPEG-TS and writes it to a descriptor, each frame's packets at once.
#pragma once

#include <memory>

#include "trickle/audio_frame.h"
#include "trickle/codec_options.h"
#include "trickle/export.h"
#include "trickle/frame.h"
#include "trickle/result.h"
#include "trickle/stream_info.h"

namespace trickle {

/// Belongs to one thread. A write to a pipe without a reader raises SIGPIPE as any write does: ignore that
/// signal to get kClosed instead.
class TRICKLE_API Encoder {
 public:
  /// `info` tells which tracks there will be (a Decoder's info(), as a rule); `fd` stays the caller's.
  /// \return kUsage for an unknown encoder or option.
  static Result<std::unique_ptr<Encoder>> open(int fd, const StreamInfo& info,
                                               const EncodeOptions& options = {});
  virtual ~Encoder() = default;

  /// Any size and format; where they change the encoder starts anew with a keyframe.
  /// \return kClosed when the reader of `fd` is gone.
  virtual Result<void> write(VideoFrame frame) = 0;
  /// Samples of a track that `info` says is "pcm_s16le".
  virtual Result<void> write(const AudioFrame& frame) = 0;
  virtual Result<void> write(AudioPacket packet) = 0;
  /// Writes what is still held. Call once, last.
  virtual Result<void> finish() = 0;
};

}  // namespace trickle
