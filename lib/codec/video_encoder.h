// One video encoder of libavcodec, told to add no delay.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "codec/av_types.h"
#include "codec/picture_scaler.h"
#include "media/frame_stream.h"
#include "trickle/codec_options.h"

namespace trickle {

/// The codec that the encoder `name` makes, if a transport stream can carry it. \return kUsage with a
/// sentence.
Result<AVCodecID> codec_of_encoder(const std::string& name);

/// Encodes pictures of one size, format, field order and colour. Belongs to one thread.
class VideoEncoder {
 public:
  /// What a new encoder is needed for when it changes.
  struct Shape {
    int width;
    int height;
    PixelFormat format;
    ColorProperties color;
    FieldOrder field_order;
    Rational sample_aspect;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  [[nodiscard]] static Shape shape_of(const VideoFrame& frame);
  [[nodiscard]] static Shape shape_of(const VideoTrackInfo& track);

  /// \param frame_rate nominal, 0/1 when unknown: only rate control uses it.
  /// \return kUsage for an option that the encoder does not have or accept.
  static Result<std::unique_ptr<VideoEncoder>> open(const EncodeOptions& options, const Shape& shape,
                                                    Rational time_base, Rational frame_rate);

  using Give = std::function<Result<void>(AVPacket&)>;
  /// Encodes one picture and gives each packet that is ready, its times in the time base of open().
  Result<void> encode(VideoFrame frame, int64_t ticks, bool keyframe, const Give& give);
  /// Gives what the encoder still holds. Call once.
  Result<void> finish(const Give& give);

  [[nodiscard]] const Shape& shape() const { return shape_; }

 private:
  VideoEncoder(CodecContextPtr context, const Shape& shape, PixelFormat format)
      : context_(std::move(context)), shape_(shape), format_(format), packet_(av_packet_alloc()) {}
  Result<void> give_packets(const Give& give);

  CodecContextPtr context_;
  Shape shape_;
  PixelFormat format_;  // What the encoder takes.
  PacketPtr packet_;
  PictureScaler scaler_;
  bool counts_frames_ = false;  // It knows frame rates, not times: it is given numbers.
  int64_t next_number_ = 0;
  std::deque<int64_t> ticks_;  // Of the pictures that it has not given back.
};

}  // namespace trickle
