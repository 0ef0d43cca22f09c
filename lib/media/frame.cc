#include "trickle/frame.h"

#include <array>
#include <cstring>
#include <new>

namespace trickle {
namespace {

struct Entry {
  PixelFormat format;
  PixelFormatInfo info;
};

constexpr std::array<Entry, 13> kFormats{{
    {PixelFormat::kNone, {"none", 0, 0, 0, 0, false, {0, 0, 0, 0}}},
    {PixelFormat::kYuv420p, {"yuv420p", 3, 1, 1, 8, false, {1, 1, 1, 0}}},
    {PixelFormat::kYuv422p, {"yuv422p", 3, 1, 0, 8, false, {1, 1, 1, 0}}},
    {PixelFormat::kYuv444p, {"yuv444p", 3, 0, 0, 8, false, {1, 1, 1, 0}}},
    {PixelFormat::kYuv420p10, {"yuv420p10le", 3, 1, 1, 10, false, {2, 2, 2, 0}}},
    {PixelFormat::kYuv422p10, {"yuv422p10le", 3, 1, 0, 10, false, {2, 2, 2, 0}}},
    {PixelFormat::kYuv444p10, {"yuv444p10le", 3, 0, 0, 10, false, {2, 2, 2, 0}}},
    {PixelFormat::kNv12, {"nv12", 2, 1, 1, 8, false, {1, 2, 0, 0}}},
    {PixelFormat::kGray8, {"gray", 1, 0, 0, 8, false, {1, 0, 0, 0}}},
    {PixelFormat::kRgb24, {"rgb24", 1, 0, 0, 8, true, {3, 0, 0, 0}}},
    {PixelFormat::kRgba, {"rgba", 1, 0, 0, 8, true, {4, 0, 0, 0}}},
    {PixelFormat::kBgra, {"bgra", 1, 0, 0, 8, true, {4, 0, 0, 0}}},
    {PixelFormat::kGbrp, {"gbrp", 3, 0, 0, 8, true, {1, 1, 1, 0}}},
}};

// Vector kernels may read and write whole cache lines at the ends of rows that they own.
constexpr std::align_val_t kAlignment{64};

int shifted_up(int size, int shift) { return (size + (1 << shift) - 1) >> shift; }

std::shared_ptr<uint8_t> allocate(size_t size_bytes) {
  auto* data = static_cast<uint8_t*>(::operator new(size_bytes, kAlignment));
  return {data, [](uint8_t* p) { ::operator delete(p, kAlignment); }};
}

}  // namespace

const PixelFormatInfo& pixel_format_info(PixelFormat format) {
  static_assert(kFormats[static_cast<size_t>(PixelFormat::kGbrp)].format == PixelFormat::kGbrp);
  return kFormats[static_cast<size_t>(format)].info;
}

PixelFormat pixel_format_from_name(std::string_view name) {
  for (const auto& entry : kFormats) {
    if (name == entry.info.name) return entry.format;
  }
  return PixelFormat::kNone;
}

size_t plane_row_bytes(PixelFormat format, int plane, int width) {
  const auto& info = pixel_format_info(format);
  const int shift = plane == 1 || plane == 2 ? info.log2_chroma_w : 0;
  return static_cast<size_t>(shifted_up(width, shift)) *
         static_cast<size_t>(info.bytes_per_sample[static_cast<size_t>(plane)]);
}

int plane_rows(PixelFormat format, int plane, int height) {
  const auto& info = pixel_format_info(format);
  return shifted_up(height, plane == 1 || plane == 2 ? info.log2_chroma_h : 0);
}

size_t packed_picture_bytes(PixelFormat format, int width, int height) {
  size_t total = 0;
  for (int plane = 0; plane < pixel_format_info(format).planes; ++plane) {
    total += plane_row_bytes(format, plane, width) * static_cast<size_t>(plane_rows(format, plane, height));
  }
  return total;
}

VideoFrame wrap_packed_picture(PixelFormat format, int width, int height, uint8_t* data,
                               std::shared_ptr<void> memory) {
  VideoFrame frame;
  frame.width = width;
  frame.height = height;
  frame.format = format;
  for (int plane = 0; plane < pixel_format_info(format).planes; ++plane) {
    const size_t row_bytes = plane_row_bytes(format, plane, width);
    frame.planes[static_cast<size_t>(plane)] = {data, static_cast<ptrdiff_t>(row_bytes)};
    data += row_bytes * static_cast<size_t>(plane_rows(format, plane, height));
  }
  frame.memory = std::move(memory);
  return frame;
}

VideoFrame make_video_frame(PixelFormat format, int width, int height) {
  auto memory = allocate(packed_picture_bytes(format, width, height));
  uint8_t* data = memory.get();
  VideoFrame frame = wrap_packed_picture(format, width, height, data, std::move(memory));
  frame.exclusive = true;
  return frame;
}

void copy_properties(const VideoFrame& from, VideoFrame& to) {
  to.color = from.color;
  to.field_order = from.field_order;
  to.sample_aspect = from.sample_aspect;
  to.timestamp = from.timestamp;
  to.duration_ticks = from.duration_ticks;
  to.user_data = from.user_data;
  to.side_table = from.side_table;
}

VideoFrame copy_of(const VideoFrame& frame) {
  VideoFrame copy = make_video_frame(frame.format, frame.width, frame.height);
  for (int plane = 0; plane < pixel_format_info(frame.format).planes; ++plane) {
    const Plane& from = frame.planes[static_cast<size_t>(plane)];
    const Plane& to = copy.planes[static_cast<size_t>(plane)];
    const size_t row_bytes = plane_row_bytes(frame.format, plane, frame.width);
    for (int row = 0; row < plane_rows(frame.format, plane, frame.height); ++row) {
      std::memcpy(to.data + row * to.stride_bytes, from.data + row * from.stride_bytes, row_bytes);
    }
  }
  copy_properties(frame, copy);
  return copy;
}

}  // namespace trickle
