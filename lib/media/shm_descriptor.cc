#include "media/shm_descriptor.h"

#include <cstring>
#include <string_view>

namespace trickle {
namespace {

constexpr std::string_view kMagic = "trickle slot 1\n";
constexpr int kMaxSide = 16384;
constexpr uint32_t kWritable = 1;

struct Wire {
  std::array<char, 16> magic;
  uint64_t inode;
  uint64_t region_bytes;
  int32_t fd;
  uint32_t lease;
  uint32_t flags;
  uint32_t format;
  int32_t width;
  int32_t height;
  uint64_t reserved;
  std::array<SlotDescriptor::PlanePlace, 4> planes;
};
static_assert(sizeof(Wire) == SlotDescriptor::kBytes, "no padding, and no surprise for the other end");

// Bytes from a plane's first to its last, without ever overflowing: sides are bounded by now.
std::optional<uint64_t> plane_span(PixelFormat format, int plane, int width, int height, uint64_t stride) {
  const uint64_t row_bytes = plane_row_bytes(format, plane, width);
  const auto rows = static_cast<uint64_t>(plane_rows(format, plane, height));
  if (stride < row_bytes || stride > (uint64_t{1} << 31)) return std::nullopt;
  return stride * (rows - 1) + row_bytes;
}

bool within(const SlotDescriptor& descriptor) {
  for (int plane = 0; plane < pixel_format_info(descriptor.format).planes; ++plane) {
    const auto& place = descriptor.planes[static_cast<size_t>(plane)];
    const auto span =
        plane_span(descriptor.format, plane, descriptor.width, descriptor.height, place.stride_bytes);
    const uint64_t size = descriptor.region.size_bytes;
    const bool deep = pixel_format_info(descriptor.format).bits > 8;
    if (deep && (place.offset % sizeof(uint16_t) != 0 || place.stride_bytes % sizeof(uint16_t) != 0))
      return false;
    if (!span || place.offset > size || *span > size - place.offset) return false;
  }
  return true;
}

}  // namespace

std::optional<SlotDescriptor> describe_slot(const VideoFrame& frame, const SharedRegion& region) {
  SlotDescriptor descriptor;
  descriptor.region = region.name();
  descriptor.writable = frame.writable();
  descriptor.format = frame.format;
  descriptor.width = frame.width;
  descriptor.height = frame.height;
  for (size_t plane = 0; plane < static_cast<size_t>(pixel_format_info(frame.format).planes); ++plane) {
    const Plane& from = frame.planes[plane];
    if (from.data < region.data() || from.stride_bytes < 0) return std::nullopt;
    descriptor.planes[plane] = {static_cast<uint64_t>(from.data - region.data()),
                                static_cast<uint64_t>(from.stride_bytes)};
  }
  if (!within(descriptor)) return std::nullopt;
  return descriptor;
}

std::array<uint8_t, SlotDescriptor::kBytes> pack(const SlotDescriptor& descriptor) {
  Wire wire{};
  std::memcpy(wire.magic.data(), kMagic.data(), kMagic.size());
  wire.inode = descriptor.region.inode;
  wire.region_bytes = descriptor.region.size_bytes;
  wire.fd = descriptor.region.fd;
  wire.lease = descriptor.lease;
  wire.flags = descriptor.writable ? kWritable : 0;
  wire.format = static_cast<uint32_t>(descriptor.format);
  wire.width = descriptor.width;
  wire.height = descriptor.height;
  wire.planes = descriptor.planes;
  std::array<uint8_t, SlotDescriptor::kBytes> bytes{};
  std::memcpy(bytes.data(), &wire, bytes.size());
  return bytes;
}

bool is_descriptor(std::span<const uint8_t> packet) {
  return packet.size() == SlotDescriptor::kBytes &&
         std::memcmp(packet.data(), kMagic.data(), kMagic.size()) == 0;
}

std::optional<SlotDescriptor> parse_descriptor(std::span<const uint8_t> packet) {
  if (!is_descriptor(packet)) return std::nullopt;
  Wire wire{};
  std::memcpy(&wire, packet.data(), sizeof wire);
  const bool format_known = wire.format > static_cast<uint32_t>(PixelFormat::kNone) &&
                            wire.format <= static_cast<uint32_t>(PixelFormat::kGbrp);
  const bool sides_fit =
      wire.width >= 1 && wire.height >= 1 && wire.width <= kMaxSide && wire.height <= kMaxSide;
  if (!format_known || !sides_fit || wire.fd < 0 || (wire.flags & ~kWritable) != 0) return std::nullopt;
  SlotDescriptor descriptor;
  descriptor.region = {wire.fd, wire.inode, wire.region_bytes};
  descriptor.lease = wire.lease;
  descriptor.writable = (wire.flags & kWritable) != 0;
  descriptor.format = static_cast<PixelFormat>(wire.format);
  descriptor.width = wire.width;
  descriptor.height = wire.height;
  descriptor.planes = wire.planes;
  if (!within(descriptor)) return std::nullopt;
  return descriptor;
}

VideoFrame frame_in(const SharedRegion& region, const SlotDescriptor& descriptor) {
  VideoFrame frame;
  frame.width = descriptor.width;
  frame.height = descriptor.height;
  frame.format = descriptor.format;
  frame.exclusive = descriptor.writable;
  for (size_t plane = 0; plane < static_cast<size_t>(pixel_format_info(frame.format).planes); ++plane) {
    const auto& place = descriptor.planes[plane];
    frame.planes[plane] = {region.data() + place.offset, static_cast<ptrdiff_t>(place.stride_bytes)};
  }
  return frame;
}

}  // namespace trickle
