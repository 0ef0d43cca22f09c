// Pictures as the tensors that models take, and back: one pass over the frame, straight into the tensor's
// memory.
//
// A tensor holds RGB (or grey, or RGBA) as floats in [0,1], rows from the top, either interleaved (layout
// NHWC: r g b r g b …) or planar (NCHW). No tensor library is needed here. Functions are pure; any thread may
// call them.
#pragma once

#include "trickle/convert.h"
#include "trickle/frame.h"

namespace trickle::fx {

using trickle::TensorLayout;

/// Writes 3 * width * height floats to `rgb`. YUV is understood by the frame's own matrix and range;
/// subsampled chroma is replicated. Every PixelFormat but kNone is taken.
void picture_to_floats(const VideoFrame& frame, TensorLayout layout, float* rgb);

/// Writes `channels` (1: grey, 3: RGB, 4: RGB and an alpha that is ignored) * width * height floats into
/// `picture`, whose size, format, matrix and range stay as they are. What leaves [0,1] is clamped, NaN is 0;
/// the chroma of a subsampled format is the mean of the pixels it covers; an alpha channel of the picture
/// becomes opaque.
void floats_to_picture(const float* values, int channels, TensorLayout layout, VideoFrame& picture);

/// Writes the picture `from` into `to`, which has the same size and keeps its format; both are understood by
/// the colour properties of their own.
void convert_picture(const VideoFrame& from, VideoFrame& to);

}  // namespace trickle::fx
