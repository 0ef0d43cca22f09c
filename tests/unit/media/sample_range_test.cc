#include "media/sample_range.h"

#include <gtest/gtest.h>

#include <cstring>

namespace trickle {
namespace {

uint16_t* samples(const VideoFrame& frame, int plane, int row) {
  const Plane& place = frame.planes[static_cast<size_t>(plane)];
  return reinterpret_cast<uint16_t*>(place.data + row * place.stride_bytes);
}

VideoFrame ten_bits() {
  VideoFrame frame = make_video_frame(PixelFormat::kYuv420p10, 33, 17);
  std::memset(frame.planes[0].data, 1, packed_picture_bytes(frame.format, frame.width, frame.height));
  return frame;
}

TEST(SampleRange, LeavesWhatFitsWhereItIs) {
  VideoFrame frame = ten_bits();
  samples(frame, 2, 8)[16] = 1023;
  const uint8_t* before = frame.planes[0].data;
  frame = in_sample_range(std::move(frame));
  EXPECT_EQ(frame.planes[0].data, before);
  EXPECT_EQ(samples(frame, 2, 8)[16], 1023);
}

TEST(SampleRange, MakesTheGreatestOfWhatIsGreaterInEveryPlane) {
  for (int plane = 0; plane < 3; ++plane) {
    VideoFrame frame = ten_bits();
    samples(frame, plane, plane > 0 ? 8 : 16)[plane > 0 ? 16 : 32] = 1024;
    frame = in_sample_range(std::move(frame));
    EXPECT_EQ(samples(frame, plane, plane > 0 ? 8 : 16)[plane > 0 ? 16 : 32], 1023) << plane;
    EXPECT_EQ(samples(frame, plane, 0)[0], 0x101) << plane;
  }
}

TEST(SampleRange, WritesToNoFrameThatSomebodyElseHolds) {
  VideoFrame frame = ten_bits();
  samples(frame, 0, 3)[3] = 0xffff;
  const VideoFrame held = frame;
  frame = in_sample_range(std::move(frame));
  EXPECT_EQ(samples(held, 0, 3)[3], 0xffff);
  EXPECT_EQ(samples(frame, 0, 3)[3], 1023);
}

TEST(SampleRange, HasNothingToDoWithBytes) {
  VideoFrame frame = make_video_frame(PixelFormat::kRgb24, 3, 3);
  std::memset(frame.planes[0].data, 0xff, 27);
  const uint8_t* before = frame.planes[0].data;
  EXPECT_EQ(in_sample_range(std::move(frame)).planes[0].data, before);
}

}  // namespace
}  // namespace trickle
