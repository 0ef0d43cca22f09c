#include "trickle/convert.h"

#include "fx/tensor_picture.h"

namespace trickle {
namespace {

VideoFrame make_like(const VideoFrame& like, PixelFormat format, int width, int height) {
  VideoFrame frame = make_video_frame(format, width, height);
  copy_properties(like, frame);
  return frame;
}

}  // namespace

VideoFrame to_format(const VideoFrame& frame, PixelFormat format) {
  if (frame.format == format) return copy_of(frame);
  VideoFrame result = make_like(frame, format, frame.width, frame.height);
  fx::convert_picture(frame, result);
  return result;
}

void to_floats(const VideoFrame& frame, TensorLayout layout, float* rgb) {
  fx::picture_to_floats(frame, layout, rgb);
}

VideoFrame from_floats(const float* values, int width, int height, int channels, TensorLayout layout,
                       const VideoFrame& like) {
  VideoFrame frame = make_like(like, like.format, width, height);
  fx::floats_to_picture(values, channels, layout, frame);
  return frame;
}

}  // namespace trickle
