// Audio packets to signed 16-bit samples, or just to knowing what they are.
#pragma once

#include <functional>
#include <memory>

#include "codec/av_types.h"
#include "media/frame_stream.h"
#include "trickle/frame.h"

namespace trickle {

/// Fills in what `parameters` leave open (sample rate, channels, samples per packet) by decoding `packet`.
void learn_audio_parameters(AVCodecParameters& parameters, const AVPacket& packet);

/// Belongs to one thread.
class AudioDecoder {
 public:
  /// Output has `track`'s rate and channels, whatever the packets turn out to have, and its time base.
  static Result<std::unique_ptr<AudioDecoder>> open(const AVCodecParameters& parameters,
                                                    const AudioTrackInfo& track);

  /// Decodes one packet (null: the end), calling `give` for each packet of samples (its track number is not
  /// set). \return kBadData when it could not be decoded; go on with the next.
  Result<void> decode(const AVPacket* packet, const std::function<void(AudioPacket)>& give);

 private:
  AudioDecoder(CodecContextPtr context, const AudioTrackInfo& track)
      : context_(std::move(context)),
        rate_(track.sample_rate),
        channels_(track.channels),
        time_base_(track.time_base) {}
  Result<AudioPacket> resample(const AVFrame& frame);

  CodecContextPtr context_;
  int rate_;
  int channels_;
  Rational time_base_;
  SwrPtr resampler_;
  int64_t next_pts_ = AV_NOPTS_VALUE;
  int from_rate_ = 0;
  int from_channels_ = 0;
  int from_format_ = -1;
};

/// A resampler between two layouts. \return null when there is none.
[[nodiscard]] SwrPtr make_resampler(const AVChannelLayout& to_layout, AVSampleFormat to_format, int to_rate,
                                    const AVChannelLayout& from_layout, AVSampleFormat from_format,
                                    int from_rate);

}  // namespace trickle
