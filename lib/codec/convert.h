// Our frames as libav's and back, without touching a pixel, and the tables that map one vocabulary to the
// other.
#pragma once

#include <optional>
#include <span>

#include "codec/av_types.h"
#include "media/frame_stream.h"
#include "trickle/frame.h"

namespace trickle {

[[nodiscard]] AVPixelFormat to_av(PixelFormat format);
/// kNone for a format that we have no name for. The full-range "J" formats are their plain twins.
[[nodiscard]] PixelFormat from_av(AVPixelFormat format);
/// The format of ours that loses least of `format`.
[[nodiscard]] PixelFormat nearest_to(AVPixelFormat format);
/// The format that rawvideo with this tag has (0 for none of ours).
[[nodiscard]] PixelFormat from_raw_tag(uint32_t codec_tag);

[[nodiscard]] inline AVRational to_av(Rational value) { return {value.num, value.den}; }
/// 0/1 for whatever is no positive fraction.
[[nodiscard]] inline Rational from_av(AVRational value) {
  return value.num > 0 && value.den > 0 ? Rational{value.num, value.den} : Rational{0, 1};
}

[[nodiscard]] ColorProperties color_from_av(AVColorSpace matrix, AVColorPrimaries primaries,
                                            AVColorTransferCharacteristic transfer, AVColorRange range);
[[nodiscard]] AVColorRange to_av(ColorProperties::Range range);

/// A view of `frame`'s pixels that keeps the AVFrame alive. Odd sides of subsampled formats lose one pixel.
/// Timing is not set. `frame` must have a format that from_av knows.
[[nodiscard]] VideoFrame view_of(FramePtr frame);

/// Clockwise turn in degrees (0, 90, 180, 270) that a display matrix asks for.
[[nodiscard]] int rotation_of_matrix(const int32_t* matrix);
/// The same of a frame that states it itself.
[[nodiscard]] std::optional<int> rotation_of(const AVFrame& frame);

/// An AVFrame over the pixels of `frame`, which it keeps alive; its buffers are read-only. Timing in the
/// frame's own time base. \return null when memory is out.
[[nodiscard]] FramePtr to_av(const VideoFrame& frame);

/// Gives `parameters` its own copy of codec configuration bytes. \return kInternal when memory is out.
Result<void> set_extradata(AVCodecParameters& parameters, std::span<const uint8_t> bytes);
/// libav's description of an audio track. \return kBadData for a codec name that is unknown.
Result<CodecParametersPtr> to_av(const AudioTrackInfo& track);

/// The same point or span of time in another time base, to the nearest tick.
[[nodiscard]] int64_t rescale(int64_t ticks, Rational from, Rational to);

}  // namespace trickle
