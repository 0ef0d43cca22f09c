// What travels through the pipe in place of a picture: where its pixels lie.
//
// A descriptor is a frame stream's video packet of exactly kBytes bytes that begins with a magic text. Its
// fields are in the machine's own byte order: both ends run on it. Whoever reads one takes it for hostile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "media/shm_region.h"
#include "trickle/frame.h"

namespace trickle {

struct SlotDescriptor {
  static constexpr size_t kBytes = 128;
  struct PlanePlace {
    uint64_t offset = 0;  ///< Of the first row, from the region's beginning.
    uint64_t stride_bytes = 0;
  };

  RegionName region;
  uint32_t lease = 0;     ///< Entry of the link's table (shm_link.h) that the reader gives back.
  bool writable = false;  ///< Nobody else refers to these pixels: the reader may change them in place.
  PixelFormat format = PixelFormat::kNone;
  int32_t width = 0;
  int32_t height = 0;
  std::array<PlanePlace, 4> planes{};
};

/// The descriptor of `frame`, whose pixels lie in `region`. \return nothing for strides below zero or pixels
/// outside.
[[nodiscard]] std::optional<SlotDescriptor> describe_slot(const VideoFrame& frame,
                                                          const SharedRegion& region);

[[nodiscard]] std::array<uint8_t, SlotDescriptor::kBytes> pack(const SlotDescriptor& descriptor);

/// True for a packet that is a descriptor and no picture.
[[nodiscard]] bool is_descriptor(std::span<const uint8_t> packet);
/// \return nothing unless every field is one that describe_slot could have made: a known format, sides up to
/// 16384, every row of every plane within the region.
[[nodiscard]] std::optional<SlotDescriptor> parse_descriptor(std::span<const uint8_t> packet);

/// The frame that `descriptor` (a parsed one) describes in `region`, which has the size that it names.
/// Memory, timing and properties are not set.
[[nodiscard]] VideoFrame frame_in(const SharedRegion& region, const SlotDescriptor& descriptor);

}  // namespace trickle
