// Descriptors from the pipe: what is accepted must lie within the region that it names, to the last byte.
#include <cstring>
#include <span>

#include "media/shm_descriptor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using trickle::SlotDescriptor;
  const auto descriptor = trickle::parse_descriptor({data, size});
  if (!descriptor) return 0;
  const auto& info = trickle::pixel_format_info(descriptor->format);
  if (info.planes < 1 || descriptor->width < 1 || descriptor->height < 1) __builtin_trap();
  for (int plane = 0; plane < info.planes; ++plane) {
    const auto& place = descriptor->planes[static_cast<size_t>(plane)];
    const uint64_t row_bytes = trickle::plane_row_bytes(descriptor->format, plane, descriptor->width);
    const auto rows =
        static_cast<uint64_t>(trickle::plane_rows(descriptor->format, plane, descriptor->height));
    // In wide arithmetic, as somebody else would check it.
    __extension__ typedef unsigned __int128 Wide;
    const Wide end =
        static_cast<Wide>(place.offset) + static_cast<Wide>(place.stride_bytes) * (rows - 1) + row_bytes;
    if (place.stride_bytes < row_bytes || end > descriptor->region.size_bytes) __builtin_trap();
  }
  const auto again = trickle::pack(*descriptor);
  if (!trickle::parse_descriptor(again)) __builtin_trap();
  return 0;
}
