// Decodes what can be read from a descriptor: MPEG-TS and anything else that FFmpeg demuxes, or a stream of
// frames (trickle-frames(5)).
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "trickle/audio_frame.h"
#include "trickle/codec_options.h"
#include "trickle/export.h"
#include "trickle/frame.h"
#include "trickle/result.h"
#include "trickle/stream_info.h"

namespace trickle {

/// A picture; sound as samples (DecodeOptions::audio kPcm) or as compressed packets (kCopy).
using MediaItem = std::variant<VideoFrame, AudioFrame, AudioPacket>;

/// Belongs to one thread, but for cancel().
class TRICKLE_API Decoder {
 public:
  /// Waits until the tracks are known. `fd` (a pipe, socket or file) stays the caller's and must outlive the
  /// decoder. \return kBadData when nothing in it can be understood, or it is empty.
  static Result<std::unique_ptr<Decoder>> open(int fd, const DecodeOptions& options = {});
  virtual ~Decoder() = default;

  [[nodiscard]] virtual const StreamInfo& info() const = 0;
  /// Waits for the next item, in the order of the stream, timestamps rising. \return nothing at the end;
  /// damage that can be survived is counted (lost()), not returned.
  virtual Result<std::optional<MediaItem>> read() = 0;
  /// Pictures and packets that could not be decoded.
  [[nodiscard]] virtual uint64_t lost() const = 0;
  /// Ends a read() that waits, and all later ones, as if the input had ended. From any thread.
  virtual void cancel() = 0;
};

}  // namespace trickle
