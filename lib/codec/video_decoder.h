// One video decoder of libavcodec, told to add no delay.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "codec/av_types.h"
#include "media/frame_memory.h"
#include "trickle/codec_options.h"
#include "trickle/frame.h"

namespace trickle {

/// What libavcodec's callbacks need.
struct DecoderCallbacks {
  std::shared_ptr<FrameMemory> memory;
  AVPixelFormat hardware_format = AV_PIX_FMT_NONE;
};

/// Belongs to one thread.
class VideoDecoder {
 public:
  /// \param memory pictures are decoded straight into it, where the decoder can; null: anywhere.
  /// \return kBadData for a codec without a decoder, kUsage for a hardware type that is not there.
  static Result<std::unique_ptr<VideoDecoder>> open(const AVCodecParameters& parameters, Rational time_base,
                                                    const DecodeOptions& options,
                                                    std::shared_ptr<FrameMemory> memory = nullptr);

  /// Gives one packet, or null at the end; then call receive() until it gives nothing.
  /// \return kBadData when the packet could not be decoded; go on with the next.
  Result<void> send(const AVPacket* packet);
  /// The next picture in presentation order, with best_effort_timestamp set if anything gave it a time.
  /// Frames of a format that we have no name for are given in the nearest one. \return nothing when there is
  /// none yet; kBadData.
  Result<FramePtr> receive();

  /// As the bitstream states it; 0/1: unknown.
  [[nodiscard]] Rational frame_rate() const;
  /// Tells how many pictures come out later than they go in. Where the bitstream does not say so itself, the
  /// decoder would find out by losing some. Call after the first send().
  void hint_reorder(int64_t ticks_from_decoding_to_presentation, Rational time_base, Rational frame_rate);
  /// Makes it ready for a packet that does not follow the last one.
  void flush() { avcodec_flush_buffers(context_.get()); }

 private:
  explicit VideoDecoder(CodecContextPtr context) : context_(std::move(context)) {}
  Result<void> use_hardware(const std::string& type_name, const AVCodec& codec);
  Result<FramePtr> from_hardware(FramePtr frame);
  Result<FramePtr> in_known_format(FramePtr frame);

  DecoderCallbacks callbacks_;  // The codec context refers to it.
  CodecContextPtr context_;
  BufferPtr hardware_;
  SwsPtr sws_;
};

[[nodiscard]] int64_t duration_of(const AVFrame& frame);

}  // namespace trickle
