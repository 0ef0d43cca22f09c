#include "media/turn.h"

#include <gtest/gtest.h>

#include <vector>

namespace trickle {
namespace {

// Every byte another one, as far as bytes go; `seed` keeps pictures apart.
VideoFrame picture(PixelFormat format, int width, int height, int seed = 0) {
  VideoFrame frame = make_video_frame(format, width, height);
  const size_t size = packed_picture_bytes(format, width, height);
  for (size_t i = 0; i < size; ++i) frame.planes[0].data[i] = static_cast<uint8_t>(i * 7 + i / 256 + seed);
  return frame;
}

// The bytes of one plane without what stands between its rows.
std::vector<uint8_t> pixels(const VideoFrame& frame, int plane) {
  std::vector<uint8_t> bytes;
  const Plane& from = frame.planes[static_cast<size_t>(plane)];
  const size_t row_bytes = plane_row_bytes(frame.format, plane, frame.width);
  for (int row = 0; row < plane_rows(frame.format, plane, frame.height); ++row) {
    const uint8_t* begin = from.data + row * from.stride_bytes;
    bytes.insert(bytes.end(), begin, begin + row_bytes);
  }
  return bytes;
}

void expect_same(const VideoFrame& got, const VideoFrame& wanted) {
  ASSERT_EQ(got.width, wanted.width);
  ASSERT_EQ(got.height, wanted.height);
  const PixelFormatInfo& info = pixel_format_info(wanted.format);
  for (int plane = 0; plane < info.planes; ++plane) {
    EXPECT_EQ(pixels(got, plane), pixels(wanted, plane)) << info.name << ", plane " << plane;
  }
}

class Turn : public testing::Test {
 protected:
  VideoFrame turn(const VideoFrame& frame, int degrees) { return turned(frame, degrees, *memory_); }
  std::shared_ptr<FrameMemory> memory_ = make_heap_memory();
};

TEST_F(Turn, GoesClockwise) {
  VideoFrame frame = make_video_frame(PixelFormat::kGray8, 3, 2);
  for (uint8_t i = 0; i < 6; ++i) frame.planes[0].data[i] = static_cast<uint8_t>(i + 1);
  EXPECT_EQ(pixels(turn(frame, 90), 0), (std::vector<uint8_t>{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(pixels(turn(frame, 180), 0), (std::vector<uint8_t>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(pixels(turn(frame, 270), 0), (std::vector<uint8_t>{3, 6, 2, 5, 1, 4}));
}

TEST_F(Turn, FourQuartersTwoHalvesAndOneThereAndBackAreNoTurnInEveryFormatAndAnOddSize) {
  for (int i = 1; i <= static_cast<int>(PixelFormat::kGbrp); ++i) {
    const auto format = static_cast<PixelFormat>(i);
    const VideoFrame frame = picture(format, 37, 22, i);
    expect_same(turn(turn(frame, 180), 180), frame);
    if (!can_turn(format)) continue;
    EXPECT_EQ(turn(frame, 90).width, 22);
    expect_same(turn(turn(frame, 90), 270), frame);
    expect_same(turn(turn(frame, 90), 90), turn(frame, 180));
    expect_same(turn(turn(turn(turn(frame, 90), 90), 90), 90), frame);
  }
}

TEST_F(Turn, SamplesOfSeveralBytesStayTogether) {
  const VideoFrame frame = picture(PixelFormat::kRgb24, 2, 1);
  const uint8_t* p = frame.planes[0].data;
  EXPECT_EQ(pixels(turn(frame, 180), 0), (std::vector<uint8_t>{p[3], p[4], p[5], p[0], p[1], p[2]}));
}

TEST_F(Turn, OnlyFormatsWhoseChromaIsAlikeInBothDirectionsTakeAQuarter) {
  EXPECT_TRUE(can_turn(PixelFormat::kYuv420p));
  EXPECT_TRUE(can_turn(PixelFormat::kNv12));
  EXPECT_FALSE(can_turn(PixelFormat::kYuv422p));
  EXPECT_FALSE(can_turn(PixelFormat::kYuv422p10));
}

TEST_F(Turn, WhatBelongsToThePictureTurnsWithItOrStays) {
  VideoFrame frame = picture(PixelFormat::kYuv420p, 8, 4);
  frame.timestamp = {77, {1, 1000}};
  frame.duration_ticks = 5;
  frame.sample_aspect = {4, 3};
  frame.field_order = FieldOrder::kTopFirst;
  frame.color.matrix = 1;
  const VideoFrame quarter = turn(frame, 90);
  EXPECT_EQ(quarter.timestamp, frame.timestamp);
  EXPECT_EQ(quarter.duration_ticks, 5);
  EXPECT_EQ(quarter.color, frame.color);
  EXPECT_EQ(quarter.sample_aspect.num, 3);
  EXPECT_EQ(quarter.sample_aspect.den, 4);
  EXPECT_EQ(quarter.field_order, FieldOrder::kProgressive);
  const VideoFrame half = turn(frame, 180);
  EXPECT_EQ(half.sample_aspect.num, 4);
  EXPECT_EQ(half.field_order, FieldOrder::kTopFirst);
}

}  // namespace
}  // namespace trickle
