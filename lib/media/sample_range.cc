#include "media/sample_range.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace trickle {
namespace {

// Calls `row(samples, count)` for each row of each plane until it says false.
template <typename Row>
bool for_all_rows(const VideoFrame& frame, const Row& row) {
  for (int plane = 0; plane < pixel_format_info(frame.format).planes; ++plane) {
    const Plane& place = frame.planes[static_cast<size_t>(plane)];
    const size_t count = plane_row_bytes(frame.format, plane, frame.width) / sizeof(uint16_t);
    for (int y = 0; y < plane_rows(frame.format, plane, frame.height); ++y) {
      if (!row(reinterpret_cast<uint16_t*>(place.data + y * place.stride_bytes), count)) return false;
    }
  }
  return true;
}

}  // namespace

VideoFrame in_sample_range(VideoFrame frame) {
  const int bits = pixel_format_info(frame.format).bits;
  if (bits <= 8 || bits >= 16) return frame;
  const auto most = static_cast<uint16_t>((1U << bits) - 1);
  const bool fits = for_all_rows(frame, [most](const uint16_t* samples, size_t count) {
    uint16_t all = 0;
    for (size_t i = 0; i < count; ++i) all |= samples[i];
    return all <= most;
  });
  if (fits) return frame;
  VideoFrame result = frame.writable() ? std::move(frame) : copy_of(frame);
  for_all_rows(result, [most](uint16_t* samples, size_t count) {
    for (size_t i = 0; i < count; ++i) samples[i] = std::min(samples[i], most);
    return true;
  });
  return result;
}

}  // namespace trickle
