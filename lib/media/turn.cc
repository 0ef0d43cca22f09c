#include "media/turn.h"

#include <array>
#include <cstring>

namespace trickle {
namespace {

// `columns` and `rows` are those of the plane as it was; a sample has N bytes.
template <size_t N>
void turn_plane(const Plane& from, const Plane& to, int columns, int rows, int degrees) {
  for (int row = 0; row < rows; ++row) {
    const uint8_t* source = from.data + row * from.stride_bytes;
    for (int column = 0; column < columns; ++column) {
      int to_row = rows - 1 - row;
      int to_column = columns - 1 - column;
      if (degrees == 90) {
        to_row = column;
        to_column = rows - 1 - row;
      } else if (degrees == 270) {
        to_row = columns - 1 - column;
        to_column = row;
      }
      std::memcpy(to.data + to_row * to.stride_bytes + static_cast<ptrdiff_t>(N) * to_column,
                  source + N * static_cast<size_t>(column), N);
    }
  }
}

void turn_plane(const Plane& from, const Plane& to, int columns, int rows, int degrees, int sample_bytes) {
  if (sample_bytes == 1) turn_plane<1>(from, to, columns, rows, degrees);
  if (sample_bytes == 2) turn_plane<2>(from, to, columns, rows, degrees);
  if (sample_bytes == 3) turn_plane<3>(from, to, columns, rows, degrees);
  if (sample_bytes == 4) turn_plane<4>(from, to, columns, rows, degrees);
}

}  // namespace

bool can_turn(PixelFormat format) {
  const PixelFormatInfo& info = pixel_format_info(format);
  return info.log2_chroma_w == info.log2_chroma_h;
}

VideoFrame turned(const VideoFrame& frame, int degrees, FrameMemory& memory) {
  const bool quarter = degrees != 180;
  VideoFrame result = make_padded_frame(memory, frame.format, quarter ? frame.height : frame.width,
                                        quarter ? frame.width : frame.height);
  if (!result.memory) return result;
  const PixelFormatInfo& info = pixel_format_info(frame.format);
  for (int plane = 0; plane < info.planes; ++plane) {
    const auto index = static_cast<size_t>(plane);
    const int sample_bytes = info.bytes_per_sample[index];
    const int columns = static_cast<int>(plane_row_bytes(frame.format, plane, frame.width)) / sample_bytes;
    turn_plane(frame.planes[index], result.planes[index], columns,
               plane_rows(frame.format, plane, frame.height), degrees, sample_bytes);
  }
  result.color = frame.color;
  result.field_order = quarter ? FieldOrder::kProgressive : frame.field_order;
  result.sample_aspect = frame.sample_aspect;
  if (quarter && frame.sample_aspect.known()) {
    result.sample_aspect = {frame.sample_aspect.den, frame.sample_aspect.num};
  }
  result.timestamp = frame.timestamp;
  result.duration_ticks = frame.duration_ticks;
  return result;
}

}  // namespace trickle
