// Frames as LibTorch tensors. The only public header that shows a dependency; link LibTorch beside trickle.
#pragma once

#include <torch/types.h>

#include <type_traits>
#include <utility>

#include "trickle/convert.h"
#include "trickle/frame.h"
#include "trickle/frame_processor.h"

namespace trickle {

/// The picture as RGB floats in [0,1], shape [1,H,W,3], on the CPU. One pass, one copy.
[[nodiscard]] inline torch::Tensor tensor(const VideoFrame& frame) {
  torch::Tensor result = torch::empty({1, frame.height, frame.width, 3});
  to_floats(frame, TensorLayout::kNhwc, result.data_ptr<float>());
  return result;
}

/// The pixels of an rgb24, rgba or bgra frame as they lie in memory: uint8, shape [1,H,W,C], without a copy.
/// The tensor keeps the frame's memory alive; changing it changes the frame. Other formats, and rows from the
/// bottom, are converted to RGB first.
[[nodiscard]] inline torch::Tensor byte_tensor(const VideoFrame& frame) {
  const bool packed = pixel_format_info(frame.format).rgb && pixel_format_info(frame.format).planes == 1 &&
                      frame.planes[0].stride_bytes > 0;
  const VideoFrame picture = packed ? frame : to_rgb(frame);
  const int64_t channels = pixel_format_info(picture.format).bytes_per_sample[0];
  const int64_t stride = picture.planes[0].stride_bytes;
  return torch::from_blob(
      picture.planes[0].data, {1, picture.height, picture.width, channels},
      {stride * picture.height, stride, channels, 1}, [memory = picture.memory](void*) {}, torch::kUInt8);
}

/// A frame made of `values`, [1,H,W,C] or [H,W,C] with 1, 3 or 4 channels: floats in [0,1] (clamped) or
/// uint8, on any device. Size is the tensor's; format, timing, colour and user data are those of `frame`.
/// \return kUsage for any other shape.
[[nodiscard]] inline Result<VideoFrame> with_tensor(const VideoFrame& frame, const torch::Tensor& values) {
  torch::Tensor t = values.dim() == 3 ? values.unsqueeze(0) : values;
  constexpr int64_t kLargestSide = 16384;
  const bool fits = t.dim() == 4 && t.size(0) == 1 && t.size(1) > 0 && t.size(2) > 0 &&
                    t.size(1) <= kLargestSide && t.size(2) <= kLargestSide &&
                    (t.size(3) == 1 || t.size(3) == 3 || t.size(3) == 4);
  if (!fits) return unexpected(ErrorKind::kUsage, "a frame is made of a tensor of shape [1,H,W,1|3|4]");
  t = t.scalar_type() == torch::kUInt8 ? t.to(torch::kCPU, torch::kFloat32).div_(255)
                                       : t.to(torch::kCPU, torch::kFloat32);
  t = t.contiguous();
  return from_floats(t.data_ptr<float>(), static_cast<int>(t.size(2)), static_cast<int>(t.size(1)),
                     static_cast<int>(t.size(3)), TensorLayout::kNhwc, frame);
}

/// For SimpleClient::process(): a function from tensor to tensor, both as tensor() makes them.
template <typename F>
requires std::is_invocable_r_v<torch::Tensor, F&, torch::Tensor> VideoStep adapt(AdaptTag, F f) {
  return {[f = std::move(f)](VideoFrame frame) mutable -> Result<VideoOutput> {
            Result<VideoFrame> result = with_tensor(frame, f(tensor(frame)));
            if (!result) return unexpected(std::move(result).error());
            return VideoOutput(*std::move(result));
          },
          false};
}

}  // namespace trickle
