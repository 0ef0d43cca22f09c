#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "codec/picture_note.h"
#include "codec/picture_scaler.h"

namespace trickle {
namespace {

TEST(PlanCover, ScalesTheOverhangingSideToAnEvenNumberAndCutsTheCentre) {
  const CoverPlan wide = plan_cover(1280, 720, 704, 384);
  EXPECT_EQ(wide.scaled_width, 704);
  EXPECT_EQ(wide.scaled_height, 396);
  EXPECT_EQ(wide.top, 6);
  EXPECT_EQ(wide.left, 0);
  const CoverPlan tall = plan_cover(1080, 1920, 640, 360);
  EXPECT_EQ(tall.scaled_width, 640);
  EXPECT_EQ(tall.scaled_height, 1138);
  EXPECT_EQ(tall.top, 389);
}

TEST(PlanCover, CutsNothingWhereTheShapeIsTheSame) {
  const CoverPlan plan = plan_cover(1920, 1080, 1280, 720);
  EXPECT_EQ(plan.scaled_width, 1280);
  EXPECT_EQ(plan.scaled_height, 720);
  EXPECT_EQ(plan.left + plan.top, 0);
}

VideoFrame grey_frame(PixelFormat format, int width, int height, uint8_t value) {
  VideoFrame frame = make_video_frame(format, width, height);
  std::memset(frame.planes[0].data, value, packed_picture_bytes(format, width, height));
  frame.timestamp = {4711, {1, 1000}};
  frame.color.matrix = 1;
  return frame;
}

TEST(PictureScaler, HandsAFrameOnThatIsAsAskedAlready) {
  PictureScaler scaler;
  VideoFrame frame = grey_frame(PixelFormat::kYuv420p, 64, 48, 128);
  const uint8_t* pixels = frame.planes[0].data;
  auto same = scaler.convert(std::move(frame), 64, 48, PixelFormat::kYuv420p);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->planes[0].data, pixels);
  EXPECT_TRUE(same->writable());
}

TEST(PictureScaler, MakesExclusiveFramesThatKeepTheirProperties) {
  PictureScaler scaler;
  auto scaled = scaler.convert(grey_frame(PixelFormat::kYuv420p, 64, 48, 128), 33, 21, PixelFormat::kYuv420p);
  ASSERT_TRUE(scaled);
  EXPECT_EQ(scaled->width, 32) << "an odd side in 4:2:0 loses one pixel";
  EXPECT_EQ(scaled->height, 20);
  EXPECT_TRUE(scaled->writable());
  EXPECT_EQ(scaled->timestamp.ticks, 4711);
  EXPECT_EQ(scaled->color.matrix, 1);
  for (int plane = 0; plane < 3; ++plane) {
    EXPECT_NEAR(scaled->planes[static_cast<size_t>(plane)].data[0], 128, 1) << plane;
  }
}

TEST(PictureScaler, GoesFromYuvToRgbAndBackByTheSameMatrix) {
  for (const uint8_t matrix : {1, 5, 2}) {
    PictureScaler scaler;
    PictureScaler back;
    VideoFrame frame = make_video_frame(PixelFormat::kYuv444p, 64, 64);
    const std::array<uint8_t, 3> values{90, 100, 170};
    for (size_t plane = 0; plane < 3; ++plane) std::memset(frame.planes[plane].data, values[plane], 64 * 64);
    frame.color.matrix = matrix;
    auto rgb = scaler.convert(std::move(frame), 64, 64, PixelFormat::kRgb24);
    ASSERT_TRUE(rgb);
    const uint8_t red = rgb->planes[0].data[0];
    const double expected =
        (90 - 16) * 255.0 / 219 + (170 - 128) * 255.0 / 224 * (matrix == 1 ? 1.5748 : 1.402);
    EXPECT_NEAR(red, expected, 3) << int{matrix};
    auto yuv = back.convert(*std::move(rgb), 64, 64, PixelFormat::kYuv444p);
    ASSERT_TRUE(yuv);
    for (size_t plane = 0; plane < 3; ++plane)
      EXPECT_NEAR(yuv->planes[plane].data[0], values[plane], 3) << plane;
  }
}

TEST(PictureScaler, ReusesItsMemory) {
  PictureScaler scaler;
  const uint8_t* first =
      scaler.convert(grey_frame(PixelFormat::kYuv420p, 64, 48, 1), 32, 24, PixelFormat::kYuv420p)
          ->planes[0]
          .data;
  const uint8_t* second =
      scaler.convert(grey_frame(PixelFormat::kYuv420p, 64, 48, 1), 32, 24, PixelFormat::kYuv420p)
          ->planes[0]
          .data;
  EXPECT_EQ(first, second);
}

TEST(PictureNote, SaysWhatItWasMadeFrom) {
  const PictureNote note{{9, 8, 16, ColorProperties::Range::kFull}, FieldOrder::kBottomFirst, {16, 11}};
  EXPECT_EQ(parse_picture_note(format_picture_note(note)), note);
  EXPECT_EQ(parse_picture_note(format_picture_note({})), PictureNote{});
}

TEST(PictureNote, IsNotFoundInOtherBytesAndSurvivesNonsense) {
  EXPECT_FALSE(parse_picture_note("BottomUp"));
  EXPECT_EQ(parse_picture_note("trickle matrix=300 range=purple sar=0:0 = x= =y"), PictureNote{});
}

}  // namespace
}  // namespace trickle
