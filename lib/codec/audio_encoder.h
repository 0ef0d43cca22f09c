// Audio of any codec to AAC or Opus, for tracks that can't or shall not be copied.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "codec/audio_decoder.h"
#include "codec/av_types.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// Belongs to one thread.
class AudioEncoder {
 public:
  using Give = std::function<Result<void>(AVPacket&)>;

  /// \param mode kOpus (48 kHz, the source's channels up to stereo) or kAac (the source's rate, up to
  /// stereo). \return kUsage when this FFmpeg has no such encoder, kBadData for a track that can't be
  /// decoded.
  static Result<std::unique_ptr<AudioEncoder>> open(const AudioTrackInfo& track, AudioMode mode);

  /// What the output track is.
  [[nodiscard]] const AVCodecContext& context() const { return *context_; }

  /// Takes one packet of the source's and gives what is ready, times in context().time_base.
  /// \return kBadData when it could not be decoded; go on with the next.
  Result<void> encode(const AudioPacket& packet, const Give& give);
  Result<void> finish(const Give& give);

 private:
  AudioEncoder(CodecContextPtr context, std::unique_ptr<AudioDecoder> decoder, SwrPtr to_encoder)
      : context_(std::move(context)),
        decoder_(std::move(decoder)),
        to_encoder_(std::move(to_encoder)),
        packet_(av_packet_alloc()) {}
  void collect(const AudioPacket& samples);
  Result<void> encode_whole_frames(const Give& give, bool all);
  Result<void> encode_frame(size_t samples, const Give& give);
  Result<void> give_packets(const Give& give);

  CodecContextPtr context_;
  std::unique_ptr<AudioDecoder> decoder_;
  SwrPtr to_encoder_;
  PacketPtr packet_;
  std::vector<uint8_t> waiting_;     // Interleaved 16-bit samples.
  std::optional<int64_t> next_pts_;  // Of the first waiting sample, in samples.
};

}  // namespace trickle
